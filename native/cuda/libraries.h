// Which vendor libraries the plugin found when it was loaded, for `ganvas doctor`.
#pragma once
#include <string>

namespace gv::cuda {

std::string libraryVersions();

}  // namespace gv::cuda
