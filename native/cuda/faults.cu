#include "faults.h"

#include "fault_site.h"

namespace gv::cuda {

Faults::Faults(cudaStream_t stream) : stream_(stream) {
  check(cudaMalloc(reinterpret_cast<void**>(&claimed_), sizeof *claimed_), "allocating memory");
  check(cudaMemsetAsync(claimed_, 0, sizeof *claimed_, stream_), "clearing memory");
  check(cudaHostAlloc(reinterpret_cast<void**>(&record_), sizeof *record_, cudaHostAllocDefault),
        "page-locking memory");
  *record_ = {};
}

Faults::~Faults() {
  cudaFreeHost(record_);
  cudaFree(claimed_);
}

FaultSite Faults::site(const Call& call, FaultKind kind, int64_t limit) {
  std::string text;
  for (const Tensor& t : call.in) text += (text.empty() ? "" : ", ") + t.shape.str();
  text = std::string(call.name()) + "(" + text + ")";
  const std::string key = text + " " + std::to_string(int(kind)) + " " + std::to_string(limit);
  const auto [found, fresh] = numbers_.try_emplace(key, int32_t(sites_.size()));
  if (fresh) sites_.push_back({kind, limit, std::move(text)});
  return {claimed_, record_, found->second};
}

void Faults::report() {
  if (!record_->noted) return;
  const FaultRecord record = *record_;
  *record_ = {};
  check(cudaMemsetAsync(claimed_, 0, sizeof *claimed_, stream_), "clearing memory");
  fail(sites_.at(size_t(record.site)), record.number);
}

void Faults::fail(const Site& site, const double (&number)[3]) {
  const char* const call = site.call.c_str();
  switch (site.kind) {
    case FaultKind::Index:
      gv::fail("ERR_INDEX", "%s: index %.0f (element %.0f of indices) is outside [0, %lld)", call, number[0], number[1],
               (long long)site.limit);
    case FaultKind::Weight:
      gv::fail("ERR_ARGUMENT", "%s: weight %g (element %.0f of row %.0f) is not finite and at least 0", call, number[0],
               number[1], number[2]);
    case FaultKind::Logit:
      gv::fail("ERR_ARGUMENT", "%s: logit %g (element %.0f of row %.0f) is not finite or -Infinity", call, number[0],
               number[1], number[2]);
    case FaultKind::TooFewLeft:
      gv::fail("ERR_ARGUMENT", "%s: row %.0f has %.0f elements of non-zero weight, too few for %lld draws", call,
               number[1], number[0], (long long)site.limit);
  }
  gv::fail("ERR_INTERNAL", "%s: a fault of unknown kind", call);
}

FaultSite faultSite(const Call& call, FaultKind kind, int64_t limit) {
  return Context::current().faults->site(call, kind, limit);
}

}  // namespace gv::cuda
