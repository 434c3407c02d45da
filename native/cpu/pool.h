// The process-wide thread pool of the CPU kernels: parallelFor over numbered chunks.
//
// A region ends when its chunks are done, not when its threads have met at a barrier, so a thread that the
// kernel does not schedule is never waited for (x1.5 instead of x3 slower beside a busy neighbour).
// Chunks start in increasing order but run on any thread, so a result may depend on the chunk (split by shape
// alone), never on the thread or on threadCount(): sums across chunks are combined in chunk order afterwards.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

namespace gv::cpu {

/** Threads that share a region, the caller included: the cores this process may use, or GANVAS_THREADS. */
int threadCount();

/** Sets threadCount() (at least 1); a number below 1 restores the default. Not from inside a region. */
void setThreadCount(int count);

/**
 * Which thread of the running region this is: 0 for the caller, 1 .. threadCount() - 1 for the workers.
 * For buffers that outlive a chunk and belong to one thread, scratch.h is simpler and needs no index.
 */
int workerIndex();

/** Binds the calling thread to the first core, when there is a core for each thread; workers take the others. */
void bindCaller();

namespace detail {
void runRegion(int64_t chunks, void (*call)(void*, int64_t), void* context);
}

/**
 * Calls f(chunk) once for each chunk in [0, chunks), on several threads, and returns when all are done.
 * An exception thrown by f reaches the caller (the first one caught; the other chunks still run).
 * Inside a region it runs inline, in order. Two threads may call it: the second waits for its turn.
 */
template <class F>
void parallelFor(int64_t chunks, F&& f) {
  using Body = std::remove_reference_t<F>;
  detail::runRegion(
      chunks, [](void* context, int64_t chunk) { (*static_cast<Body*>(context))(chunk); },
      const_cast<void*>(static_cast<const void*>(&f)));
}

/**
 * Calls f(begin, end) over [0, n) in pieces of `grain` (the last one shorter), on several threads.
 * The pieces depend on n and grain alone. A grain of about 16k floats is worth a thread's attention.
 */
template <class F>
void parallelRange(int64_t n, int64_t grain, F&& f) {
  if (n <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  parallelFor((n - 1) / grain + 1, [&](int64_t chunk) {
    const int64_t begin = chunk * grain;
    f(begin, std::min(n, begin + grain));
  });
}

}  // namespace gv::cpu
