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

/** Input `k` is x, f32 or bf16; before it comes a gradient of its dtype; the others are f32. */
void expectDTypes(const Call& call, size_t k) {
  call.expectFloat(k, "x");
  for (size_t i = 0; i < call.in.size(); i++) {
    if (i < k) call.expectDType(i, call.in[k].dtype, "gy");
    if (i > k) call.expectDType(i, DType::F32, "every parameter");
  }
}

/** Input `k` must be [channels], or [batch, channels] for one scale per sample. */
void expectScale(const Call& call, size_t k, int64_t batch, int64_t channels, const char* what) {
  const Shape each{channels}, perSample{batch, channels};
  if (call.in[k].shape != each && call.in[k].shape != perSample)
    fail("ERR_SHAPE", "%s: %s must have shape %s or %s, got %s", call.name(), what, each.str().c_str(),
         perSample.str().c_str(), call.in[k].shape.str().c_str());
}

/** Checks input `k` and the parameters behind it; returns the group's shape seen as the rule of ops/norm.h. */
NormShape checkChannelNorm(const Call& call, size_t k) {
  expectDTypes(call, k);
  const Shape x = call.in[k].shape;
  const int64_t batch = NormArgs::decode(call).group;
  if (x.rank() < 1) fail("ERR_SHAPE", "%s: x must have a channel dimension, got a scalar", call.name());
  const int64_t all = x.count(0, x.rank() - 1);
  if (batch < 0 || (batch == 0 ? all != 0 : all % batch != 0))
    fail("ERR_ARGUMENT", "%s: x %s cannot be split into %lld groups", call.name(), x.str().c_str(), (long long)batch);
  const int64_t groupSize = ChannelSharing::decode(call).groupSize;
  if (groupSize < 1 || x.last() % groupSize != 0)
    fail("ERR_ARGUMENT", "%s: %lld channels cannot be split into groups of %lld", call.name(), (long long)x.last(),
         (long long)groupSize);
  expectScale(call, k + 1, batch, x.last(), "gamma");
  call.expectShape(k + 2, call.in[k + 1].shape, "beta");
  return NormShape::byChannel(x, batch);
}

/** mean and rstd of channelNorm. */
Shape statisticsOf(const Call& call, const NormShape& s) {
  return {ChannelSharing::decode(call).together ? 1 : s.batch, s.channels};
}

NormShape checkRowNorm(const Call& call, size_t k) {
  expectDTypes(call, k);
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

/** x's shape without the channels. */
Shape pixelsOf(const Shape& x) {
  Shape pixels;
  for (int i = 0; i + 1 < x.rank(); i++) pixels.push(x[i]);
  return pixels;
}

void emitGrads(Call& call, const Shape& statistics) {
  call.expectShape(0, call.in[1].shape, "gy");
  call.expectShape(4, statistics, "mean");
  call.expectShape(5, statistics, "rstd");
  call.emit(call.in[1].shape, call.in[1].dtype);
  call.emit(call.in[2].shape, DType::F32);
  call.emit(call.in[2].shape, DType::F32);
}

}  // namespace

namespace ops {

void inferChannelNorm(Call& call) {
  call.expectInputs(3);
  const NormShape s = checkChannelNorm(call, 0);
  call.emit(call.in[0].shape, call.in[0].dtype);
  call.emit(statisticsOf(call, s), DType::F32);
  call.emit(statisticsOf(call, s), DType::F32);
}

void inferChannelNormGrad(Call& call) {
  call.expectInputs(6);
  const NormShape s = checkChannelNorm(call, 1);
  emitGrads(call, statisticsOf(call, s));
}

void inferRowNorm(Call& call) {
  call.expectInputs(3);
  const NormShape s = checkRowNorm(call, 0);
  call.emit(call.in[0].shape, call.in[0].dtype);
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
  expectDTypes(call, 0);
  ActivationArgs::decode(call, 0);
  const Shape x = call.in[0].shape;
  if (x.rank() < 1) fail("ERR_SHAPE", "%s: x must have a channel dimension, got a scalar", call.name());
  expectScale(call, 1, x.rank() > 1 ? x[0] : 1, x.last(), "scale");
  call.expectShape(2, call.in[1].shape, "shift");
  call.emit(x, call.in[0].dtype);
}

void inferPixelNorm(Call& call) {
  call.expectInputs(1);
  expectDTypes(call, 0);
  const Shape x = call.in[0].shape;
  if (x.rank() < 1) fail("ERR_SHAPE", "%s: x must have a channel dimension, got a scalar", call.name());
  if (!(call.number(0) >= 0 && call.number(0) <= 1e30))
    fail("ERR_ARGUMENT", "%s: eps must be a number of at least 0, got %g", call.name(), call.number(0));
  call.emit(x, call.in[0].dtype);
  call.emit(pixelsOf(x), DType::F32);
}

void inferPixelNormGrad(Call& call) {
  call.expectInputs(3);
  expectDTypes(call, 1);
  const Shape x = call.in[1].shape;
  if (x.rank() < 1) fail("ERR_SHAPE", "%s: x must have a channel dimension, got a scalar", call.name());
  call.expectShape(0, x, "gy");
  call.expectShape(2, pixelsOf(x), "rstd");
  call.emit(x, call.in[1].dtype);
}

}  // namespace ops
}  // namespace gv
