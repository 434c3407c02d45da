// The indices of gather.cu and along.cu: i32 or u8, each to be checked against [0, limit) by the kernel that reads it.
#pragma once
#include "fault_site.h"

namespace gv::cuda {

/** Where a key stands for an index (order.h), one that is outside: no index of i32 or u8 is as great. */
constexpr uint32_t kRefused = 0xFFFFFFFFu;

struct Indices {
  const void* data;
  bool bytes;
  int64_t limit;
  FaultSite site;

  Indices(const Call& call, const Tensor& indices, int64_t size)
      : data(indices.data<void>()),
        bytes(indices.dtype == DType::U8),
        limit(size),
        site(faultSite(call, FaultKind::Index, size)) {}

  GV_DEVICE int64_t operator[](int64_t i) const {
    return bytes ? int64_t(static_cast<const uint8_t*>(data)[i]) : int64_t(static_cast<const int32_t*>(data)[i]);
  }
  GV_DEVICE bool inside(int64_t index) const { return index >= 0 && index < limit; }
  GV_DEVICE void refuse(int64_t index, int64_t element) const { site.note(double(index), double(element)); }

  /** Where nothing else reads them: into or out of an empty tensor. */
  void checkAll(int64_t n) const {
    const Indices indices = *this;
    forEach(n, [=] GV_DEVICE(int64_t i) {
      if (!indices.inside(indices[i])) indices.refuse(indices[i], i);
    });
  }
};

}  // namespace gv::cuda
