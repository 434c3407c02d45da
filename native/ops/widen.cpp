#include "widen.h"

namespace gv {

Tensor temporary(const Call& call, const Shape& shape, DType dtype) {
  Tensor t{shape, dtype, nullptr};
  t.storage = std::make_shared<Storage>(*call.memory, t.bytes());
  t.storage->materialise();
  return t;
}

void runWidened(Kernel kernel, Converter convert, const Call& call) {
  Call wide = call;
  for (Tensor& t : wide.in) {
    if (t.dtype != DType::BF16) continue;
    const Tensor narrow = t;
    t = temporary(call, narrow.shape, DType::F32);
    convert(narrow, t);
  }
  for (Tensor& t : wide.out)
    if (t.dtype == DType::BF16) t = temporary(call, t.shape, DType::F32);
  kernel(wide);
  for (size_t k = 0; k < call.out.size(); k++)
    if (call.out[k].dtype == DType::BF16) convert(wide.out[k], call.out[k]);
}

}  // namespace gv
