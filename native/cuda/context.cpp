#include "context.h"

#include "blas.h"
#include "conv_library.h"
#include "faults.h"

namespace gv::cuda {
namespace {

thread_local Context* current = nullptr;

}  // namespace

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // else the next check reports it again
  fail(status == cudaErrorMemoryAllocation ? "ERR_OUT_OF_MEMORY" : "ERR_DEVICE", "CUDA, %s: %s (%s)", what,
       cudaGetErrorString(status), cudaGetErrorName(status));
}

Context::Context(int d, Memory& m) : device(d), memory(m) {
  check(cudaSetDevice(device), "selecting the device");
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, device), "asking what the device is");
  processors = properties.multiProcessorCount;
  capability = properties.major * 10 + properties.minor;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
  blas = std::make_unique<Blas>();
  convolutions = std::make_unique<Convolutions>(*this);
  faults = std::make_unique<Faults>(stream);
}

Context::~Context() {
  faults.reset();
  convolutions.reset();
  blas.reset();
  if (stream) cudaStreamDestroy(stream);
}

Context& Context::current() {
  if (!cuda::current) fail("ERR_INTERNAL", "no CUDA context is current on this thread");
  return *cuda::current;
}

Current::Current(Context& context) {
  cuda::current = &context;
}

Current::~Current() { cuda::current = nullptr; }

}  // namespace gv::cuda
