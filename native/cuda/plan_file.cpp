#include "plan_file.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace gv::cuda {
namespace {

namespace fs = std::filesystem;

/** Empty where there is no such place. */
std::string cacheFolder() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache && *cache == '/') return std::string(cache) + "/ganvas";  // the standard has relative ones ignored
  const char* home = std::getenv("HOME");
  return home && *home ? std::string(home) + "/.cache/ganvas" : "";
}

}  // namespace

PlanFile::PlanFile(const std::string& device, size_t version)
    : folder_(cacheFolder()),
      title_("The fastest engines of cuDNN " + std::to_string(version) + " on " + device + ", written by ganvas") {
  std::string name;
  for (const char c : device) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '-';
  if (!folder_.empty()) path_ = folder_ + "/cudnn-" + std::to_string(version) + "-" + name + ".txt";
  engines_ = read();
}

std::map<std::string, std::string> PlanFile::read() const {
  std::map<std::string, std::string> engines;
  std::ifstream file(path_);
  std::string line;
  if (path_.empty() || !std::getline(file, line) || line != title_) return engines;
  while (std::getline(file, line)) {
    const size_t tab = line.find('\t');
    if (tab != std::string::npos) engines[line.substr(0, tab)] = line.substr(tab + 1);
  }
  return engines;
}

std::string PlanFile::find(const std::string& convolution) const {
  const auto found = engines_.find(convolution);
  return found == engines_.end() ? "" : found->second;
}

void PlanFile::add(const std::string& convolution, const std::string& engine) {
  if (path_.empty()) {
    engines_[convolution] = engine;
    return;
  }
  for (const auto& [key, value] : read()) engines_.emplace(key, value);
  engines_[convolution] = engine;
  std::error_code ignored;
  fs::create_directories(folder_, ignored);
  const std::string aside = path_ + "." + std::to_string(getpid());
  {
    std::ofstream file(aside);
    file << title_ << '\n';
    for (const auto& [key, value] : engines_) file << key << '\t' << value << '\n';
    file.close();
    if (file) fs::rename(aside, path_, ignored);
  }
  fs::remove(aside, ignored);  // where it could not be written in full or renamed
}

}  // namespace gv::cuda
