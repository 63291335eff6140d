// Connected components of equal labels, 26 neighbours, all labels in one pass; the largest of each label stays.
// Union-find over voxels (Komura's and Playne's form): a voxel points at an earlier one of its component, the root is
// the first voxel with z fastest. Launcher, dtypes and layouts: launch.rs.

enum : u32 { NONE = ~0u };

struct ComponentsArgs {
    u8 *labels;    // z fastest; changed by components_filter
    u32 *parent;   // per voxel
    u32 *size;     // per voxel: the size of the component whose root it is; 0 before
    u64 *largest;  // per label: size << 32 | root; 0 before
    u32 dims[3];   // slowest first
    u32 pad;
};

__device__ __forceinline__ u32 find(const u32 *parent, u32 i) {
    // Other threads may shorten the way meanwhile; every value on it is a member and smaller.
    const volatile u32 *p = parent;
    for (u32 up = p[i]; up != i; up = p[i]) i = up;
    return i;
}

__device__ __forceinline__ void unite(u32 *parent, u32 one, u32 two) {
    for (;;) {
        one = find(parent, one);
        two = find(parent, two);
        if (one == two) return;
        if (one < two) {
            const u32 t = one;
            one = two;
            two = t;
        }
        // The larger root points at the smaller, unless somebody was faster: then go on from what they wrote.
        const u32 old = atomicMin(&parent[one], two);
        if (old == one) return;
        one = old;
    }
}

// Blocks of 256 voxels along z; a warp holds 32 neighbours, and voxels of one run within it point at its start.
// grid: (ceil(z / 256), y, x).
KERNEL_SYNC(components_init, ComponentsArgs) {
    const u32 z = blockIdx.x * blockDim.x + threadIdx.x, lane = threadIdx.x % 32;
    const u32 row = (blockIdx.z * a.dims[1] + blockIdx.y) * a.dims[2];
    const bool inside = z < a.dims[2];
    const u32 label = inside ? a.labels[row + z] : 0;
    const u32 previous = inside && lane && z ? a.labels[row + z - 1] : 0;
    const u32 begins = __ballot_sync(~0u, lane == 0 || label != previous);
    if (!inside) return;
    const u32 start = 31 - __clz((int)(begins & (~0u >> (31 - lane))));
    a.parent[row + z] = label ? row + z - (lane - start) : NONE;
}

// Joins runs across warps, and with the four rows before.
KERNEL(components_merge, ComponentsArgs) {
    const u32 z = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y, x = blockIdx.z;
    if (z >= a.dims[2]) return;
    const u32 i = (x * a.dims[1] + y) * a.dims[2] + z;
    const u8 label = a.labels[i];
    if (!label) return;
    const bool left = z > 0 && a.labels[i - 1] == label, right = z + 1 < a.dims[2] && a.labels[i + 1] == label;
    if (left && z % 32 == 0) unite(a.parent, i, i - 1);
    // (x, y-1), (x-1, y-1), (x-1, y), (x-1, y+1)
#ifdef __CUDACC__
#pragma unroll
#endif
    for (int k = 0; k < 4; k++) {
        const bool back = k > 0;
        const int dy = k == 0 || k == 1 ? -1 : k == 2 ? 0 : 1;
        if ((back && x == 0) || (dy < 0 && y == 0) || (dy > 0 && y + 1 >= a.dims[1])) continue;
        const u32 other = i - (back ? a.dims[1] * a.dims[2] : 0) + (u32)dy * a.dims[2];
        const bool middle = a.labels[other] == label;
        const bool before = z > 0 && a.labels[other - 1] == label, after = z + 1 < a.dims[2] && a.labels[other + 1] == label;
        if (middle) {
            // Where both rows go on to the left, the voxel there joins them.
            if (!(left && before)) unite(a.parent, i, other);
        } else {
            // Diagonals that a neighbour in this row has straight below it are its business.
            if (before && !left) unite(a.parent, i, other - 1);
            if (after && !right) unite(a.parent, i, other + 1);
        }
    }
}

// Every voxel points at its root, and the roots know how many do: one addition for a run within a warp.
KERNEL_SYNC(components_count, ComponentsArgs) {
    const u32 z = blockIdx.x * blockDim.x + threadIdx.x, lane = threadIdx.x % 32;
    const u32 i = (blockIdx.z * a.dims[1] + blockIdx.y) * a.dims[2] + z;
    const bool inside = z < a.dims[2];
    u32 root = NONE;
    if (inside && a.parent[i] != NONE) {
        root = find(a.parent, i);
        a.parent[i] = root;
    }
    // Neighbours of one root in a row: the first of them adds for all.
    const u32 shown = __shfl_down_sync(~0u, root, 1);
    const u32 ends = __ballot_sync(~0u, lane == 31 || shown != root);
    const u32 begins = ends << 1 | 1;
    if (root != NONE && (begins >> lane & 1)) {
        const u32 last = __ffs((int)(ends & (~0u << lane))) - 1;
        atomicAdd(&a.size[root], last - lane + 1);
    }
}

// The largest of each label; of equals the one whose first voxel comes last, as in MONAI.
KERNEL(components_largest, ComponentsArgs) {
    const u32 z = blockIdx.x * blockDim.x + threadIdx.x;
    if (z >= a.dims[2]) return;
    const u32 i = (blockIdx.z * a.dims[1] + blockIdx.y) * a.dims[2] + z;
    if (a.parent[i] == i) atomicMax(&a.largest[a.labels[i]], (u64)a.size[i] << 32 | i);
}

KERNEL(components_filter, ComponentsArgs) {
    const u32 z = blockIdx.x * blockDim.x + threadIdx.x;
    if (z >= a.dims[2]) return;
    const u32 i = (blockIdx.z * a.dims[1] + blockIdx.y) * a.dims[2] + z;
    const u8 label = a.labels[i];
    if (label && (u32)a.largest[label] != a.parent[i]) a.labels[i] = 0;
}
