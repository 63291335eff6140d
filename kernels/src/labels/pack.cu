// Labels as 1, 2 or 4 bits for the way to the host. Launcher, dtypes and layouts: launch.rs.

struct PackArgs {
    const u8 *labels;
    u32 *words;      // 32 / bits labels each, the first in the lowest bits
    u32 *too_large;  // how many labels do not fit; 0 before
    u64 count;
    u32 bits, pad;
};

// A thread makes one word out of 32 / bits labels, read four at a time where they are all there.
KERNEL(labels_pack, PackArgs) {
    const u32 per = 32 / a.bits;
    const u64 word = (u64)blockIdx.x * blockDim.x + threadIdx.x, first = word * per;
    if (first >= a.count) return;
    u32 out = 0, bad = 0;
    auto put = [&](u32 k, u8 label) {
        bad += label >> a.bits != 0;
        out |= (u32)label << (k * a.bits);
    };
    if (first + per <= a.count) {
        for (u32 k = 0; k < per; k += 4) {
            const Pack<u8, 4> four = *(const Pack<u8, 4> *)(a.labels + first + k);
#ifdef __CUDACC__
#pragma unroll
#endif
            for (u32 j = 0; j < 4; j++) put(k + j, four.v[j]);
        }
    } else {
        for (u32 k = 0; first + k < a.count; k++) put(k, a.labels[first + k]);
    }
    a.words[word] = out;
    if (bad) atomicAdd(a.too_large, bad);
}
