// Kernel of ops/upfirdn.h: each pixel of the result sums the taps that meet a sample, vectors across the channels.
#include "ops/upfirdn.h"

#include "cpu/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/upfirdn.cpp"
#include "cpu/simd.h"

#include "cpu/lanes-inl.h"

#ifndef GV_CPU_UPFIRDN_CPP
#define GV_CPU_UPFIRDN_CPP
namespace gv::cpu {
namespace {

/** The window of one result: first sample and first tap, and what lies between neighbours along each axis. */
struct FirWindow {
  const float *x, *f;
  int64_t rows, columns, xRow, fRow, fColumn;
};

}  // namespace
}  // namespace gv::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

void UpfirdnPixel(const FirWindow& window, int64_t channels, float* y) {
  overLanes(channels, [&](int64_t c, auto access) HWY_ATTR {
    V sum = hn::Zero(D());
    for (int64_t u = 0; u < window.rows; u++) {
      const float *const x = window.x + u * window.xRow + c, *const f = window.f + u * window.fRow;
      for (int64_t v = 0; v < window.columns; v++)
        sum = hn::MulAdd(hn::Set(D(), f[v * window.fColumn]), access.load(x + v * channels), sum);
    }
    access.store(sum, y + c);
  });
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(UpfirdnPixel);

namespace run {

void upfirdn(const Call& call) {
  if (call.out[0].size() == 0) return;
  const UpfirdnArgs a = UpfirdnArgs::decode(call);
  const Shape &x = call.in[0].shape, &f = call.in[1].shape;
  const int64_t width = x[2], channels = x[3], image = x[1] * width * channels;
  const float *const in = call.in[0].data<float>(), *const filter = call.in[1].data<float>();
  float* const out = call.out[0].data<float>();
  const int64_t taps = (f[0] / a.up[0] + 1) * (f[1] / a.up[1] + 1);
  const auto pixel = HWY_DYNAMIC_DISPATCH(UpfirdnPixel);
  parallelRange(x[0] * a.out[0], 32768 / (a.out[1] * channels * taps) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t line = begin; line < end; line++) {
      const UpfirdnArgs::Taps row = a.meet(0, line % a.out[0], x[1], f[0]);
      for (int64_t j = 0; j < a.out[1]; j++) {
        const UpfirdnArgs::Taps column = a.meet(1, j, width, f[1]);
        FirWindow window{in, filter, 0, 0, width * channels, a.up[0] * f[1], a.up[1]};
        if (row.count > 0 && column.count > 0) {
          window.x += line / a.out[0] * image + (row.from * width + column.from) * channels;
          window.f += row.first * f[1] + column.first;
          window.rows = row.count;
          window.columns = column.count;
        }
        pixel(window, channels, out + (line * a.out[1] + j) * channels);
      }
    }
  });
}

}  // namespace run
}  // namespace gv::cpu
#endif
