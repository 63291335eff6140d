// Exact percentiles on the device: a radix select of up to four order statistics, digit by digit from the top, and
// the intensity change that follows from two of them. Nothing is copied to the host on the way.
// Launcher, dtypes and layouts: launch.rs.

enum { RANKS_MAX = 4, BINS = 2048 };

// Ranks that share a prefix share a histogram: slot[r] is the histogram of rank r.
struct SelectState {
    u32 prefix[RANKS_MAX];  // the digits found so far, in place
    u32 rest[RANKS_MAX];    // the rank among the elements with that prefix
    u32 slot[RANKS_MAX];
    u32 not_finite;         // how many elements are NaN or infinite
    u32 pad[3];
    u32 bins[RANKS_MAX][BINS];
};

// Bits that sort as the numbers do, left-aligned, and how many there are.
template <class T>
struct Key;
template <>
struct Key<f32> {
    static __device__ __forceinline__ u32 of(f32 v, u32 &bad) {
        u32 bits = __float_as_uint(v + 0.0f);  // -0 and 0 share a key
        bad += (bits & 0x7f800000u) == 0x7f800000u;
        return bits >> 31 ? ~bits : bits | 0x80000000u;
    }
    static __device__ __forceinline__ f32 value(u32 key) {
        return __uint_as_float(key >> 31 ? key & 0x7fffffffu : ~key);
    }
};
template <>
struct Key<i16> {
    static __device__ __forceinline__ u32 of(i16 v, u32 &) { return (u32)(u16)(v ^ (i16)0x8000) << 16; }
    static __device__ __forceinline__ f32 value(u32 key) { return (f32)((int)(key >> 16) - 32768); }
};
template <>
struct Key<u16> {
    static __device__ __forceinline__ u32 of(u16 v, u32 &) { return (u32)v << 16; }
    static __device__ __forceinline__ f32 value(u32 key) { return (f32)(key >> 16); }
};
template <>
struct Key<u8> {
    static __device__ __forceinline__ u32 of(u8 v, u32 &) { return (u32)v << 24; }
    static __device__ __forceinline__ f32 value(u32 key) { return (f32)(key >> 24); }
};

struct BeginArgs {
    SelectState *state;
    u32 ranks[RANKS_MAX];
};

// One block.
KERNEL(percentile_begin, BeginArgs) {
    SelectState &s = *a.state;
    for (u32 i = threadIdx.x; i < RANKS_MAX * BINS; i += blockDim.x) s.bins[i / BINS][i % BINS] = 0;
    if (threadIdx.x) return;
    for (int r = 0; r < RANKS_MAX; r++) {
        s.prefix[r] = 0;
        s.rest[r] = a.ranks[r];
        s.slot[r] = 0;
    }
    s.not_finite = 0;
}

struct HistogramArgs {
    const void *input;
    SelectState *state;
    u64 count;
    u32 shift, bits;  // this pass's digit; digits above it are in the prefixes
    u32 slots;        // distinct prefixes, 1 in the first pass
};

// One histogram a slot in shared memory, added to the device's at the end. 16 bytes a load.
template <class T>
__device__ __forceinline__ void histogram(const HistogramArgs &a) {
    __shared__ u32 bins[RANKS_MAX][BINS];
    enum { PER_LOAD = 16 / sizeof(T) };
    const u32 used = 1u << a.bits;
    for (u32 i = threadIdx.x; i < RANKS_MAX * BINS; i += blockDim.x) bins[i / BINS][i % BINS] = 0;
    __syncthreads();
    // The first pass has no prefix: every key matches 0.
    const u32 top = a.shift + a.bits == 32 ? 0 : ~0u << (a.shift + a.bits);
    u32 prefix[RANKS_MAX];
    for (int r = 0; r < RANKS_MAX; r++) prefix[r] = ~0u;
    for (int r = 0; r < RANKS_MAX; r++)
        for (int s = 0; s < RANKS_MAX; s++)
            if (a.state->slot[r] == (u32)s) prefix[s] = a.state->prefix[r];
    u32 bad = 0;
    auto count = [&](T v) {
        const u32 key = Key<T>::of(v, bad), digit = key >> a.shift & (used - 1);
#ifdef __CUDACC__
#pragma unroll
#endif
        for (u32 s = 0; s < RANKS_MAX; s++)
            if (s < a.slots && (key & top) == (prefix[s] & top)) atomicAdd(&bins[s][digit], 1u);
    };
    const u64 step = (u64)gridDim.x * blockDim.x, start = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    const u64 packs = a.count / PER_LOAD;
    const Pack<T, PER_LOAD> *in = (const Pack<T, PER_LOAD> *)a.input;
    for (u64 i = start; i < packs; i += step) {
        const Pack<T, PER_LOAD> pack = in[i];
#ifdef __CUDACC__
#pragma unroll
#endif
        for (int k = 0; k < PER_LOAD; k++) count(pack.v[k]);
    }
    for (u64 i = packs * PER_LOAD + start; i < a.count; i += step) count(((const T *)a.input)[i]);
    if (bad && top == 0) atomicAdd(&a.state->not_finite, bad);
    __syncthreads();
    for (u32 i = threadIdx.x; i < a.slots * BINS; i += blockDim.x)
        if (u32 n = bins[i / BINS][i % BINS]) atomicAdd(&a.state->bins[i / BINS][i % BINS], n);
}

struct SelectArgs {
    SelectState *state;
    u32 shift, bits;
    u32 ranks;
};

// One block: for each rank the bin that holds it, then the histograms are cleared for the next digit.
KERNEL_SYNC(percentile_select, SelectArgs) {
    __shared__ u32 sums[256];
    SelectState &s = *a.state;
    const u32 bins = 1u << a.bits, per = (bins + blockDim.x - 1) / blockDim.x, t = threadIdx.x;
    for (u32 r = 0; r < a.ranks; r++) {
        const u32 *mine = s.bins[s.slot[r]];
        u32 sum = 0;
        for (u32 i = t * per; i < (t + 1) * per && i < bins; i++) sum += mine[i];
        sums[t] = sum;
        __syncthreads();
        const u32 rank = s.rest[r];
        u32 before = 0;
        for (u32 i = 0; i < t; i++) before += sums[i];
        __syncthreads();
        // Exactly one thread holds the rank.
        if (rank >= before && rank - before < sum) {
            u32 rest = rank - before, i = t * per;
            while (rest >= mine[i]) rest -= mine[i++];
            s.prefix[r] |= i << a.shift;
            s.rest[r] = rest;
        }
        __syncthreads();
    }
    for (u32 i = t; i < RANKS_MAX * BINS; i += blockDim.x) s.bins[i / BINS][i % BINS] = 0;
    // Ranks of one prefix share the slot of the first of them.
    if (t == 0) {
        for (u32 r = 0; r < a.ranks; r++) {
            u32 first = 0;
            while (s.prefix[first] != s.prefix[r]) first++;
            s.slot[r] = first;
        }
    }
}

struct FinishArgs {
    const SelectState *state;
    Intensity *intensity;
    f32 *values;         // the two percentiles
    double fraction[2];  // of the way from one order statistic to the next
    f32 b_min, b_max;
    u32 clip, dtype;     // 0 f32, 1 i16, 2 u16, 3 u8
};

// numpy's interpolation with its two branches, then ScaleIntensityRange as an intensity change. One thread.
KERNEL(percentile_finish, FinishArgs) {
    if (threadIdx.x || blockIdx.x) return;
    f32 p[2];
    for (int k = 0; k < 2; k++) {
        f32 v[2];
        for (int n = 0; n < 2; n++) {
            const u32 key = a.state->prefix[2 * k + n];
            v[n] = a.dtype == 0 ? Key<f32>::value(key) : a.dtype == 1 ? Key<i16>::value(key) : a.dtype == 2 ? Key<u16>::value(key) : Key<u8>::value(key);
        }
        const double step = (double)(f32)((double)v[1] - (double)v[0]), f = a.fraction[k];
        p[k] = (f32)(f >= 0.5 ? (double)v[1] - step * (1.0 - f) : (double)v[0] + step * f);
        a.values[k] = p[k];
    }
    const bool empty = p[0] == p[1], clip = a.clip && !empty;
    const f32 inf = __uint_as_float(0x7f800000u);
    Intensity out = {p[0], empty ? 1.0f : (a.b_max - a.b_min) / (p[1] - p[0]), a.b_min, clip ? a.b_min : -inf, clip ? a.b_max : inf, 0};
    *a.intensity = out;
}

#define HISTOGRAM(T) \
    KERNEL_SYNC(percentile_histogram_##T, HistogramArgs) { histogram<T>(a); }
HISTOGRAM(f32)
HISTOGRAM(i16)
HISTOGRAM(u16)
HISTOGRAM(u8)
