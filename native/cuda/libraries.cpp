#include "libraries.h"

#include <cublasLt.h>
#include <cuda_runtime.h>
#include <cudnn.h>

#include <string>

namespace gv::cuda {
namespace {

/** A number such as 13010, in which the parts after the first have so many digits each. */
std::string dotted(size_t version, size_t minor, size_t patch) {
  return std::to_string(version / (minor * patch)) + "." + std::to_string(version / patch % minor) + "." +
         std::to_string(version % patch);
}

}  // namespace

std::string libraryVersions() {
  int runtime = 0;
  cudaRuntimeGetVersion(&runtime);  // of the library itself: needs no driver
  const std::string cuda = std::to_string(runtime / 1000) + "." + std::to_string(runtime % 1000 / 10);
  return "CUDA runtime " + cuda + ", cuBLASLt " + dotted(cublasLtGetVersion(), 100, 100) + ", cuDNN " +
         dotted(cudnnGetVersion(), 100, 100);
}

}  // namespace gv::cuda
