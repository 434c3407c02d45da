// What emulated/cuda_runtime.h and emulated/launch.h declare.
#include <setjmp.h>
#include <ucontext.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "launch.h"

namespace {

// What the tests set to see how shortage of memory is handled.
size_t memoryLimit() {
  const char* text = std::getenv("GANVAS_EMULATED_MEMORY");
  return text ? size_t(std::strtoull(text, nullptr, 10)) : size_t(4) << 30;
}

std::mutex mutex;
std::unordered_map<void*, size_t> blocks;
size_t used = 0;

}  // namespace

const char* cudaGetErrorString(cudaError_t error) { return error == cudaSuccess ? "no error" : "emulated error"; }
const char* cudaGetErrorName(cudaError_t error) { return error == cudaSuccess ? "cudaSuccess" : "cudaError"; }
cudaError_t cudaGetLastError() { return cudaSuccess; }
cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; }
cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {"emulated on the host", 0, 0, 2, memoryLimit()};
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = 0;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 0;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** data, size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex);
  *data = nullptr;
  if (bytes > memoryLimit() - std::min(used, memoryLimit())) return cudaErrorMemoryAllocation;
  void* p = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (!p) return cudaErrorMemoryAllocation;
  std::memset(p, 0xFF, bytes);
  blocks[p] = bytes;
  used += bytes;
  *data = p;
  return cudaSuccess;
}
cudaError_t cudaFree(void* data) {
  std::lock_guard<std::mutex> lock(mutex);
  const auto found = blocks.find(data);
  if (found == blocks.end()) return data ? cudaErrorInvalidValue : cudaSuccess;
  used -= found->second;
  blocks.erase(found);
  std::free(data);
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** data, size_t bytes, unsigned) {
  *data = std::malloc(bytes ? bytes : 1);
  return *data ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFreeHost(void* data) {
  std::free(data);
  return cudaSuccess;
}

namespace {

cudaError_t doOrRecord(cudaStream_t stream, std::function<void()> work) {
  if (stream->recording)
    stream->recording->work.push_back(std::move(work));
  else
    work();
  return cudaSuccess;
}

}  // namespace

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  return doOrRecord(stream, [=] { std::memcpy(to, from, bytes); });
}
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  return doOrRecord(stream, [=] { std::memset(to, value, bytes); });
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new EmulatedStream;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}
// Reading while a graph is recorded is refused on a device too.
cudaError_t cudaStreamSynchronize(cudaStream_t stream) { return stream->recording ? cudaErrorInvalidValue : cudaSuccess; }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new EmulatedEvent;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaEventQuery(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (stream->recording) return cudaErrorInvalidValue;
  stream->recording = new EmulatedGraph;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  if (!stream->recording) return cudaErrorInvalidValue;
  *graph = stream->recording;
  stream->recording = nullptr;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = new EmulatedGraph(*graph);
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t) {
  for (const auto& work : executable->work) work();
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}

namespace gv::cuda::detail {
namespace {

constexpr size_t kStack = 256 * 1024;
constexpr int kMostThreads = 1024;

// The fibers of one block. A fiber is entered by swapcontext once and by longjmp from then on, which makes no system
// call.
struct Fiber {
  std::unique_ptr<char[]> stack{new char[kStack]};
  ucontext_t start;
  jmp_buf place;
  bool begun = false, done = false;
};

struct Team {
  std::vector<Fiber> fibers{kMostThreads};
  ucontext_t home;
  jmp_buf back;
  int current = -1, reached = 0;
  const std::function<void(int)>* body = nullptr;
  alignas(16) char scratch[16 * kMostThreads];
};

Team& team() {
  static thread_local Team* team = new Team;
  return *team;
}

void fiberMain() {
  Team& t = team();
  (*t.body)(t.current);
  t.fibers[size_t(t.current)].done = true;
  _longjmp(t.back, 1);
}

}  // namespace

void submit(std::function<void()> work) { doOrRecord(Context::current().stream, std::move(work)); }

bool nextBackwards() {
  static thread_local bool backwards = false;
  return backwards = !backwards;
}

void* blockScratch() { return team().scratch; }

void barrier() {
  Team& t = team();
  t.reached++;
  if (_setjmp(t.fibers[size_t(t.current)].place) == 0) _longjmp(t.back, 1);
}

void runFibers(int threads, const std::function<void(int)>& body, bool backwards) {
  Team& t = team();
  t.body = &body;
  for (int k = 0; k < threads; k++) t.fibers[size_t(k)].begun = t.fibers[size_t(k)].done = false;
  for (;;) {
    t.reached = 0;
    // volatile: changed between _setjmp and _longjmp.
    volatile int left = 0;
    for (volatile int turn = 0; turn < threads; turn = turn + 1) {
      const volatile int k = backwards ? threads - 1 - turn : turn;
      Fiber& fiber = t.fibers[size_t(k)];
      if (fiber.done) continue;
      t.current = k;
      if (_setjmp(t.back) == 0) {
        if (fiber.begun) _longjmp(fiber.place, 1);
        fiber.begun = true;
        getcontext(&fiber.start);
        fiber.start.uc_stack.ss_sp = fiber.stack.get();
        fiber.start.uc_stack.ss_size = kStack;
        fiber.start.uc_link = nullptr;
        makecontext(&fiber.start, fiberMain, 0);
        setcontext(&fiber.start);
      }
      if (!t.fibers[size_t(k)].done) left = left + 1;
    }
    if (left == 0) return;
    if (t.reached != threads) {
      std::fprintf(stderr, "ganvas: emulated device: %d of %d threads of a block reached a barrier\n", t.reached, threads);
      std::abort();
    }
  }
}

}  // namespace gv::cuda::detail
