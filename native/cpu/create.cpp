// Kernels of ops/create.h. Plain loops: they only write.
#include "ops/create.h"

#include "cpu/pool.h"
#include "ops/unary.h"

namespace gv::cpu {
namespace {

constexpr int64_t kGrain = 65536;

template <class T>
void fillWith(const Tensor& y, T value) {
  T* const data = y.data<T>();
  parallelRange(y.size(), kGrain, [=](int64_t begin, int64_t end) { std::fill(data + begin, data + end, value); });
}

template <class T, class Convert>
void arangeWith(const Tensor& y, const ops::ArangeArgs& args, Convert convert) {
  T* const data = y.data<T>();
  parallelRange(y.size(), kGrain, [&, data](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) data[i] = convert(args.start + double(i) * args.step);
  });
}

}  // namespace

namespace run {

void fill(const Call& call) {
  const ops::FillArgs args(call);
  const Tensor& y = call.out[0];
  switch (args.dtype) {
    case DType::F32: return fillWith(y, float(args.value));
    case DType::I32: return fillWith(y, int32_t(args.value));
    case DType::U8: return fillWith(y, uint8_t(args.value));
    case DType::BF16: return fillWith(y, ops::toBF16(float(args.value)));
  }
}

void arange(const Call& call) {
  const ops::ArangeArgs args(call);
  const Tensor& y = call.out[0];
  switch (args.dtype) {
    case DType::F32: return arangeWith<float>(y, args, [](double v) { return float(v); });
    case DType::I32: return arangeWith<int32_t>(y, args, [](double v) { return int32_t(v); });
    case DType::U8: return arangeWith<uint8_t>(y, args, [](double v) { return uint8_t(v); });
    case DType::BF16: return arangeWith<ops::BF16>(y, args, [](double v) { return ops::toBF16(float(v)); });
  }
}

}  // namespace run
}  // namespace gv::cpu
