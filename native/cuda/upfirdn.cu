// Kernel of ops/upfirdn.h: each pixel of the result sums the taps that meet a sample, a pack of channels per thread.
#include "../ops/upfirdn.h"

#include "call.h"
#include "pack.h"

namespace gv::cuda {
namespace {

template <int W>
void filterImages(const UpfirdnArgs& args, const Tensor& images, const Tensor& filter, const Tensor& result) {
  const UpfirdnArgs a = args;
  const float *const x = images.data<float>(), *const f = filter.data<float>();
  float* const y = result.data<float>();
  const int64_t height = images.shape[1], width = images.shape[2], channels = images.shape[3];
  const int64_t filterHeight = filter.shape[0], filterWidth = filter.shape[1], packs = channels / W;
  forEach(result.size() / W, [=] GV_DEVICE(int64_t i) {
    const int64_t pixel = i / packs, line = pixel / a.out[1];
    const UpfirdnArgs::Taps rows = a.meet(0, line % a.out[0], height, filterHeight);
    const UpfirdnArgs::Taps columns = a.meet(1, pixel % a.out[1], width, filterWidth);
    const float* const image = x + line / a.out[0] * height * width * channels + i % packs * W;
    Numbers<W> sum{};
    for (int64_t u = 0; u < rows.count; u++) {
      const float* const from = image + ((rows.from + u) * width + columns.from) * channels;
      const float* const tap = f + (rows.first + u * a.up[0]) * filterWidth + columns.first;
      for (int64_t v = 0; v < columns.count; v++) {
        const Numbers<W> sample = loadPack<W>(from + v * channels);
        for (int k = 0; k < W; k++) sum.at[k] += tap[v * a.up[1]] * sample.at[k];
      }
    }
    storePack<W>(y + i * W, sum);
  });
}

}  // namespace

namespace run {

void upfirdn(const Call& call) {
  const UpfirdnArgs args = UpfirdnArgs::decode(call);
  if (call.in[0].shape[3] % 4 == 0)
    filterImages<4>(args, call.in[0], call.in[1], call.out[0]);
  else
    filterImages<1>(args, call.in[0], call.in[1], call.out[0]);
}

}  // namespace run
}  // namespace gv::cuda
