// Shape rules of linalg.h.
#include "ops/linalg.h"

namespace gv::ops {
namespace {

void expectSquare(const Call& call) {
  call.expectInputs(1);
  call.expectDType(0, DType::F32, "x");
  const Shape& x = call.in[0].shape;
  if (x.rank() < 2 || x[x.rank() - 1] != x[x.rank() - 2])
    fail("ERR_SHAPE", "%s: x must hold square matrices [..., n, n], got %s", call.name(), x.str().c_str());
}

void expectObservations(const Call& call) {
  call.expectInputs(1);
  call.expectDType(0, DType::F32, "x");
  call.expectRank(0, 2, "x");
}

}  // namespace

void inferEigh(Call& call) {
  expectSquare(call);
  const Shape& x = call.in[0].shape;
  Shape values;
  for (int i = 0; i + 1 < x.rank(); i++) values.push(x[i]);
  call.emit(values, DType::F32);
  call.emit(x, DType::F32);
}

void inferSqrtm(Call& call) {
  expectSquare(call);
  call.emit(call.in[0].shape, DType::F32);
}

void inferCovariance(Call& call) {
  expectObservations(call);
  if (!(call.number(0) >= 0)) fail("ERR_ARGUMENT", "covariance: correction must be at least 0, got %g", call.number(0));
  const int64_t d = call.in[0].shape[1];
  call.emit({d, d}, DType::F32);
}

void inferMoments(Call& call) {
  expectObservations(call);
  const int64_t d = call.in[0].shape[1];
  call.emit({d, 2}, DType::I32);
  call.emit({d, d, 2}, DType::I32);
}

void inferTraceSqrtProduct(Call& call) {
  call.expectInputs(2);
  for (size_t k = 0; k < 2; k++) call.expectDType(k, DType::I32, "an f64 matrix");
  call.expectRank(0, 3, "a");
  const int64_t d = call.in[0].shape[0];
  call.expectShape(0, {d, d, 2}, "a");
  call.expectShape(1, {d, d, 2}, "b");
  call.emit({2}, DType::I32);
}

}  // namespace gv::ops
