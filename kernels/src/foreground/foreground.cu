// The box around all voxels above 0. Launcher, dtypes and layouts: launch.rs.

struct ForegroundArgs {
    const void *input;
    u32 *bounds;  // smallest x, y, z; largest x, y, z; set to ~0 and 0 before
    u32 dims[3];  // slowest first
    u32 pad;
};

// A warp takes a row after the other. Its own bounds go to the device once, at the end.
template <class T>
__device__ __forceinline__ void foreground(const ForegroundArgs &a) {
    const u32 lane = threadIdx.x % 32, rows = a.dims[0] * a.dims[1];
    const u32 step = gridDim.x * (blockDim.x / 32);
    u32 low[3] = {~0u, ~0u, ~0u}, high[3] = {0, 0, 0};
    for (u32 row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32; row < rows; row += step) {
        const T *in = (const T *)a.input + (u64)row * a.dims[2];
        const u32 i0 = row / a.dims[1], i1 = row % a.dims[1];
        for (u32 i = lane; i < a.dims[2]; i += 32) {
            if (!(as_float(in[i]) > 0.0f)) continue;
            low[0] = min(low[0], i0);
            low[1] = min(low[1], i1);
            low[2] = min(low[2], i);
            high[0] = max(high[0], i0);
            high[1] = max(high[1], i1);
            high[2] = max(high[2], i);
        }
    }
    for (int k = 0; k < 3; k++) {
        for (int delta = 16; delta; delta /= 2) {
            low[k] = min(low[k], __shfl_xor_sync(~0u, low[k], delta));
            high[k] = max(high[k], __shfl_xor_sync(~0u, high[k], delta));
        }
        if (lane == 0 && low[k] != ~0u) {
            atomicMin(&a.bounds[k], low[k]);
            atomicMax(&a.bounds[3 + k], high[k]);
        }
    }
}
KERNEL_SYNC(foreground_f32, ForegroundArgs) { foreground<f32>(a); }
KERNEL_SYNC(foreground_f16, ForegroundArgs) { foreground<f16>(a); }
