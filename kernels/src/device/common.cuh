// What every kernel shares. The same text is compiled by nvcc for the GPU and, behind shim.h, by g++ for the
// tests; so no CUDA header is included, and types are spelled out here.
#pragma once

typedef unsigned char u8;
typedef short i16;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef float f32;

// Half precision as its bits: kernels compute in f32 and only store it (or load logits of it).
struct f16 {
    u16 bits;
};

// N values that move in one instruction; the address must be a multiple of their size.
template <class T, int N>
struct alignas(sizeof(T) * N) Pack {
    T v[N];
};

// Every kernel takes one struct of arguments, so that a launch is a name, a grid and a pointer.
// KERNEL has no barrier and no exchange between threads; KERNEL_SYNC has (the shim runs it on fibers).
#ifdef __CUDACC__
#define KERNEL(name, Args) extern "C" __global__ void __launch_bounds__(256) name(const __grid_constant__ Args a)
#define KERNEL_SYNC(name, Args) KERNEL(name, Args)
#endif

// How intensities change on their way: clamp((x - sub) * mul + add, low, high), and zeros stay where `nonzero`
// is not 0. It lives in device memory, because percentiles and moments are computed there.
struct Intensity {
    float sub, mul, add, low, high;
    u32 nonzero;
};

__device__ __forceinline__ float apply(const Intensity &m, float x) {
    if (m.nonzero && x == 0.0f) return x;
    float y = fmaf(x - m.sub, m.mul, m.add);
    return fminf(fmaxf(y, m.low), m.high);
}

__device__ __forceinline__ float as_float(float x) { return x; }
__device__ __forceinline__ float as_float(u8 x) { return (float)x; }
__device__ __forceinline__ float as_float(i16 x) { return (float)x; }
__device__ __forceinline__ float as_float(u16 x) { return (float)x; }
__device__ __forceinline__ float as_float(f16 x) {
#ifdef __CUDACC__
    float f;
    asm("cvt.f32.f16 %0, %1;" : "=f"(f) : "h"(x.bits));
    return f;
#else
    return shim::half_to_float(x.bits);
#endif
}

template <class T>
__device__ __forceinline__ T from_float(float x);
template <>
__device__ __forceinline__ float from_float<float>(float x) { return x; }
template <>
__device__ __forceinline__ u8 from_float<u8>(float x) { return (u8)x; }
template <>
__device__ __forceinline__ f16 from_float<f16>(float x) {
    f16 h;
#ifdef __CUDACC__
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h.bits) : "f"(x));
#else
    h.bits = shim::float_to_half(x);
#endif
    return h;
}
