// The device as the kernels of this folder see it: a stream, the vendor libraries' handles, memory. One context per
// device, used by the thread of its stream; current() is set while a call runs.
#pragma once
#include <cuda_runtime.h>

#include <atomic>
#include <memory>

#include "../engine/error.h"
#include "../engine/memory.h"

namespace gv::cuda {

class Blas;          // blas.h
class Convolutions;  // conv_library.h
class Faults;        // faults.h

struct Context {
  Context(int device, Memory& memory);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  static Context& current();

  const int device;
  Memory& memory;
  cudaStream_t stream = nullptr;
  int processors = 1;
  int capability = 0;  // 90 for 9.0
  bool capturing = false;
  std::atomic<bool> matmulTF32{false};
  std::unique_ptr<Blas> blas;
  std::unique_ptr<Convolutions> convolutions;
  std::unique_ptr<Faults> faults;
};

/** Makes a context current on this thread for as long as it lives. */
class Current {
 public:
  explicit Current(Context& context);
  ~Current();
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;
};

/** Throws ERR_OUT_OF_MEMORY or ERR_DEVICE with CUDA's own words. */
void check(cudaError_t status, const char* what);

}  // namespace gv::cuda
