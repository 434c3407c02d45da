// The plugin's table of functions (engine/plugin_abi.h): a guard around each, and between the C structures and the
// kernels' own Call. Nothing throws across this border.
#include "../engine/plugin_abi.h"

#include <cstring>
#include <deque>
#include <mutex>
#include <vector>

#include "call.h"
#include "elementwise.h"
#include "faults.h"
#include "libraries.h"
#include "table.h"
#include "trace.h"

#ifndef GANVAS_CUDA_BUILD
#define GANVAS_CUDA_BUILD "unknown"
#endif

namespace {

/** The pool of the process, which the addon keeps. */
class HostPool : public gv::Memory {
 public:
  explicit HostPool(const gv_host& host) : Memory(gv::DeviceId::Cuda), host_(host) {}

  void* allocate(size_t bytes, size_t& capacity) override {
    gv_error error{};
    void* data = host_.allocate(host_.pool, bytes, &capacity, &error);
    if (!data) throw gv::Error("ERR_OUT_OF_MEMORY", error.message);
    return data;
  }
  void free(void* p, size_t capacity) noexcept override {
    if (p) host_.free(host_.pool, p, capacity);
  }

 private:
  const gv_host host_;
};

/** Page-locked memory by size; a block is used again once the copy from it is done. */
class Staging {
 public:
  void* take(size_t bytes) {
    std::lock_guard<std::mutex> lock(mutex_);
    for (Block& block : blocks_) {
      if (block.taken || block.bytes < bytes || block.bytes > 2 * bytes + 4096) continue;
      if (block.copying && cudaEventQuery(block.copied) != cudaSuccess) continue;
      block.copying = false;
      block.taken = true;
      return block.data;
    }
    Block block{};
    block.bytes = bytes;
    gv::cuda::check(cudaHostAlloc(&block.data, bytes ? bytes : 1, cudaHostAllocDefault), "page-locking memory");
    gv::cuda::check(cudaEventCreateWithFlags(&block.copied, cudaEventDisableTiming), "making an event");
    block.taken = true;
    blocks_.push_back(block);
    return block.data;
  }
  /** The copy from it has been enqueued on the stream; it is still to be given back. */
  void used(void* data, cudaStream_t stream) {
    std::lock_guard<std::mutex> lock(mutex_);
    for (Block& block : blocks_)
      if (block.data == data) block.copying = cudaEventRecord(block.copied, stream) == cudaSuccess;
  }
  void giveBack(void* data) {
    std::lock_guard<std::mutex> lock(mutex_);
    for (Block& block : blocks_)
      if (block.data == data) block.taken = false;
  }

 private:
  struct Block {
    void* data;
    size_t bytes;
    cudaEvent_t copied;
    bool taken, copying;
  };
  std::mutex mutex_;
  std::deque<Block> blocks_;
};

/** Makes the device the one that this thread talks to, which a thread need do only once. */
void select(int device) {
  thread_local int selected = -1;
  if (selected == device) return;
  gv::cuda::check(cudaSetDevice(device), "selecting the device");
  selected = device;
}

/** A failure as the addon reads it. */
template <class F>
int guarded(gv_error* error, const F& f) noexcept {
  const auto say = [error](const char* code, const char* message) {
    if (!error) return 1;
    std::snprintf(error->code, sizeof error->code, "%s", code);
    std::snprintf(error->message, sizeof error->message, "%s", message);
    return 1;
  };
  try {
    f();
    return 0;
  } catch (const gv::Error& e) {
    return say(e.code, e.what());
  } catch (const std::exception& e) {
    return say("ERR_INTERNAL", e.what());
  } catch (...) {
    return say("ERR_INTERNAL", "an unknown exception in the CUDA plugin");
  }
}

}  // namespace

struct gv_context {
  gv_context(int device, const gv_host& host) : pool(host), context(device, pool) {}
  HostPool pool;
  gv::cuda::Context context;
  Staging staging;
};

struct gv_graph {
  cudaGraphExec_t executable = nullptr;
};

namespace {

using gv::cuda::check;
using gv::cuda::Current;

gv::Tensor tensorOf(const gv_tensor& from, gv::Memory& memory) {
  gv::Tensor t;
  for (int i = 0; i < from.rank; i++) t.shape.push(from.dims[i]);
  t.dtype = gv::DType(from.dtype);
  t.storage = std::make_shared<gv::Storage>(memory, t.bytes());
  t.storage->data = from.data;
  return t;
}

gv::Call callOf(const gv_call& from, gv::Memory& memory) {
  gv::Call call;
  call.memory = &memory;
  call.in.reserve(size_t(from.inputs));
  for (int i = 0; i < from.inputs; i++) call.in.push_back(tensorOf(from.input[i], memory));
  for (int i = 0; i < from.outputs; i++) call.out.push_back(tensorOf(from.output[i], memory));
  call.attrs.assign(from.attribute, from.attribute + from.attributes);
  return call;
}

const gv::Op& opOf(int number) {
  if (number < 0 || number >= gv::cuda::kKernelCount) gv::fail("ERR_INTERNAL", "there is no op number %d", number);
  return gv::cuda::kKernels[number];
}

void runCall(gv_context& c, const gv_call& from) {
  Current current(c.context);
  gv::Call call = callOf(from, c.pool);
  if (from.op < 0) {
    gv::cuda::Range range("chain");
    return gv::cuda::runChain(call, from.link, from.links);
  }
  call.op = &opOf(from.op);
  gv::cuda::Range range(call.name());
  call.op->run(call);
}

int probe(int32_t device, gv_device_info* info, gv_error* error) {
  return guarded(error, [&] {
    *info = {};
    cudaDriverGetVersion(&info->driver);
    cudaRuntimeGetVersion(&info->runtime);
    const cudaError_t status = cudaGetDeviceCount(&info->count);
    if (status == cudaErrorInsufficientDriver && info->driver == 0)
      gv::fail("ERR_CUDA_UNAVAILABLE", "no driver: libcuda.so.1 cannot be loaded");
    if (status == cudaErrorInsufficientDriver)
      gv::fail("ERR_CUDA_UNAVAILABLE", "driver too old: it supports CUDA %d.%d, this plugin needs CUDA %d.%d",
               info->driver / 1000, info->driver % 1000 / 10, CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
    if (status == cudaErrorNoDevice || (status == cudaSuccess && info->count == 0))
      gv::fail("ERR_CUDA_UNAVAILABLE", "no device: the driver reports none");
    check(status, "counting devices");
    if (device < 0 || device >= info->count)
      gv::fail("ERR_CUDA_UNAVAILABLE", "no device: number %d was asked for, there are %d", device, info->count);
    cudaDeviceProp properties;
    check(cudaGetDeviceProperties(&properties, device), "asking what the device is");
    std::snprintf(info->name, sizeof info->name, "%s", properties.name);
    std::snprintf(info->libraries, sizeof info->libraries, "%s", gv::cuda::libraryVersions().c_str());
    info->major = properties.major;
    info->minor = properties.minor;
    info->processors = properties.multiProcessorCount;
    info->memory = properties.totalGlobalMem;
  });
}

int open(int32_t device, const gv_host* host, gv_context** context, gv_error* error) {
  *context = nullptr;
  return guarded(error, [&] { *context = new gv_context(device, *host); });
}

int allocate(gv_context* c, size_t bytes, void** data, gv_error* error) {
  *data = nullptr;
  return guarded(error, [&] {
    select(c->context.device);
    const cudaError_t status = cudaMalloc(data, bytes ? bytes : 1);
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      *data = nullptr;
    } else {
      check(status, "allocating memory");
    }
  });
}

void release(gv_context* c, void* data) {
  cudaSetDevice(c->context.device);
  cudaFree(data);
}

int stage(gv_context* c, size_t bytes, void** host, gv_error* error) {
  return guarded(error, [&] {
    select(c->context.device);
    *host = c->staging.take(bytes);
  });
}

void unstage(gv_context* c, void* host) { c->staging.giveBack(host); }

int upload(gv_context* c, void* to, void* staged, size_t bytes, gv_error* error) {
  return guarded(error, [&] {
    select(c->context.device);
    const cudaError_t status =
        bytes ? cudaMemcpyAsync(to, staged, bytes, cudaMemcpyHostToDevice, c->context.stream) : cudaSuccess;
    c->staging.used(staged, c->context.stream);
    check(status, "copying to the device");
  });
}

/** Until all of it is done; reports what the kernels found wrong in their data. */
void finish(gv_context& c) {
  check(cudaStreamSynchronize(c.context.stream), "waiting for the device");
  c.context.faults->report();
}

int download(gv_context* c, void* to, const void* from, size_t bytes, gv_error* error) {
  return guarded(error, [&] {
    select(c->context.device);
    if (bytes)
      check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, c->context.stream), "copying from the device");
    finish(*c);
  });
}

int copy(gv_context* c, void* to, const void* from, size_t bytes, gv_error* error) {
  return guarded(error, [&] {
    select(c->context.device);
    if (bytes)
      check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, c->context.stream), "copying on the device");
  });
}

int run(gv_context* c, const gv_call* call, gv_error* error) {
  return guarded(error, [&] {
    select(c->context.device);
    runCall(*c, *call);
  });
}

int wait(gv_context* c, gv_error* error) {
  return guarded(error, [&] {
    select(c->context.device);
    finish(*c);
  });
}

int graphable(gv_context*, const gv_call* call) {
  return call->op < 0 || (call->op < gv::cuda::kKernelCount && gv::cuda::graphable(gv::cuda::kKernels[call->op]));
}

int beginGraph(gv_context* c, gv_error* error) {
  return guarded(error, [&] {
    select(c->context.device);
    // Relaxed: other threads may allocate meanwhile.
    check(cudaStreamBeginCapture(c->context.stream, cudaStreamCaptureModeRelaxed), "recording a graph");
    c->context.capturing = true;
  });
}

int endGraph(gv_context* c, gv_graph** graph, gv_error* error) {
  c->context.capturing = false;
  return guarded(error, [&] {
    cudaGraph_t recorded = nullptr;
    const cudaError_t status = cudaStreamEndCapture(c->context.stream, &recorded);
    if (!graph) {
      if (recorded) cudaGraphDestroy(recorded);
      cudaGetLastError();
      return;
    }
    check(status, "recording a graph");
    auto made = std::make_unique<gv_graph>();
    const cudaError_t instantiated = cudaGraphInstantiate(&made->executable, recorded, 0);
    cudaGraphDestroy(recorded);
    check(instantiated, "preparing a graph");
    *graph = made.release();
  });
}

int launch(gv_context* c, gv_graph* graph, gv_error* error) {
  return guarded(error, [&] {
    select(c->context.device);
    check(cudaGraphLaunch(graph->executable, c->context.stream), "starting a graph");
  });
}

void freeGraph(gv_context* c, gv_graph* graph) {
  cudaSetDevice(c->context.device);
  cudaStreamSynchronize(c->context.stream);  // it may be running
  cudaGraphExecDestroy(graph->executable);
  delete graph;
}

void allowTF32(gv_context* c, int32_t matmul) { c->context.matmulTF32 = matmul != 0; }

const gv_plugin kPlugin = {
    sizeof(gv_plugin), GANVAS_PLUGIN_ABI, "cuda", GANVAS_CUDA_BUILD, gv::cuda::kNames, probe, open, allocate, release,
    stage, unstage, upload, download, copy, run, wait, graphable, beginGraph, endGraph, launch, freeGraph, allowTF32,
};

}  // namespace

extern "C" __attribute__((visibility("default"))) const gv_plugin* ganvas_plugin_entry(uint32_t) { return &kPlugin; }
