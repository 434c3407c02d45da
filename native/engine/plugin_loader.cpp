#include "plugin_loader.h"

#include <cstdlib>
#include <cstring>

#include "ops/table.h"

#if !defined(_WIN32)
#include <dlfcn.h>
#include <glob.h>
#endif

namespace gv {

#if defined(_WIN32)

DriverStatus probeDriver() { return {"there is no CUDA plugin for Windows", 0, 0}; }
const gv_plugin* loadPlugin(const std::string&, const std::string&, std::string& problem) {
  problem = "there is no CUDA plugin for Windows";
  return nullptr;
}

#else

namespace {

std::string lastError(const std::string& otherwise) {
  const char* text = dlerror();
  return text ? text : otherwise;
}

// What the plugin needs, in the order in which they need one another.
const char* const kVendorLibraries[] = {"libnvrtc-builtins.so.*", "libnvrtc.so.*", "libcublasLt.so.*", "libcudnn.so.*"};

void preload(const std::string& folders) {
  for (size_t begin = 0; begin < folders.size();) {
    size_t end = folders.find(':', begin);
    if (end == std::string::npos) end = folders.size();
    const std::string folder = folders.substr(begin, end - begin);
    begin = end + 1;
    if (folder.empty()) continue;
    for (const char* pattern : kVendorLibraries) {
      glob_t found{};
      if (glob((folder + "/" + pattern).c_str(), 0, nullptr, &found) == 0)
        for (size_t k = 0; k < found.gl_pathc; k++)
          if (dlopen(found.gl_pathv[k], RTLD_LAZY | RTLD_GLOBAL)) break;
      globfree(&found);
    }
  }
}

std::string dlopenProblem() {
  const std::string text = lastError("unknown error");
  const bool missing = text.find("cannot open shared object file") != std::string::npos;
  if (missing && text.find("libcudnn") != std::string::npos) return "cuDNN missing: " + text;
  if (missing && text.find("libcublas") != std::string::npos) return "cuBLAS missing: " + text;
  return "dlopen: " + text;
}

}  // namespace

DriverStatus probeDriver() {
  DriverStatus status;
  // Never closed: the driver keeps threads of its own.
  void* driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (!driver) {
    status.problem = "no driver: " + lastError("libcuda.so.1 cannot be loaded");
    return status;
  }
  const auto init = reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
  const auto version = reinterpret_cast<int (*)(int*)>(dlsym(driver, "cuDriverGetVersion"));
  const auto count = reinterpret_cast<int (*)(int*)>(dlsym(driver, "cuDeviceGetCount"));
  if (!init || !version || !count) {
    status.problem = "no driver: the libcuda.so.1 that was found is not NVIDIA's";
    return status;
  }
  int error = init(0);
  if (error == 0) error = version(&status.version);
  if (error == 0) error = count(&status.devices);
  constexpr int kStub = 34, kNoDevice = 100, kMismatch = 803;  // CUresult
  if (error == kNoDevice || (error == 0 && status.devices == 0))
    status.problem = "no device: the NVIDIA driver reports none (is CUDA_VISIBLE_DEVICES empty?)";
  else if (error == kStub)
    status.problem = "no driver: a stub of libcuda.so.1 was found, as toolkits bring along for linking";
  else if (error == kMismatch)
    status.problem = "driver too old: its parts have different versions; restart the machine after an update (error 803)";
  else if (error != 0)
    status.problem = "driver: it could not be started, cuInit gave error " + std::to_string(error);
  return status;
}

const gv_plugin* loadPlugin(const std::string& path, const std::string& libraries, std::string& problem) {
  preload(libraries);
  void* file = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!file) {
    problem = dlopenProblem();
    return nullptr;
  }
  const auto entry = reinterpret_cast<gv_plugin_entry>(dlsym(file, GANVAS_PLUGIN_ENTRY));
  if (!entry) {
    problem = "dlopen: the file is no plugin of ganvas: it has no " GANVAS_PLUGIN_ENTRY;
    return nullptr;
  }
  const gv_plugin* plugin = entry(GANVAS_PLUGIN_ABI);
  if (plugin && plugin->abi == GANVAS_PLUGIN_ABI && plugin->size != sizeof(gv_plugin)) {
    problem = "ABI " + std::to_string(plugin->abi) + ", but with a table of " + std::to_string(plugin->size) +
              " bytes, not " + std::to_string(sizeof(gv_plugin)) + ": the plugin was built from other sources";
    return nullptr;
  }
  if (!plugin || plugin->abi != GANVAS_PLUGIN_ABI) {
    problem = "ABI " + std::to_string(plugin ? plugin->abi : 0) + " != " + std::to_string(GANVAS_PLUGIN_ABI) +
              ": the plugin and ganvas are of different versions";
    return nullptr;
  }
  for (int k = 0; k <= kOpCount; k++) {
    const char* name = k < kOpCount ? kOps[k].name : nullptr;
    const char* theirs = plugin->ops[k];
    if (!name && !theirs) break;
    if (name && theirs && std::strcmp(name, theirs) == 0) continue;
    problem = std::string("ABI: op ") + std::to_string(k) + " is " + (name ? name : "none") + " here and " +
              (theirs ? theirs : "none") + " in the plugin, which is of another version";
    return nullptr;
  }
  return plugin;
}

#endif

}  // namespace gv
