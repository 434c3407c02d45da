// The convolution ops on the CPU: hands shapes and pointers to conv.h, which picks an algorithm and does the work.
#include "cpu/conv.h"
#include "cpu/cast.h"
#include "ops/widen.h"
#include "ops/conv.h"

namespace gv::cpu::run {
namespace {

ConvShape shapeOf(const ops::ConvArgs& a, const Shape& x, const Shape& w, const Shape& y) {
  return {x[0],       x[1],      x[2],     x[3],      y[1],        y[2],        w[0],    w[1], w[2],
          a.strideH,  a.strideW, a.padTop, a.padLeft, a.dilationH, a.dilationW, a.groups};
}

ConvPrecision precisionOf(const ops::ConvArgs& a) {
  return a.accurate ? ConvPrecision::Accurate : ConvPrecision::Fast;
}

Epilogue epilogueOf(const Call& call) {
  return {call.in[2].data<float>(), FinishArgs::decode(call, ops::ConvArgs::kCount)};
}

/** `kernel` is what runs this, for the types that it widens. */
void forward(const Call& call, const Epilogue& end, void (*kernel)(const Call&)) {
  const auto &x = call.in[0], &w = call.in[1], &y = call.out[0];
  if (y.size() == 0) return;
  const ops::ConvArgs args = ops::ConvArgs::of(call);
  const ConvShape s = shapeOf(args, x.shape, w.shape, y.shape);
  if (x.dtype == DType::F32) {
    return convForward(s, x.data<float>(), w.data<float>(), end, y.data<float>(), precisionOf(args));
  }
  if (!convForwardBF16(s, x.data<ops::BF16>(), w.data<ops::BF16>(), y.data<ops::BF16>(), end)) {
    runWidened(kernel, convert, call);
  }
}

void inputGrad(const Call& call, const Epilogue& end, void (*kernel)(const Call&)) {
  const auto &dy = call.in[0], &w = call.in[1], &dx = call.out[0];
  if (dx.size() == 0) return;
  const ops::ConvArgs args = ops::ConvArgs::of(call);
  const ConvShape s = shapeOf(args, dx.shape, w.shape, dy.shape);
  if (dy.dtype == DType::F32) {
    return cpu::convInputGrad(s, dy.data<float>(), w.data<float>(), dx.data<float>(), precisionOf(args), end);
  }
  if (!convInputGradBF16(s, dy.data<ops::BF16>(), w.data<ops::BF16>(), dx.data<ops::BF16>(), end)) {
    runWidened(kernel, convert, call);
  }
}

}  // namespace

void conv2d(const Call& call) { forward(call, {}, conv2d); }

void conv2dAct(const Call& call) { forward(call, epilogueOf(call), conv2dAct); }

void convInputGrad(const Call& call) { inputGrad(call, {}, convInputGrad); }

void convInputGradAct(const Call& call) { inputGrad(call, epilogueOf(call), convInputGradAct); }

void convWeightGrad(const Call& call) {
  const auto &x = call.in[0], &dy = call.in[1], &dw = call.out[0];
  if (dw.size() == 0) return;
  const ops::ConvArgs args = ops::ConvArgs::of(call);
  const ConvShape s = shapeOf(args, x.shape, dw.shape, dy.shape);
  if (x.dtype == DType::BF16) {
    if (!convWeightGradBF16(s, x.data<ops::BF16>(), dy.data<ops::BF16>(), dw.data<float>()))
      runWidened(convWeightGrad, convert, call);
    return;
  }
  cpu::convWeightGrad(s, x.data<float>(), dy.data<float>(), dw.data<float>(), precisionOf(args));
}

}  // namespace gv::cpu::run
