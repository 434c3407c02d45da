// The convolution ops on the CPU: hands shapes and pointers to conv.h, which picks an algorithm and does the work.
#include "cpu/conv.h"
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

}  // namespace

void conv2d(const Call& call) {
  const auto &x = call.in[0], &w = call.in[1], &y = call.out[0];
  if (y.size() == 0) return;
  const ops::ConvArgs args = ops::ConvArgs::of(call);
  convForward(shapeOf(args, x.shape, w.shape, y.shape), x.data<float>(), w.data<float>(), nullptr, y.data<float>(),
              precisionOf(args));
}

void convInputGrad(const Call& call) {
  const auto &dy = call.in[0], &w = call.in[1], &dx = call.out[0];
  if (dx.size() == 0) return;
  const ops::ConvArgs args = ops::ConvArgs::of(call);
  cpu::convInputGrad(shapeOf(args, dx.shape, w.shape, dy.shape), dy.data<float>(), w.data<float>(),
                     dx.data<float>(), precisionOf(args));
}

void convWeightGrad(const Call& call) {
  const auto &x = call.in[0], &dy = call.in[1], &dw = call.out[0];
  if (dw.size() == 0) return;
  const ops::ConvArgs args = ops::ConvArgs::of(call);
  cpu::convWeightGrad(shapeOf(args, x.shape, dw.shape, dy.shape), x.data<float>(), dy.data<float>(),
                      dw.data<float>(), precisionOf(args));
}

}  // namespace gv::cpu::run
