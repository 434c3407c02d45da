// Tensors made from numbers alone (ops/create.h).
#include "../ops/create.h"

#include "../ops/bf16.h"
#include "call.h"

namespace gv::cuda {
namespace {

/** y[i] = f(i), computed in double. */
template <class F>
void make(const Tensor& y, F f) {
  void* const out = y.data<void>();
  switch (y.dtype) {
    case DType::F32:
      return forEach(y.size(), [=] GV_DEVICE(int64_t i) { static_cast<float*>(out)[i] = float(f(i)); });
    case DType::BF16:
      return forEach(y.size(),
                     [=] GV_DEVICE(int64_t i) { static_cast<ops::BF16*>(out)[i] = ops::toBF16(float(f(i))); });
    case DType::I32:
      return forEach(y.size(), [=] GV_DEVICE(int64_t i) { static_cast<int32_t*>(out)[i] = int32_t(f(i)); });
    case DType::U8:
      return forEach(y.size(), [=] GV_DEVICE(int64_t i) { static_cast<uint8_t*>(out)[i] = uint8_t(f(i)); });
  }
}

struct Constant {
  double value;
  GV_HD double operator()(int64_t) const { return value; }
};

struct Progression {
  double start, step;
  GV_HD double operator()(int64_t i) const { return start + double(i) * step; }
};

}  // namespace

namespace run {
void fill(const Call& call) { make(call.out[0], Constant{ops::FillArgs(call).value}); }
void arange(const Call& call) {
  const ops::ArangeArgs args(call);
  make(call.out[0], Progression{args.start, args.step});
}
}  // namespace run
}  // namespace gv::cuda
