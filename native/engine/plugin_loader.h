// Loads a device plugin and says in plain words why not. The driver is asked first, because the vendor's libraries are
// large: a machine without a GPU never maps them. Which files to try is src/cuda.ts's business.
#pragma once
#include <string>

#include "plugin_abi.h"

namespace gv {

struct DriverStatus {
  std::string problem;  // empty: there is a driver with a device
  int version = 0;      // 13000 for CUDA 13.0
  int devices = 0;
};

/** Asks the NVIDIA driver, through three functions of libcuda, what there is. */
DriverStatus probeDriver();

/**
 * The plugin in a file, or null with the reason in `problem`. Loads the vendor's libraries that lie in the folders of
 * `libraries` (parted by ':') first: one that is loaded by its full path is found wherever its name is asked for later.
 */
const gv_plugin* loadPlugin(const std::string& path, const std::string& libraries, std::string& problem);

}  // namespace gv
