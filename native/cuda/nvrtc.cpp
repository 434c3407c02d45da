#include "nvrtc.h"

#include <cublasLt.h>
#include <dlfcn.h>
#include <glob.h>

#include <mutex>
#include <string>

namespace gv::cuda {
namespace {

/** Whether a library that the pattern matches could be loaded. It stays loaded. */
bool load(const std::string& pattern) {
  glob_t files{};
  bool loaded = false;
  if (glob(pattern.c_str(), 0, nullptr, &files) == 0)
    for (size_t i = 0; i < files.gl_pathc && !loaded; i++)
      loaded = dlopen(files.gl_pathv[i], RTLD_LAZY | RTLD_GLOBAL) != nullptr;
  globfree(&files);
  return loaded;
}

}  // namespace

void loadNvrtc() {
  static std::once_flag once;
  std::call_once(once, [] {
    Dl_info where{};
    if (!dladdr(reinterpret_cast<const void*>(&cublasLtGetVersion), &where) || !where.dli_fname) return;
    const std::string file = where.dli_fname;
    const size_t slash = file.rfind('/');
    if (slash == std::string::npos) return;
    const std::string folder = file.substr(0, slash);
    // A toolkit and the wheels of CUDA 13 keep all in one folder, those of CUDA 12 have one for each package.
    for (const char* other : {"", "/../../cuda_nvrtc/lib"}) {
      const std::string at = folder + other;
      load(at + "/libnvrtc-builtins.so*");
      if (load(at + "/libnvrtc.so*")) return;
    }
  });
}

}  // namespace gv::cuda
