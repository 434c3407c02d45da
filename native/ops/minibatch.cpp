// Shape rules of ops/minibatch.h.
#include "minibatch.h"

namespace gv::ops {

/** The last input is m, the one before it (if any) gy, the one before that h. */
static Shape checkSimilarity(const Call& call, size_t inputs) {
  call.expectInputs(inputs);
  for (size_t k = 0; k < inputs; k++) call.expectDType(k, DType::F32, "every input");
  call.expectRank(inputs - 1, 3, "m");
  const Shape& m = call.in[inputs - 1].shape;
  if (inputs > 1) call.expectShape(inputs - 2, {m[0], m[1]}, "gy");
  if (inputs > 2) call.expectShape(0, m, "h");
  return m;
}

void inferMinibatchSimilarity(Call& call) {
  const Shape m = checkSimilarity(call, 1);
  call.emit({m[0], m[1]}, DType::F32);
}

void inferMinibatchSimilarityGrad(Call& call) { call.emit(checkSimilarity(call, 2), DType::F32); }

void inferMinibatchSimilarityGradGrad(Call& call) {
  const Shape m = checkSimilarity(call, 3);
  call.emit({m[0], m[1]}, DType::F32);
  call.emit(m, DType::F32);
}

}  // namespace gv::ops
