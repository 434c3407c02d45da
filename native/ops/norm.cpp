// Shape rules of ops/norm.h.
#include "norm.h"

namespace gv {

NormArgs NormArgs::decode(const Call& call) {
  NormArgs a{call.integer(0), call.number(1), ActivationArgs::decode(call, 2)};
  if (!(a.eps >= 0 && a.eps <= 1e30))
    fail("ERR_ARGUMENT", "%s: eps must be a number of at least 0, got %g", call.name(), a.eps);
  return a;
}

NormShape NormShape::byChannel(const Shape& x, int64_t batch) {
  const int64_t all = x.count(0, x.rank() - 1);
  return {batch, batch > 0 ? all / batch : 0, x.last()};
}

NormShape NormShape::byRow(const Shape& x, int64_t dims) {
  const int split = x.rank() - int(dims);
  return {1, x.count(0, split), x.count(split, x.rank())};
}

namespace {

void expectF32(const Call& call) {
  for (size_t k = 0; k < call.in.size(); k++) call.expectDType(k, DType::F32, "every input");
}

/** Checks input `k` and the parameters behind it; returns the group's shape seen as the rule of ops/norm.h. */
NormShape checkChannelNorm(const Call& call, size_t k) {
  expectF32(call);
  const Shape x = call.in[k].shape;
  const int64_t batch = NormArgs::decode(call).group;
  if (x.rank() < 1) fail("ERR_SHAPE", "%s: x must have a channel dimension, got a scalar", call.name());
  const int64_t all = x.count(0, x.rank() - 1);
  if (batch < 0 || (batch == 0 ? all != 0 : all % batch != 0))
    fail("ERR_ARGUMENT", "%s: x %s cannot be split into %lld groups", call.name(), x.str().c_str(), (long long)batch);
  call.expectShape(k + 1, {x.last()}, "gamma");
  call.expectShape(k + 2, {x.last()}, "beta");
  return NormShape::byChannel(x, batch);
}

NormShape checkRowNorm(const Call& call, size_t k) {
  expectF32(call);
  const Shape x = call.in[k].shape;
  const int64_t dims = NormArgs::decode(call).group;
  if (dims < 0 || dims > x.rank())
    fail("ERR_SHAPE", "%s: x %s does not have %lld dimensions to normalise over", call.name(), x.str().c_str(),
         (long long)dims);
  Shape last;
  for (int i = x.rank() - int(dims); i < x.rank(); i++) last.push(x[i]);
  call.expectShape(k + 1, last, "gamma");
  call.expectShape(k + 2, last, "beta");
  return NormShape::byRow(x, dims);
}

void emitGrads(Call& call, const Shape& statistics) {
  call.expectShape(0, call.in[1].shape, "gy");
  call.expectShape(4, statistics, "mean");
  call.expectShape(5, statistics, "rstd");
  call.emit(call.in[1].shape, DType::F32);
  call.emit(call.in[2].shape, DType::F32);
  call.emit(call.in[2].shape, DType::F32);
}

}  // namespace

namespace ops {

void inferChannelNorm(Call& call) {
  call.expectInputs(3);
  const NormShape s = checkChannelNorm(call, 0);
  call.emit(call.in[0].shape, DType::F32);
  call.emit({s.batch, s.channels}, DType::F32);
  call.emit({s.batch, s.channels}, DType::F32);
}

void inferChannelNormGrad(Call& call) {
  call.expectInputs(6);
  const NormShape s = checkChannelNorm(call, 1);
  emitGrads(call, {s.batch, s.channels});
}

void inferRowNorm(Call& call) {
  call.expectInputs(3);
  const NormShape s = checkRowNorm(call, 0);
  call.emit(call.in[0].shape, DType::F32);
  call.emit({s.rows}, DType::F32);
  call.emit({s.rows}, DType::F32);
}

void inferRowNormGrad(Call& call) {
  call.expectInputs(6);
  const NormShape s = checkRowNorm(call, 1);
  emitGrads(call, {s.rows});
}

void inferAffineAct(Call& call) {
  call.expectInputs(3);
  expectF32(call);
  ActivationArgs::decode(call, 0);
  const Shape x = call.in[0].shape;
  if (x.rank() < 1) fail("ERR_SHAPE", "%s: x must have a channel dimension, got a scalar", call.name());
  call.expectShape(1, {x.last()}, "scale");
  call.expectShape(2, {x.last()}, "shift");
  call.emit(x, DType::F32);
}

}  // namespace ops
}  // namespace gv
