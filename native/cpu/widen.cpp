#include "cpu/widen.h"

#include "cpu/cast.h"

namespace gv::cpu {

void runWidened(void (*kernel)(const Call&), const Call& call) {
  Call wide = call;
  const auto twin = [&call](const Tensor& t) {
    Tensor w{t.shape, DType::F32, std::make_shared<Storage>(*call.memory, size_t(t.size()) * sizeof(float))};
    w.storage->materialise();
    return w;
  };
  for (Tensor& t : wide.in) {
    if (t.dtype != DType::BF16) continue;
    const Tensor narrow = t;
    t = twin(narrow);
    convert(narrow, t);
  }
  for (Tensor& t : wide.out)
    if (t.dtype == DType::BF16) t = twin(t);
  kernel(wide);
  for (size_t k = 0; k < call.out.size(); k++)
    if (call.out[k].dtype == DType::BF16) convert(wide.out[k], call.out[k]);
}

}  // namespace gv::cpu
