#include "cpu/widen.h"

#include "cpu/pool.h"
#include "ops/unary.h"

namespace gv::cpu {
namespace {

constexpr int64_t kGrain = 16384;

Tensor wideTwin(const Call& call, const Tensor& t) {
  Tensor wide{t.shape, DType::F32, nullptr};
  wide.storage = std::make_shared<Storage>(*call.allocator, wide.bytes());
  wide.storage->materialise();
  return wide;
}

}  // namespace

void runWidened(void (*kernel)(const Call&), const Call& call) {
  Call wide = call;
  for (Tensor& t : wide.in) {
    if (t.dtype != DType::BF16) continue;
    const auto* const from = t.data<ops::BF16>();
    t = wideTwin(call, t);
    float* const to = t.data<float>();
    parallelRange(t.size(), kGrain, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) to[i] = ops::fromBF16(from[i]);
    });
  }
  for (Tensor& t : wide.out)
    if (t.dtype == DType::BF16) t = wideTwin(call, t);
  kernel(wide);
  for (size_t k = 0; k < call.out.size(); k++) {
    if (call.out[k].dtype != DType::BF16) continue;
    const float* const from = wide.out[k].data<float>();
    auto* const to = call.out[k].data<ops::BF16>();
    parallelRange(call.out[k].size(), kGrain, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) to[i] = ops::toBF16(from[i]);
    });
  }
}

}  // namespace gv::cpu
