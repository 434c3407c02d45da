#include "trace.h"

#ifdef GANVAS_EMULATED

namespace gv::cuda {
Range::Range(const char*) {}
Range::~Range() {}
}  // namespace gv::cuda

#else

#include <nvtx3/nvToolsExt.h>

#include <cstdlib>
#include <cstring>

namespace gv::cuda {
namespace {

const bool kOn = [] {
  const char* text = std::getenv("GANVAS_NVTX");
  return text && std::strcmp(text, "1") == 0;
}();

}  // namespace

Range::Range(const char* name) {
  if (kOn) nvtxRangePushA(name);
}
Range::~Range() {
  if (kOn) nvtxRangePop();
}

}  // namespace gv::cuda

#endif
