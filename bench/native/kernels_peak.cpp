// The yardstick of the kernel benchmark: fused multiply-adds that never leave the registers.
#include "kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels_peak.cpp"
#include "cpu/simd.h"

#include "cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

// Enough chains to cover the latency, few enough to stay in registers.
constexpr int kChains = HWY_TARGET == HWY_AVX3 ? 24 : 12;

double BenchPeak(int64_t steps, float* sink) {
  const D d;
  V sum[kChains];
  for (int i = 0; i < kChains; i++) sum[i] = hn::Set(d, 0.1f * static_cast<float>(i));
  const V x = hn::Set(d, 0.999f), y = hn::Set(d, 0.001f);
  for (int64_t step = 0; step < steps; step++) {
#pragma GCC unroll 24
    for (int i = 0; i < kChains; i++) sum[i] = hn::MulAdd(sum[i], x, y);
  }
  for (int i = 1; i < kChains; i++) sum[0] = hn::Add(sum[0], sum[i]);
  hn::StoreU(sum[0], d, sink);
  return 2.0 * kChains * kLanes * static_cast<double>(steps);
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "cpu/pool.h"

namespace gv::cpu {
HWY_EXPORT(BenchPeak);

double benchPeak(int64_t steps) {
  const auto kernel = HWY_DYNAMIC_DISPATCH(BenchPeak);
  double flops = 0;
  const int threads = threadCount();
  parallelFor(threads, [&](int64_t chunk) {
    alignas(64) float sink[64];
    const double mine = kernel(steps, sink);
    if (chunk == 0) flops = mine * threads;
  });
  return flops;
}

std::vector<int64_t> builtTargets() { return hwy::SupportedAndGeneratedTargets(); }

}  // namespace gv::cpu
#endif
