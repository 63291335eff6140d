// Windows of an image as one batch for the network. Launcher, dtypes and layouts: launch.rs.

struct ExtractArgs {
    const void *input;
    void *output;
    const int *starts;           // x, y, z of each window; may lie before or reach past the image
    const Intensity *intensity;  // null: as they are
    u32 image[3], roi[3];        // slowest first
    f32 fill;                    // outside of the image, after the change of intensity
    u32 pad;
};

// A block a window and x; its threads run over y and z. Both sides are in order along z.
template <class In, class Out>
__device__ __forceinline__ void extract(const ExtractArgs &a) {
    const u32 window = blockIdx.z, x = blockIdx.y, plane = a.roi[1] * a.roi[2];
    const int *start = a.starts + 3 * window;
    const int ix = start[0] + (int)x;
    Out *out = (Out *)a.output + ((u64)window * a.roi[0] + x) * plane;
    for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < plane; i += gridDim.x * blockDim.x) {
        const int iy = start[1] + (int)(i / a.roi[2]), iz = start[2] + (int)(i % a.roi[2]);
        const bool inside = ix >= 0 && iy >= 0 && iz >= 0 && ix < (int)a.image[0] && iy < (int)a.image[1] && iz < (int)a.image[2];
        f32 v = a.fill;
        if (inside) {
            v = as_float(((const In *)a.input)[((u64)ix * a.image[1] + iy) * a.image[2] + iz]);
            if (a.intensity) v = apply(*a.intensity, v);
        }
        out[i] = from_float<Out>(v);
    }
}
KERNEL(window_extract_f32_f32, ExtractArgs) { extract<f32, f32>(a); }
KERNEL(window_extract_f32_f16, ExtractArgs) { extract<f32, f16>(a); }
KERNEL(window_extract_f16_f16, ExtractArgs) { extract<f16, f16>(a); }
// Labels.
KERNEL(window_extract_u8_u8, ExtractArgs) { extract<u8, u8>(a); }
