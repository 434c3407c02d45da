// Kernel of ops/max_pool.h: one pixel of the result at a time, vectors across the channels, which carry the best value
// and its position from tap to tap.
#include "ops/max_pool.h"

#include "cpu/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/max_pool.cpp"
#include "cpu/simd.h"

#include "cpu/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

/** The pixel at (d, h, w) of the result; x is one image. */
void MaxPoolPixel(const MaxPoolArgs& a, int64_t d, int64_t h, int64_t w, const float* x, int64_t channels, float* y,
                  int32_t* positions) {
  using DI = hn::RebindToSigned<D>;
  const PoolAxis::Window windows[3] = {a.axis[0].window(d), a.axis[1].window(h), a.axis[2].window(w)};
  const int64_t height = a.axis[1].in, width = a.axis[2].in;
  const int64_t first = (windows[0].begin * height + windows[1].begin) * width + windows[2].begin;
  overLanes(channels, [&](int64_t c, auto access) HWY_ATTR {
    V best = access.load(x + first * channels + c);
    auto at = hn::Set(DI(), int32_t(first));
    for (int64_t i = 0; i < windows[0].count; i++) {
      for (int64_t j = 0; j < windows[1].count; j++) {
        const int64_t line = (windows[0].begin + i * windows[0].step) * height + windows[1].begin + j * windows[1].step;
        for (int64_t k = 0; k < windows[2].count; k++) {
          const int64_t position = line * width + windows[2].begin + k * windows[2].step;
          const V value = access.load(x + position * channels + c);
          const auto wins = hn::Or(hn::Gt(value, best), hn::Ne(value, value));
          best = hn::IfThenElse(wins, value, best);
          at = hn::IfThenElse(hn::RebindMask(DI(), wins), hn::Set(DI(), int32_t(position)), at);
        }
      }
    }
    access.store(best, y + c);
    HWY_ALIGN int32_t lanes[kLanes];
    hn::Store(at, DI(), lanes);
    const int64_t n = std::min<int64_t>(kLanes, channels - c);
    for (int64_t i = 0; i < n; i++) positions[c + i] = lanes[i];
  });
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(MaxPoolPixel);

namespace run {

void maxPool(const Call& call) {
  if (call.out[0].size() == 0) return;
  const MaxPoolArgs a = MaxPoolArgs::decode(call);
  const int64_t depth = a.axis[0].out, height = a.axis[1].out, width = a.axis[2].out;
  const int64_t channels = call.in[0].shape.last(), image = call.in[0].size() / call.in[0].shape[0];
  const int64_t taps = std::max<int64_t>(1, image / (depth * height * width * channels));
  const float* const x = call.in[0].data<float>();
  float* const y = call.out[0].data<float>();
  int32_t* const positions = call.out[1].data<int32_t>();
  const auto pixel = HWY_DYNAMIC_DISPATCH(MaxPoolPixel);
  parallelRange(call.out[0].shape[0] * depth * height, 16384 / (width * channels * taps) + 1,
                [&](int64_t begin, int64_t end) {
                  for (int64_t line = begin; line < end; line++) {
                    const int64_t h = line % height, d = line / height % depth, n = line / (height * depth);
                    for (int64_t w = 0; w < width; w++) {
                      const int64_t at = (line * width + w) * channels;
                      pixel(a, d, h, w, x + n * image, channels, y + at, positions + at);
                    }
                  }
                });
}

}  // namespace run
}  // namespace gv::cpu
#endif
