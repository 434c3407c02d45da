// Kernel of ops/max_pool.h: a thread per element of the result, neighbours along the channels.
#include "../ops/max_pool.h"

#include "call.h"

namespace gv::cuda {
namespace run {

void maxPool(const Call& call) {
  if (call.out[0].size() == 0) return;
  const MaxPoolArgs a = MaxPoolArgs::decode(call);
  const int64_t channels = call.in[0].shape.last(), image = call.in[0].size() / call.in[0].shape[0];
  const float* const x = call.in[0].data<float>();
  float* const y = call.out[0].data<float>();
  int32_t* const positions = call.out[1].data<int32_t>();
  forEach(call.out[0].size(), [=] GV_DEVICE(int64_t i) {
    const PoolAxis &depth = a.axis[0], &height = a.axis[1], &width = a.axis[2];
    int64_t rest = i / channels;
    const PoolAxis::Window across = width.window(rest % width.out);
    rest /= width.out;
    const PoolAxis::Window down = height.window(rest % height.out);
    rest /= height.out;
    const PoolAxis::Window deep = depth.window(rest % depth.out);
    const float* const from = x + rest / depth.out * image + i % channels;
    int64_t at = (deep.begin * height.in + down.begin) * width.in + across.begin;
    float best = from[at * channels];
    for (int64_t d = 0; d < deep.count; d++) {
      for (int64_t h = 0; h < down.count; h++) {
        const int64_t line = (deep.begin + d * deep.step) * height.in + down.begin + h * down.step;
        for (int64_t w = 0; w < across.count; w++) {
          const int64_t position = line * width.in + across.begin + w * across.step;
          const float value = from[position * channels];
          if (value > best || value != value) {
            best = value;
            at = position;
          }
        }
      }
    }
    y[i] = best;
    positions[i] = int32_t(at);
  });
}

}  // namespace run
}  // namespace gv::cuda
