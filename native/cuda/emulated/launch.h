// forEach and forBlocks of ../launch.h on the host, for tests without a GPU: elements one after the other; the threads
// of a block as fibers that take turns at every barrier, in either order. Slow, exact about what it shares with the device: barriers
// that not every thread of a block reaches end the process with a message.
#pragma once
#include <functional>

#include "../context.h"

#define GV_DEVICE

namespace gv::cuda {

namespace detail {

/** Runs `work`, or adds it to the graph that is being recorded. */
void submit(std::function<void()> work);
/** Calls body(thread) on a fiber per thread until all are done; between barriers from the first to the last or back. */
void runFibers(int threads, const std::function<void(int)>& body, bool backwards);
/** Alternates from call to call, so that what depends on the order of threads shows. */
bool nextBackwards();
/** From inside a fiber: waits for the others. */
void barrier();
/** 16 KiB that the fibers of the running block share. */
void* blockScratch();

}  // namespace detail

struct Block {
  int64_t index;
  int thread, threads;
  char* shared;

  void sync() const { detail::barrier(); }

  template <class T, class Op>
  T reduce(T v, Op op) const {
    static_assert(sizeof(T) % 4 == 0 && sizeof(T) <= 16, "as on the device");
    T* values = static_cast<T*>(detail::blockScratch());
    values[thread] = v;
    sync();
    if (thread == 0) {
      // The tree of the device: halves within each warp, then the warps.
      const int lanes = threads < 32 ? threads : 32;
      for (int w = 0; w < threads; w += lanes)
        for (int d = lanes / 2; d > 0; d /= 2)
          for (int i = 0; i < d; i++) values[w + i] = op(values[w + i], values[w + i + d]);
      int warps = threads / lanes;
      for (int w = 1; w < warps; w++) values[w] = values[w * lanes];
      for (int d = 16; d > 0; d /= 2)
        if (d < warps)
          for (int i = 0; i < d; i++)
            if (i + d < warps) values[i] = op(values[i], values[i + d]);
    }
    sync();
    const T result = values[0];
    sync();
    return result;
  }
  template <class T> T sum(T v) const {
    return reduce(v, [](T a, T b) { return a + b; });
  }
};

template <class F>
void forEach(int64_t n, F f) {
  if (n <= 0) return;
  detail::submit([=] {
    if (detail::nextBackwards())
      for (int64_t i = n - 1; i >= 0; i--) f(i);
    else
      for (int64_t i = 0; i < n; i++) f(i);
  });
}

template <int kThreads, class F>
void forBlocks(int64_t blocks, size_t shared, F f) {
  static_assert(kThreads >= 32 && kThreads <= 1024 && (kThreads & (kThreads - 1)) == 0, "a power of two");
  if (blocks <= 0) return;
  detail::submit([=] {
    std::vector<char> bytes(shared + 64, char(0xFF));
    char* aligned = bytes.data() + (64 - reinterpret_cast<uintptr_t>(bytes.data()) % 64) % 64;
    for (int64_t b = 0; b < blocks; b++)
      detail::runFibers(kThreads, [&](int thread) { f(Block{b, thread, kThreads, aligned}); }, detail::nextBackwards());
  });
}

}  // namespace gv::cuda
