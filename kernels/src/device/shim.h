// Compiles the kernels as host C++ and runs them one block after the other: for tests without a GPU.
//
// Kernels without barriers run as plain loops over the threads. Those with barriers or warp exchanges run one
// fiber a thread; a barrier that not every living thread of the block reaches ends the process with a message.
// What this cannot show: races, memory order, the lock step of a warp, alignment faults of vector loads, speed.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

struct Dim3 {
    unsigned x = 1, y = 1, z = 1;
};
static Dim3 gridDim, blockDim, blockIdx, threadIdx;

#define __device__
#define __forceinline__ inline
#define __restrict__ __restrict
// Blocks run one after the other on one thread, so one copy is enough.
#define __shared__ static

namespace shim {

inline uint16_t float_to_half(float f) {
    _Float16 h = (_Float16)f;
    uint16_t bits;
    memcpy(&bits, &h, 2);
    return bits;
}

inline float half_to_float(uint16_t bits) {
    _Float16 h;
    memcpy(&h, &bits, 2);
    return (float)h;
}

[[noreturn]] inline void fail(const char *what) {
    fprintf(stderr, "shim: %s in block (%u, %u, %u), thread %u\n", what, blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x);
    abort();
}

// --- fibers --------------------------------------------------------------------------------------------
enum { STACK_BYTES = 64 * 1024, THREADS_MAX = 1024 };
enum class Wait { None, Block, Warp };

// Saves the callee's registers and the stack pointer, takes up those saved at `to`. swapcontext would do, but it asks
// the kernel about signals each time: most of the tests' minutes.
extern "C" void swarm_shim_switch(void **from, void *to);
asm(".text\n.globl swarm_shim_switch\n.type swarm_shim_switch,@function\nswarm_shim_switch:\n"
    "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
    "movq %rsp, (%rdi)\nmovq %rsi, %rsp\n"
    "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n"
    ".size swarm_shim_switch,.-swarm_shim_switch\n");

struct Fiber {
    void *stack_pointer;
    std::vector<char> stack;
    bool done;
    Wait wait;
};

static std::vector<Fiber> fibers;
static void *scheduler;
static unsigned running;
static const std::function<void()> *body;
// What each thread shows to its warp.
static uint64_t shown[THREADS_MAX];

inline void enter() {
    (*body)();
    fibers[running].done = true;
    swarm_shim_switch(&fibers[running].stack_pointer, scheduler);
}

inline void wait(Wait kind) {
    unsigned me = running;
    fibers[me].wait = kind;
    swarm_shim_switch(&fibers[me].stack_pointer, scheduler);
    running = me;
    threadIdx.x = me;
}

inline void run_fibers(unsigned threads) {
    if (fibers.size() < threads) fibers.resize(threads);
    for (unsigned t = 0; t < threads; t++) {
        Fiber &f = fibers[t];
        f.done = false;
        f.stack.resize(STACK_BYTES);
        // Six registers, the address that `ret` takes, and one more word: the alignment that a call leaves behind.
        auto top = (uintptr_t)(f.stack.data() + STACK_BYTES) & ~uintptr_t(15);
        auto words = (uintptr_t *)top - 8;
        memset(words, 0, 64);
        words[6] = (uintptr_t)enter;
        f.stack_pointer = words;
    }
    auto step = [&](unsigned t) {
        running = t;
        threadIdx.x = t;
        fibers[t].wait = Wait::None;
        swarm_shim_switch(&scheduler, fibers[t].stack_pointer);
    };
    unsigned living = threads;
    while (living) {
        // Each warp runs until all its threads wait for the block or are done: warps drift apart as on a GPU.
        for (unsigned warp = 0; warp < threads; warp += 32) {
            unsigned end = warp + 32 < threads ? warp + 32 : threads;
            for (bool again = true; again;) {
                unsigned at_warp = 0, at_block = 0;
                for (unsigned t = warp; t < end; t++)
                    if (!fibers[t].done) {
                        step(t);
                        if (fibers[t].done) living--;
                        else (fibers[t].wait == Wait::Warp ? at_warp : at_block)++;
                    }
                if (at_warp && at_block) fail("a warp exchange and a barrier are waited for in one warp");
                // A warp exchange names all 32 lanes: one that has left would hang the GPU.
                if (at_warp && at_warp != end - warp) fail("a warp exchange that not every lane reaches");
                again = at_warp != 0;
            }
        }
        unsigned waiting = 0;
        for (unsigned t = 0; t < threads; t++) waiting += !fibers[t].done;
        if (waiting && waiting != threads) fail("a barrier that not every thread reaches");
        living = waiting;
    }
}

// --- the kernels by name -------------------------------------------------------------------------------
struct Entry {
    size_t bytes;
    bool barriers;
    void (*call)(const void *);
};
inline std::map<std::string, Entry> &entries() {
    static std::map<std::string, Entry> all;
    return all;
}
struct Register {
    Register(const char *name, size_t bytes, bool barriers, void (*call)(const void *)) {
        entries()[name] = {bytes, barriers, call};
    }
};

}  // namespace shim

#define SHIM_KERNEL(name, Args, barriers)                                                              \
    static void name(const Args &a);                                                                   \
    static shim::Register name##_entry(#name, sizeof(Args), barriers,                                  \
                                       [](const void *p) { name(*static_cast<const Args *>(p)); }); \
    static void name([[maybe_unused]] const Args &a)
#define KERNEL(name, Args) SHIM_KERNEL(name, Args, false)
#define KERNEL_SYNC(name, Args) SHIM_KERNEL(name, Args, true)

// --- what kernels call ---------------------------------------------------------------------------------
inline void __syncthreads() { shim::wait(shim::Wait::Block); }
inline void __syncwarp(unsigned = ~0u) { shim::wait(shim::Wait::Warp); }

template <class T>
T shim_exchange(T value, unsigned lane) {
    static_assert(sizeof(T) <= 8, "a register pair");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    unsigned me = shim::running;
    shim::shown[me] = bits;
    shim::wait(shim::Wait::Warp);
    bits = shim::shown[(me & ~31u) + lane];
    shim::wait(shim::Wait::Warp);
    T out;
    memcpy(&out, &bits, sizeof out);
    return out;
}
template <class T>
T __shfl_xor_sync(unsigned, T value, unsigned mask) { return shim_exchange(value, (shim::running & 31) ^ mask); }
template <class T>
T __shfl_down_sync(unsigned, T value, unsigned delta) {
    unsigned lane = shim::running & 31;
    return shim_exchange(value, lane + delta < 32 ? lane + delta : lane);
}
inline unsigned __ballot_sync(unsigned, int predicate) {
    unsigned me = shim::running, out = 0;
    shim::shown[me] = predicate != 0;
    shim::wait(shim::Wait::Warp);
    for (unsigned lane = 0; lane < 32 && (me & ~31u) + lane < blockDim.x; lane++)
        out |= unsigned(shim::shown[(me & ~31u) + lane]) << lane;
    shim::wait(shim::Wait::Warp);
    return out;
}
inline int __clz(int v) { return v ? __builtin_clz(unsigned(v)) : 32; }
inline int __ffs(int v) { return __builtin_ffs(v); }
inline int __popc(unsigned v) { return __builtin_popcount(v); }
inline unsigned __float_as_uint(float f) {
    unsigned u;
    memcpy(&u, &f, 4);
    return u;
}
inline float __uint_as_float(unsigned u) {
    float f;
    memcpy(&f, &u, 4);
    return f;
}
template <class T>
T atomicAdd(T *p, T v) { T old = *p; *p += v; return old; }
template <class T>
T atomicMin(T *p, T v) { T old = *p; if (v < old) *p = v; return old; }
template <class T>
T atomicMax(T *p, T v) { T old = *p; if (v > old) *p = v; return old; }
template <class T>
T atomicOr(T *p, T v) { T old = *p; *p |= v; return old; }
template <class T>
T min(T a, T b) { return b < a ? b : a; }
template <class T>
T max(T a, T b) { return a < b ? b : a; }

// --- what the tests call -------------------------------------------------------------------------------
// 0: done; 1: no such kernel; 2: the arguments have another size than the kernel's.
extern "C" int swarm_shim_launch(const char *name, const unsigned grid[3], unsigned block, const void *arguments, size_t bytes) {
    auto found = shim::entries().find(name);
    if (found == shim::entries().end()) return 1;
    const shim::Entry &entry = found->second;
    if (entry.bytes != bytes) return 2;
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block, 1, 1};
    std::function<void()> call = [&] { entry.call(arguments); };
    shim::body = &call;  // until the last block has run, below
    for (unsigned z = 0; z < grid[2]; z++)
        for (unsigned y = 0; y < grid[1]; y++)
            for (unsigned x = 0; x < grid[0]; x++) {
                blockIdx = {x, y, z};
                if (entry.barriers) {
                    shim::run_fibers(block);
                    continue;
                }
                for (unsigned t = 0; t < block; t++) {
                    threadIdx.x = t;
                    call();
                }
            }
    return 0;
}

// Device memory comes from the shim, so that an address sanitizer sees every access past its end.
extern "C" void *swarm_shim_allocate(size_t bytes) {
    void *p = nullptr;
    // As cudaMalloc aligns; 0xA5: what a kernel forgets to write shows.
    if (posix_memalign(&p, 256, bytes ? bytes : 1)) return nullptr;
    memset(p, 0xA5, bytes);
    return p;
}
extern "C" void swarm_shim_free(void *p) { free(p); }

extern "C" int swarm_shim_sanitized() {
#ifdef __SANITIZE_ADDRESS__
    return 1;
#else
    return 0;
#endif
}
