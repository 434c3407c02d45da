// Which engine was the fastest for a convolution, in the user's cache directory, so that a convolution is timed once on
// a device and not in every process. It is text; a file that is damaged or cannot be written costs time only.
#pragma once
#include <map>
#include <string>

namespace gv::cuda {

class PlanFile {
 public:
  /** For a device and version of cuDNN, as text: $XDG_CACHE_HOME/ganvas or ~/.cache/ganvas. Reads what is there. */
  PlanFile(const std::string& device, size_t version);

  /** The name of the engine for a convolution, or empty. */
  std::string find(const std::string& convolution) const;
  /** Notes it, and writes the file anew with what other processes have written meanwhile. */
  void add(const std::string& convolution, const std::string& engine);

 private:
  std::map<std::string, std::string> read() const;

  std::string folder_, path_, title_;
  std::map<std::string, std::string> engines_;
};

}  // namespace gv::cuda
