// Mean and standard deviation in one pass, and the intensity change that normalises with them; and that change itself.
// Launcher, dtypes and layouts: launch.rs.

enum { MOMENT_BLOCKS = 1024 };  // fixed: the sums, and so the bits, are the same on every GPU

// Sums of one block, relative to the pivot.
struct Moments {
    u64 count;
    double sum, squares;
};

struct MomentsArgs {
    const void *input;
    Moments *partial;  // MOMENT_BLOCKS
    u64 count;
    u32 nonzero, pad;
};

template <class T>
__device__ __forceinline__ T warp_sum(T v) {
    for (int delta = 16; delta; delta /= 2) v += __shfl_down_sync(~0u, v, delta);
    return v;
}

// Sums over the block, valid in thread 0.
__device__ __forceinline__ Moments block_sum(u64 n, double sum, double squares) {
    __shared__ Moments warps[8];
    n = warp_sum(n);
    sum = warp_sum(sum);
    squares = warp_sum(squares);
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = {n, sum, squares};
    __syncthreads();
    Moments total = {0, 0.0, 0.0};
    if (threadIdx.x == 0)
        for (u32 w = 0; w < blockDim.x / 32; w++) {
            total.count += warps[w].count;
            total.sum += warps[w].sum;
            total.squares += warps[w].squares;
        }
    return total;
}

// Values relative to the first one: a large common offset costs no digits. f64, three operations a voxel.
KERNEL_SYNC(moments_f32, MomentsArgs) {
    const Pack<f32, 4> *in = (const Pack<f32, 4> *)a.input;
    const double pivot = ((const f32 *)a.input)[0];
    u32 n = 0;
    double sum = 0.0, squares = 0.0;
    auto add = [&](f32 v) {
        if (a.nonzero && v == 0.0f) return;
        const double d = (double)v - pivot;
        n++;
        sum += d;
        squares = fma(d, d, squares);
    };
    const u64 step = (u64)gridDim.x * blockDim.x, start = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    for (u64 i = start; i < a.count / 4; i += step) {
        const Pack<f32, 4> pack = in[i];
        for (int k = 0; k < 4; k++) add(pack.v[k]);
    }
    for (u64 i = a.count / 4 * 4 + start; i < a.count; i += step) add(((const f32 *)a.input)[i]);
    const Moments total = block_sum(n, sum, squares);
    if (threadIdx.x == 0) a.partial[blockIdx.x] = total;
}

struct NormalizeArgs {
    const Moments *partial;
    const f32 *first;  // the pivot
    Intensity *intensity;
    double *values;  // count, mean, standard deviation
    u32 blocks, nonzero, unbiased, pad;
};

// One block adds the partial sums in a fixed order.
KERNEL_SYNC(moments_finish, NormalizeArgs) {
    u64 n = 0;
    double sum = 0.0, squares = 0.0;
    for (u32 i = threadIdx.x; i < a.blocks; i += blockDim.x) {
        n += a.partial[i].count;
        sum += a.partial[i].sum;
        squares += a.partial[i].squares;
    }
    const Moments total = block_sum(n, sum, squares);
    if (threadIdx.x) return;
    const f32 inf = __uint_as_float(0x7f800000u);
    Intensity out = {0.0f, 1.0f, 0.0f, -inf, inf, a.nonzero};
    double mean = 0.0, deviation = 0.0;
    if (total.count) {
        const double shift = total.sum / (double)total.count;
        mean = (double)*a.first + shift;
        const double around = fmax(total.squares - total.sum * shift, 0.0);
        const u64 degrees = a.unbiased && total.count > 1 ? total.count - 1 : total.count;
        // NaN and infinities stay what they are: the launcher's caller sees them in `values`.
        deviation = total.squares - total.squares == 0.0 ? sqrt(around / (double)degrees) : total.squares;
        out.sub = (f32)mean;
        out.mul = (f32)(1.0 / (deviation == 0.0 ? 1.0 : deviation));
    }
    *a.intensity = out;
    a.values[0] = (double)total.count;
    a.values[1] = mean;
    a.values[2] = deviation;
}

struct ApplyArgs {
    const f32 *input;
    void *output;
    const Intensity *intensity;
    u64 count;
};

// Four values a thread, moved as one.
template <class Out>
__device__ __forceinline__ void intensity_apply(const ApplyArgs &a) {
    const Intensity m = *a.intensity;
    const u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < a.count / 4) {
        const Pack<f32, 4> in = ((const Pack<f32, 4> *)a.input)[i];
        Pack<Out, 4> out;
        for (int k = 0; k < 4; k++) out.v[k] = from_float<Out>(apply(m, in.v[k]));
        ((Pack<Out, 4> *)a.output)[i] = out;
    } else if (u64 tail = a.count / 4 * 4 + (i - a.count / 4); tail < a.count) {
        ((Out *)a.output)[tail] = from_float<Out>(apply(m, a.input[tail]));
    }
}
KERNEL(intensity_apply_f32, ApplyArgs) { intensity_apply<f32>(a); }
KERNEL(intensity_apply_f16, ApplyArgs) { intensity_apply<f16>(a); }
