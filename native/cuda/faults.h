// The faults that kernels found (fault_site.h), as errors of the host: one record per context.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace gv {
struct Call;
}

namespace gv::cuda {

enum class FaultKind;
struct FaultRecord;
struct FaultSite;

class Faults {
 public:
  explicit Faults(cudaStream_t stream);
  ~Faults();
  Faults(const Faults&) = delete;
  Faults& operator=(const Faults&) = delete;

  /** Equal calls share a site, and sites stay: a graph may launch their kernels at any time. */
  FaultSite site(const Call& call, FaultKind kind, int64_t limit);

  /** After the stream was waited for: throws the fault that was kept, in the CPU's words, and forgets it. */
  void report();

 private:
  struct Site {
    FaultKind kind;
    int64_t limit;
    std::string call;  // name and shapes
  };
  [[noreturn]] static void fail(const Site& site, const double (&number)[3]);

  const cudaStream_t stream_;
  int32_t* claimed_ = nullptr;
  FaultRecord* record_ = nullptr;
  std::vector<Site> sites_;
  std::unordered_map<std::string, int32_t> numbers_;
};

}  // namespace gv::cuda
