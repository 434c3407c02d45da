// finishRows of epilogue.h: a pass over memory, so 16 bytes of the result at a time where rows allow it.
#include "epilogue.h"

#include "activation.h"
#include "pack.h"

namespace gv::cuda {
namespace {

using ops::BF16;

template <int kWidth, class From, class To>
void finishPacks(const Epilogue& end, const From* x, To* y, int64_t n, int64_t channels) {
  const float* const bias = end.bias;
  const FinishArgs f = end.finish;
  forEach(n / kWidth, [=] GV_DEVICE(int64_t i) {
    Numbers<kWidth> v = loadPack<kWidth>(x + i * kWidth);
    const int64_t channel = i * kWidth % channels;
    for (int k = 0; k < kWidth; k++) v.at[k] = finish(f, bias ? v.at[k] + bias[channel + k] : v.at[k]);
    storePack<kWidth>(y + i * kWidth, v);
  });
}

template <class From, class To>
void finishAs(const Epilogue& end, const void* from, void* to, int64_t n, int64_t channels) {
  constexpr int kWidth = kPackWidth<To>;
  const From* const x = static_cast<const From*>(from);
  To* const y = static_cast<To*>(to);
  const auto aligned = [](const void* p, size_t bytes) { return reinterpret_cast<uintptr_t>(p) % bytes == 0; };
  if (channels % kWidth == 0 && aligned(x, sizeof(From) * kWidth) && aligned(y, sizeof(To) * kWidth))
    return finishPacks<kWidth>(end, x, y, n, channels);
  finishPacks<1>(end, x, y, n, channels);
}

}  // namespace

void finishRows(const Epilogue& end, const void* from, DType fromType, void* to, DType toType, int64_t n,
                int64_t channels) {
  if (n == 0) return;
  if (fromType == DType::BF16 && toType == DType::BF16) return finishAs<BF16, BF16>(end, from, to, n, channels);
  if (toType == DType::BF16) return finishAs<float, BF16>(end, from, to, n, channels);
  finishAs<float, float>(end, from, to, n, channels);
}

}  // namespace gv::cuda
