// How kernels are written and started here: as a function of one element (forEach) or of a thread in a block that works
// together (forBlocks). Nothing else in this folder writes <<<>>>, so the same sources also build for the host
// (emulated/launch.h), where the tests run them without a GPU.
//
//   forEach(n, [=] GV_DEVICE(int64_t i) { y[i] = x[i] + 1; });
//   forBlocks<256>(rows, 0, [=] GV_DEVICE(const Block& block) {
//     float s = 0;
//     for (int64_t i = block.thread; i < n; i += block.threads) s += x[block.index * n + i];
//     s = block.sum(s);                      // every thread gets it
//     if (block.thread == 0) y[block.index] = s;
//   });
#pragma once
#ifdef GANVAS_EMULATED
#include "emulated/launch.h"
#elif defined(__CUDACC__)  // host files include this too, and start nothing
#include <algorithm>
#include <cstring>

#include "context.h"

#define GV_DEVICE __device__

namespace gv::cuda {

struct Block {
  int64_t index;  // of the block
  int thread, threads;
  char* shared;  // the bytes that the launch asked for, the block's own

  __device__ void sync() const { __syncthreads(); }

  /** op over the values of all threads, in a fixed order; every thread gets the result. */
  template <class T, class Op>
  __device__ T reduce(T v, Op op) const {
    static_assert(sizeof(T) % 4 == 0, "shuffled in words");
    __shared__ T partial[32];
    for (int d = 16; d > 0; d /= 2) {
      if (d < threads) v = op(v, shuffleDown(v, d));
    }
    if (threads <= 32) {
      if (thread == 0) partial[0] = v;
    } else {
      if (thread % 32 == 0) partial[thread / 32] = v;
      __syncthreads();
      if (thread < 32) {
        const int warps = threads / 32;
        v = partial[thread < warps ? thread : 0];
        for (int d = 16; d > 0; d /= 2)
          if (d < warps) v = op(v, shuffleDown(v, d));
        if (thread == 0) partial[0] = v;
      }
    }
    __syncthreads();
    const T result = partial[0];
    __syncthreads();
    return result;
  }
  template <class T> __device__ T sum(T v) const {
    return reduce(v, [](T a, T b) { return a + b; });
  }

 private:
  template <class T> static __device__ T shuffleDown(T v, int d) {
    unsigned words[sizeof(T) / 4];
    memcpy(words, &v, sizeof v);
    for (unsigned& w : words) w = __shfl_down_sync(0xFFFFFFFFu, w, d);
    memcpy(&v, words, sizeof v);
    return v;
  }
};

namespace detail {

constexpr int kElementThreads = 256;

template <class F>
__global__ void __launch_bounds__(kElementThreads) elementKernel(int64_t n, F f) {
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) f(i);
}

template <int kThreads, class F>
__global__ void __launch_bounds__(kThreads) blockKernel(int64_t blocks, F f) {
  extern __shared__ __align__(16) char shared[];
  for (int64_t b = blockIdx.x; b < blocks; b += gridDim.x) {
    f(Block{b, int(threadIdx.x), kThreads, shared});
    __syncthreads();
  }
}

}  // namespace detail

/** f(i) for i in [0, n), in any order. */
template <class F>
void forEach(int64_t n, F f) {
  if (n <= 0) return;
  Context& c = Context::current();
  // Enough blocks to fill the device several times over; each thread then takes every so manyth element.
  const int64_t blocks = std::min<int64_t>((n + detail::kElementThreads - 1) / detail::kElementThreads,
                                           int64_t(c.processors) * 32);
  detail::elementKernel<<<unsigned(blocks), detail::kElementThreads, 0, c.stream>>>(n, f);
  check(cudaGetLastError(), "starting a kernel");
}

/** f(block) by kThreads threads (a power of two, from 32) for each of `blocks` blocks, with `shared` bytes for each. */
template <int kThreads, class F>
void forBlocks(int64_t blocks, size_t shared, F f) {
  static_assert(kThreads >= 32 && kThreads <= 1024 && (kThreads & (kThreads - 1)) == 0, "a power of two");
  if (blocks <= 0) return;
  Context& c = Context::current();
  if (shared > 48 * 1024)
    check(cudaFuncSetAttribute(detail::blockKernel<kThreads, F>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               int(shared)),
          "asking for shared memory");
  detail::blockKernel<kThreads, F>
      <<<unsigned(std::min<int64_t>(blocks, int64_t(1) << 30)), kThreads, shared, c.stream>>>(blocks, f);
  check(cudaGetLastError(), "starting a kernel");
}

}  // namespace gv::cuda
#endif
