// The thread pool: a ticket counter hands out the chunks of one region at a time; see pool.h for the contract.
//
// A ticket is (generation << 32 | chunks left to hand out). A worker that wakes late finds a newer generation or
// no chunk left and touches nothing else, so the caller never has to know who took part.
// The pool is never destroyed: its workers are detached and sleep while the process exits.
#include "cpu/pool.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#else
#include <condition_variable>
#endif

namespace gv::cpu {
namespace {

constexpr int kMaxThreads = 1024;
constexpr auto kSpin = std::chrono::microseconds(20);

thread_local int tlsIndex = 0;
thread_local bool tlsInRegion = false;

void pauseCore() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/** A 32-bit word that threads can sleep on until it changes. */
struct Word {
  std::atomic<uint32_t> value{0};
  std::atomic<int> sleepers{0};
#if !defined(__linux__)
  std::mutex mutex;
  std::condition_variable changed;
#endif

  /** Returns once value != old: a short spin, then sleep. */
  void waitWhile(uint32_t old) {
    const auto deadline = std::chrono::steady_clock::now() + kSpin;
    do {
      for (int i = 0; i < 16; i++) {
        if (value.load(std::memory_order_acquire) != old) return;
        pauseCore();
      }
    } while (std::chrono::steady_clock::now() < deadline);
    sleepers++;
#if defined(__linux__)
    while (value.load() == old) syscall(SYS_futex, &value, FUTEX_WAIT_PRIVATE, old, nullptr, nullptr, 0);
#else
    {
      std::unique_lock<std::mutex> lock(mutex);
      changed.wait(lock, [&] { return value.load() != old; });
    }
#endif
    sleepers--;
  }

  /** After a change: wakes whoever sleeps. Costs a system call only if somebody does. */
  void wake() {
    if (sleepers.load() == 0) return;
#if defined(__linux__)
    syscall(SYS_futex, &value, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
#else
    { std::lock_guard<std::mutex> lock(mutex); }
    changed.notify_all();
#endif
  }
};

/** The cores the calling thread may run on, in order; empty when the system does not say. */
std::vector<int> allowedCores() {
  std::vector<int> cores;
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int core = 0; core < CPU_SETSIZE; core++) {
      if (CPU_ISSET(core, &set)) cores.push_back(core);
    }
  }
#endif
  return cores;
}

void bindThisThread(int core) {
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  sched_setaffinity(0, sizeof set, &set);  // a refusal (a container may forbid it) costs speed, not correctness
#else
  (void)core;
#endif
}

class Pool {
 public:
  Pool() : cores_(allowedCores()) { setThreads(0); }

  int threads() const { return threads_.load(std::memory_order_relaxed); }

  void setThreads(int count) {
    std::lock_guard<std::mutex> lock(turn_);
    if (count < 1) count = defaultThreads();
    threads_ = std::min(count, kMaxThreads);
    active_.value++;
    active_.wake();
  }

  void bindCaller() {
    if (!cores_.empty() && threads() <= static_cast<int>(cores_.size())) bindThisThread(cores_[0]);
  }

  void run(int64_t chunks, void (*call)(void*, int64_t), void* context) {
    std::lock_guard<std::mutex> lock(turn_);
    startWorkers();
    tlsInRegion = true;
    call_ = call;
    context_ = context;
    // The ticket counts in 32 bits; a longer region runs as several.
    constexpr int64_t kLimit = int64_t{1} << 31;
    for (first_ = 0; first_ < chunks; first_ += kLimit) {
      runSome(static_cast<uint32_t>(std::min(kLimit, chunks - first_)));
    }
    tlsInRegion = false;
    if (error_) {
      std::exception_ptr error;
      std::swap(error, error_);
      std::rethrow_exception(error);
    }
  }

 private:
  int defaultThreads() const {
    if (const char* text = std::getenv("GANVAS_THREADS")) {
      const int count = std::atoi(text);
      if (count >= 1) return count;
    }
    if (!cores_.empty()) return static_cast<int>(cores_.size());
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }

  /** Starts the workers that are missing; with none to be had, the caller does the work alone. */
  void startWorkers() {
    while (started_ < threads() - 1) {
      try {
        std::thread([this, index = started_ + 1] { workerLoop(index); }).detach();
      } catch (const std::system_error&) {
        threads_ = started_ + 1;
        return;
      }
      started_++;
    }
  }

  void runSome(uint32_t chunks) {
    chunks_ = chunks;
    left_.value.store(chunks);
    const uint32_t generation = generation_.value.load() + 1;
    ticket_.store(static_cast<uint64_t>(generation) << 32 | chunks);
    generation_.value.store(generation);
    generation_.wake();
    work(generation);
    while (const uint32_t left = left_.value.load()) left_.waitWhile(left);
  }

  void work(uint32_t generation) {
    uint64_t ticket = ticket_.load();
    for (;;) {
      const uint32_t remaining = static_cast<uint32_t>(ticket);
      if (ticket >> 32 != generation || remaining == 0) return;
      if (!ticket_.compare_exchange_weak(ticket, ticket - 1)) continue;
      // Only now, holding a chunk, is it certain that the region is still this one and its fields can be read.
      try {
        call_(context_, first_ + (chunks_ - remaining));
      } catch (...) {
        std::lock_guard<std::mutex> lock(errorMutex_);
        if (!error_) error_ = std::current_exception();
      }
      if (left_.value.fetch_sub(1) == 1) left_.wake();
      ticket = ticket_.load();
    }
  }

  void workerLoop(int index) {
    tlsIndex = index;
    tlsInRegion = true;
    bool bound = false;
    uint32_t seen = 0;
    for (;;) {
      const uint32_t epoch = active_.value.load();
      if (index >= threads()) {
        active_.waitWhile(epoch);
        continue;
      }
      if (!bound && threads() <= static_cast<int>(cores_.size())) {
        bindThisThread(cores_[index]);
        bound = true;
      }
      generation_.waitWhile(seen);
      seen = generation_.value.load();
      if (index < threads()) work(seen);
    }
  }

  const std::vector<int> cores_;
  std::atomic<int> threads_{1};
  int started_ = 0;
  std::mutex turn_;

  int64_t first_ = 0;
  uint32_t chunks_ = 0;
  void (*call_)(void*, int64_t) = nullptr;
  void* context_ = nullptr;
  std::mutex errorMutex_;
  std::exception_ptr error_;

  // Each on its own cache line: the workers hammer the ticket while others watch the words.
  alignas(64) std::atomic<uint64_t> ticket_{0};
  alignas(64) Word generation_;
  alignas(64) Word left_;
  alignas(64) Word active_;
};

std::atomic<Pool*> instance{nullptr};

Pool& pool() {
  Pool* current = instance.load(std::memory_order_acquire);
  if (current != nullptr) return *current;
  Pool* fresh = new Pool;
  if (!instance.compare_exchange_strong(current, fresh)) {
    delete fresh;  // it had started no worker yet
    return *current;
  }
#if defined(__linux__)
  // The workers do not exist in a forked child: it makes a pool of its own when it first needs one.
  static std::once_flag registered;
  std::call_once(registered, [] {
    pthread_atfork(nullptr, nullptr, [] {
      instance = nullptr;
      tlsInRegion = false;
    });
  });
#endif
  return *fresh;
}

}  // namespace

int threadCount() { return pool().threads(); }

void setThreadCount(int count) { pool().setThreads(count); }

int workerIndex() { return tlsIndex; }

void bindCaller() { pool().bindCaller(); }

void detail::runRegion(int64_t chunks, void (*call)(void*, int64_t), void* context) {
  if (chunks <= 0) return;
  if (chunks == 1 || tlsInRegion || pool().threads() == 1) {
    for (int64_t chunk = 0; chunk < chunks; chunk++) call(context, chunk);
    return;
  }
  pool().run(chunks, call, context);
}

}  // namespace gv::cpu
