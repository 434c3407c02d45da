// Shape rules of ops/modulated_conv.h.
#include "modulated_conv.h"

namespace gv::ops {
namespace {

/** Checks x, which is input `k`, and what follows it. */
void checkScaleAct(const Call& call, size_t k) {
  const ScaleActArgs args = ScaleActArgs::decode(call);
  call.expectInputs(k + 2 + args.hasNoise + args.hasBias);
  call.expectFloat(k, "x");
  for (size_t i = k + 1; i < call.in.size(); i++) call.expectDType(i, DType::F32, "scale, noise and bias");
  const Shape& x = call.in[k].shape;
  if (x.rank() < 2) fail("ERR_SHAPE", "%s: x must be [N, ..., C], got %s", call.name(), x.str().c_str());
  call.expectShape(k + 1, {x[0], x.last()}, "scale");
  if (args.hasNoise) {
    Shape each, shared{1};
    for (int i = 0; i + 1 < x.rank(); i++) each.push(x[i]);
    for (int i = 1; i + 1 < x.rank(); i++) shared.push(x[i]);
    const Shape& noise = call.in[k + 2].shape;
    if (noise != each && noise != shared)
      fail("ERR_SHAPE", "%s: noise must have shape %s or %s, got %s", call.name(), each.str().c_str(),
           shared.str().c_str(), noise.str().c_str());
  }
  if (args.hasBias) call.expectShape(k + 2 + args.hasNoise, {x.last()}, "bias");
}

}  // namespace

void inferScaleAct(Call& call) {
  if (call.in.empty()) call.expectInputs(2);
  checkScaleAct(call, 0);
  call.emit(call.in[0].shape, call.in[0].dtype);
}

void inferScaleActGrad(Call& call) {
  if (call.in.size() < 2) call.expectInputs(3);
  checkScaleAct(call, 1);
  call.expectDType(0, call.in[1].dtype, "gy");
  call.expectShape(0, call.in[1].shape, "gy");
  call.emit(call.in[1].shape, call.in[1].dtype);
  for (size_t k = 2; k < call.in.size(); k++) call.emit(call.in[k].shape, DType::F32);
}

}  // namespace gv::ops
