// Shape rules of the ops of activation.h.
#include "activation.h"

namespace gv::ops {
namespace {

void expectNumbers(const Call& call, size_t count) {
  for (size_t k = 0; k < count; k++)
    if (!std::isfinite(call.number(k)))
      fail("ERR_ARGUMENT", "%s: the parameters must be finite numbers, got %g", call.name(), call.number(k));
}

void expectSlopes(const Call& call, size_t x, size_t a) {
  call.expectDType(a, DType::F32, "the slopes");
  const Shape shape = call.in[a].shape;
  const bool fits = shape.rank() == 1 && (shape[0] == 1 || (call.in[x].shape.rank() > 0 && shape[0] == call.in[x].shape.last()));
  if (!fits)
    fail("ERR_SHAPE", "%s: the slopes must have shape [1] or one for each channel of x %s, got %s", call.name(),
         call.in[x].shape.str().c_str(), shape.str().c_str());
}

/** The shape of one half along attribute 0, the axis. */
Shape half(const Call& call, size_t x) {
  Shape shape = call.in[x].shape;
  const int64_t axis = call.integer(0);
  if (axis < 0 || axis >= shape.rank())
    fail("ERR_ARGUMENT", "%s: axis %lld is not one of x %s", call.name(), (long long)axis, shape.str().c_str());
  if (shape[int(axis)] % 2 != 0)
    fail("ERR_SHAPE", "%s: axis %lld of x %s must have an even size", call.name(), (long long)axis,
         shape.str().c_str());
  shape[int(axis)] /= 2;
  return shape;
}

}  // namespace

void inferActivation(Call& call) {
  call.expectInputs(1);
  call.expectFloat(0, "x");
  expectNumbers(call, call.attrs.size());
  call.emit(call.in[0].shape, call.in[0].dtype);
}

void inferActivationSlope(Call& call) {
  call.expectInputs(2);
  call.expectFloat(0, "the gradient");
  call.expectFloat(1, "x");
  call.expectShape(1, call.in[0].shape, "x");
  expectNumbers(call, call.attrs.size());
  call.emit(call.in[0].shape, call.in[0].dtype);
}

void inferPrelu(Call& call) {
  call.expectInputs(2);
  call.expectFloat(0, "x");
  expectSlopes(call, 0, 1);
  call.emit(call.in[0].shape, call.in[0].dtype);
}

void inferPreluGrad(Call& call) {
  call.expectInputs(3);
  call.expectFloat(0, "the gradient");
  call.expectFloat(1, "x");
  call.expectShape(1, call.in[0].shape, "x");
  expectSlopes(call, 1, 2);
  call.emit(call.in[0].shape, call.in[0].dtype);
}

void inferGlu(Call& call) {
  call.expectInputs(1);
  call.expectFloat(0, "x");
  call.emit(half(call, 0), call.in[0].dtype);
}

void inferGluGrad(Call& call) {
  call.expectInputs(2);
  call.expectFloat(0, "the gradient");
  call.expectFloat(1, "x");
  call.expectShape(0, half(call, 1), "the gradient");
  call.emit(call.in[1].shape, call.in[0].dtype);
}

}  // namespace gv::ops
