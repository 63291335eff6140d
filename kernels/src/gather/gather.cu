// Gather: each output voxel reads the source through one table per axis (or, where axes turn, through a matrix).
// Launcher, dtypes and layouts: launch.rs.

// Where one output index reads along one source axis: offsets in elements (index times the axis's stride), and
// the weight of `high`.
struct Tap {
    u32 low, high;
    float weight;
};

// Stored value to physical value, per output index of the axis that runs along source z: PET scales each slice.
struct Rescale {
    float low_slope, low_intercept, high_slope, high_intercept;
};

struct GatherArgs {
    const void *input;
    void *output;
    const Tap *taps[3];          // per output axis; axis 2 is fastest
    const Rescale *rescale;      // per index of output axis `slice_axis`; null: values as stored
    const Intensity *intensity;  // null: as they are
    u32 dims[3];                 // of the whole output
    u32 first[3], count[3];      // the box of it that this launch writes
    u32 read_axis, slice_axis;   // which output axes run along source x and source z
};

__device__ __forceinline__ float lerp(float low, float high, float w) { return fmaf(w, high - low, low); }

// One value. `x`, `y`, `z` are the taps along the source's axes.
template <class In, bool Linear>
__device__ __forceinline__ float sample(const In *in, const Tap &x, const Tap &y, const Tap &z, const Rescale *r) {
    if (!Linear) {
        float v = as_float(in[x.low + y.low + z.low]);
        return r ? fmaf(v, r->low_slope, r->low_intercept) : v;
    }
    // All eight loads before the arithmetic, so that they are in flight together.
    u32 a = y.low + z.low, b = y.high + z.low, c = y.low + z.high, d = y.high + z.high;
    float a0 = as_float(in[a + x.low]), a1 = as_float(in[a + x.high]);
    float b0 = as_float(in[b + x.low]), b1 = as_float(in[b + x.high]);
    float c0 = as_float(in[c + x.low]), c1 = as_float(in[c + x.high]);
    float d0 = as_float(in[d + x.low]), d1 = as_float(in[d + x.high]);
    float low = lerp(lerp(a0, a1, x.weight), lerp(b0, b1, x.weight), y.weight);
    float high = lerp(lerp(c0, c1, x.weight), lerp(d0, d1, x.weight), y.weight);
    if (r) {
        low = fmaf(low, r->low_slope, r->low_intercept);
        high = fmaf(high, r->high_slope, r->high_intercept);
    }
    return lerp(low, high, z.weight);
}

template <class In, bool Linear>
__device__ __forceinline__ float sample_at(const GatherArgs &a, const Tap &x, const Tap &y, const Tap &z, u32 slice) {
    float v = sample<In, Linear>((const In *)a.input, x, y, z, a.rescale ? a.rescale + slice : nullptr);
    return a.intensity ? apply(*a.intensity, v) : v;
}

// Source x runs along the output's fastest axis: reads and writes are both in order. Four values a thread, a block
// apart, so that both stay coalesced.
template <class In, class Out, bool Linear>
__device__ __forceinline__ void gather_direct(const GatherArgs &a) {
    const u32 i0 = a.first[0] + blockIdx.z, i1 = a.first[1] + blockIdx.y;
    const Tap t0 = a.taps[0][i0], t1 = a.taps[1][i1];
    const bool slice_first = a.slice_axis == 0;
    const Tap y = slice_first ? t1 : t0, z = slice_first ? t0 : t1;
    Out *row = (Out *)a.output + ((u64)i0 * a.dims[1] + i1) * a.dims[2] + a.first[2];
    const Tap *xs = a.taps[2] + a.first[2];
    for (u32 k = 0; k < 4; k++) {
        u32 i = (blockIdx.x * 4 + k) * blockDim.x + threadIdx.x;
        if (i >= a.count[2]) return;
        row[i] = from_float<Out>(sample_at<In, Linear>(a, xs[i], y, z, slice_first ? i0 : i1));
    }
}

enum { TILE_READ = 32, TILE_WRITE = 64 };

// Source x runs along another output axis: a tile goes through shared memory. Lanes of a warp follow source x while
// reading and the output's fastest axis while writing. One column of padding keeps the banks apart.
template <class In, class Out, bool Linear>
__device__ __forceinline__ void gather_tiled(const GatherArgs &a) {
    __shared__ float tile[TILE_WRITE][TILE_READ + 1];
    const u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    const u32 read0 = blockIdx.x * TILE_READ, write0 = blockIdx.y * TILE_WRITE;
    const bool first_axis = a.read_axis == 0;
    const u32 n_read = first_axis ? a.count[0] : a.count[1];
    const u32 f_read = first_axis ? a.first[0] : a.first[1];
    const u32 f_rest = first_axis ? a.first[1] : a.first[0];
    const u32 rest = f_rest + blockIdx.z;

    if (read0 + lane < n_read) {
        const bool slice_fastest = a.slice_axis == 2;
        const Tap x = (first_axis ? a.taps[0] : a.taps[1])[f_read + read0 + lane];
        const Tap other = (first_axis ? a.taps[1] : a.taps[0])[rest];
        for (u32 w = warp; w < TILE_WRITE && write0 + w < a.count[2]; w += warps) {
            const u32 i = a.first[2] + write0 + w;
            const Tap fast = a.taps[2][i];
            const Tap y = slice_fastest ? other : fast, z = slice_fastest ? fast : other;
            tile[w][lane] = sample_at<In, Linear>(a, x, y, z, slice_fastest ? i : rest);
        }
    }
    __syncthreads();
    for (u32 r = warp; r < TILE_READ && read0 + r < n_read; r += warps) {
        u32 i = f_read + read0 + r;
        u32 i0 = first_axis ? i : rest, i1 = first_axis ? rest : i;
        Out *row = (Out *)a.output + ((u64)i0 * a.dims[1] + i1) * a.dims[2] + a.first[2] + write0;
        // Pairs, where every row starts on one.
        if (a.dims[2] % 2 == 0 && a.first[2] % 2 == 0 && write0 + TILE_WRITE <= a.count[2]) {
            Pack<Out, 2> pair = {{from_float<Out>(tile[2 * lane][r]), from_float<Out>(tile[2 * lane + 1][r])}};
            ((Pack<Out, 2> *)row)[lane] = pair;
        } else {
            for (u32 w = lane; w < TILE_WRITE && write0 + w < a.count[2]; w += 32) row[w] = from_float<Out>(tile[w][r]);
        }
    }
}

// --- where axes turn: three f64 coordinates a voxel ------------------------------------------------------
struct AffineArgs {
    const void *input;
    void *output;
    const Rescale *rescale;  // per source z: low_* only
    const Intensity *intensity;
    double matrix[9], origin[3];  // source index = matrix * output index + origin, both in (x, y, z)
    u32 source[3];                // dims, x fastest
    u32 dims[3];                  // output, axis 2 fastest
    u32 flip[3], from[3];         // per oriented axis: which source axis it is, and whether it runs backwards
    u32 x_fastest;                // 1: output axis 2 is x; 0: it is z
    // The output may itself be turned (the way back): index k of the matrix's target is the output's index `pick`,
    // counted from `mirror` down where that is not NOT_MIRRORED. Whole numbers, so that no rounding moves a tie.
    u32 pick[3], mirror[3];
};
enum : u32 { NOT_MIRRORED = ~0u };

__device__ __forceinline__ double target_index(u32 pick, u32 mirror, u32 x, u32 y, u32 z) {
    const u32 i = pick == 0 ? x : pick == 1 ? y : z;
    return (double)(mirror == NOT_MIRRORED ? i : mirror - i);
}

// --fmad=false and this order of operations give the reference's bits, which decide the nearest voxel.
template <class In, class Out, bool Linear>
__device__ __forceinline__ void gather_affine(const AffineArgs &a) {
    u32 i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= a.dims[2]) return;
    const u32 xi = a.x_fastest ? i : blockIdx.z, zi = a.x_fastest ? blockIdx.z : i;
    const double x = target_index(a.pick[0], a.mirror[0], xi, blockIdx.y, zi);
    const double y = target_index(a.pick[1], a.mirror[1], xi, blockIdx.y, zi);
    const double z = target_index(a.pick[2], a.mirror[2], xi, blockIdx.y, zi);
    Tap tx = {}, ty = {}, tz = {};
    Rescale rescale = {1, 0, 1, 0};
#ifdef __CUDACC__
#pragma unroll
#endif
    for (int k = 0; k < 3; k++) {
        const u32 axis = a.from[k], n = axis == 0 ? a.source[0] : axis == 1 ? a.source[1] : a.source[2];
        const u32 step = axis == 0 ? 1 : axis == 1 ? a.source[0] : a.source[0] * a.source[1];
        double c = a.matrix[3 * k] * x + a.matrix[3 * k + 1] * y + a.matrix[3 * k + 2] * z + a.origin[k];
        c = fmin(fmax(c, 0.0), (double)(n - 1));
        u32 low = Linear ? (u32)c : (u32)rint(c);
        u32 high = low + 1 < n ? low + 1 : n - 1;
        const float weight = Linear ? (float)(c - (double)low) : 0.0f;
        if (a.flip[k]) {
            low = n - 1 - low;
            high = n - 1 - high;
        }
        if (axis == 2 && a.rescale) {
            const Rescale l = a.rescale[low], h = a.rescale[high];
            rescale = {l.low_slope, l.low_intercept, h.low_slope, h.low_intercept};
        }
        const Tap tap = {low * step, high * step, weight};
        if (axis == 0) tx = tap;
        if (axis == 1) ty = tap;
        if (axis == 2) tz = tap;
    }
    float v = sample<In, Linear>((const In *)a.input, tx, ty, tz, a.rescale ? &rescale : nullptr);
    if (a.intensity) v = apply(*a.intensity, v);
    ((Out *)a.output)[((u64)blockIdx.z * a.dims[1] + blockIdx.y) * a.dims[2] + i] = from_float<Out>(v);
}

#define GATHER(IN, OUT, MODE, LINEAR)                                                                 \
    KERNEL(gather_direct_##IN##_##OUT##_##MODE, GatherArgs) { gather_direct<IN, OUT, LINEAR>(a); }    \
    KERNEL_SYNC(gather_tiled_##IN##_##OUT##_##MODE, GatherArgs) { gather_tiled<IN, OUT, LINEAR>(a); }
#define GATHER_AFFINE(IN, OUT, MODE, LINEAR) \
    KERNEL(gather_affine_##IN##_##OUT##_##MODE, AffineArgs) { gather_affine<IN, OUT, LINEAR>(a); }
#define GATHER_FROM(IN)                    \
    GATHER(IN, f16, linear, true)          \
    GATHER(IN, f32, linear, true)          \
    GATHER(IN, f16, nearest, false)        \
    GATHER(IN, f32, nearest, false)        \
    GATHER_AFFINE(IN, f16, linear, true)   \
    GATHER_AFFINE(IN, f32, linear, true)   \
    GATHER_AFFINE(IN, f32, nearest, false)
GATHER_FROM(i16)
GATHER_FROM(u16)
GATHER_FROM(u8)
GATHER_FROM(f32)
// Labels.
GATHER(u8, u8, nearest, false)
GATHER_AFFINE(u8, u8, nearest, false)
