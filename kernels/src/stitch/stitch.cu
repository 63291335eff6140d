// Overlapping windows of logits to labels, in gather form: each output voxel looks up the windows that cover it, so
// there is no accumulator in memory, no counter, and one order of summation. Launcher, dtypes and layouts: launch.rs.

struct StitchArgs {
    const void *logits;        // window after window, channel after channel, z fastest
    u8 *labels;
    f32 *means;                // null, or channel after channel
    const int *starts[3];      // of the windows along each axis
    const u32 *cover[3];       // per voxel of an axis: the first window that covers it, and how many << 16
    const f32 *importance[3];  // per voxel of a window's axis; null: all 1
    f32 floor;                 // no product of the three is below this
    f32 threshold;             // with one channel: label 1 from here on
    u32 image[3], roi[3];      // slowest first
    u32 windows[3];
    u32 channels;
};

enum { CHANNELS_AT_ONCE = 4 };

// One voxel a thread, neighbours along z: loads of a channel's window are in order. Four channels at once keep
// loads of up to four times eight windows in flight.
template <class T>
__device__ __forceinline__ void stitch(const StitchArgs &a) {
    const u32 z = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y, x = blockIdx.z;
    if (z >= a.image[2]) return;
    const u32 cx = a.cover[0][x], cy = a.cover[1][y], cz = a.cover[2][z];
    const u32 fx = cx & 0xffff, fy = cy & 0xffff, fz = cz & 0xffff;
    const u32 ex = fx + (cx >> 16), ey = fy + (cy >> 16), ez = fz + (cz >> 16);
    const u64 volume = (u64)a.roi[0] * a.roi[1] * a.roi[2];
    const u64 at = ((u64)x * a.image[1] + y) * a.image[2] + z;
    f32 best = 0.0f;
    u32 label = 0;
    for (u32 c = 0; c < a.channels; c += CHANNELS_AT_ONCE) {
        f32 sum[CHANNELS_AT_ONCE] = {}, total = 0.0f;
        for (u32 wx = fx; wx < ex; wx++)
            for (u32 wy = fy; wy < ey; wy++)
                for (u32 wz = fz; wz < ez; wz++) {
                    const u32 rx = x - (u32)a.starts[0][wx], ry = y - (u32)a.starts[1][wy], rz = z - (u32)a.starts[2][wz];
                    f32 w = 1.0f;
                    if (a.importance[0]) {
                        w = a.importance[0][rx] * a.importance[1][ry] * a.importance[2][rz];
                        w = fmaxf(w, a.floor);
                    }
                    total += w;
                    const u64 window = ((u64)wx * a.windows[1] + wy) * a.windows[2] + wz;
                    const T *in = (const T *)a.logits + (window * a.channels + c) * volume + ((u64)rx * a.roi[1] + ry) * a.roi[2] + rz;
#ifdef __CUDACC__
#pragma unroll
#endif
                    for (u32 k = 0; k < CHANNELS_AT_ONCE; k++)
                        if (c + k < a.channels) sum[k] += as_float(in[k * volume]) * w;
                }
#ifdef __CUDACC__
#pragma unroll
#endif
        for (u32 k = 0; k < CHANNELS_AT_ONCE; k++) {
            if (c + k >= a.channels) continue;
            // The division can make equals of different sums, and the first of equals wins: so it is done.
            const f32 mean = sum[k] / total;
            if (a.means) a.means[(u64)(c + k) * a.image[0] * a.image[1] * a.image[2] + at] = mean;
            if (c + k == 0 || mean > best) {
                best = mean;
                label = c + k;
            }
        }
    }
    a.labels[at] = (u8)(a.channels == 1 ? best >= a.threshold : label);
}
KERNEL(stitch_f32, StitchArgs) { stitch<f32>(a); }
KERNEL(stitch_f16, StitchArgs) { stitch<f16>(a); }
