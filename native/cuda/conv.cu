// The convolution ops of ops/conv.h: their arguments as conv_kernels.h wants them.
#include "../ops/conv.h"

#include "conv_kernels.h"

namespace gv::cuda {
namespace {

using Kind = Convolution::Kind;

/** x, w and y are the shapes of images, weights and results, whichever of them is asked for. */
Convolution describe(const Call& call, Kind kind, const Shape& x, const Shape& w, const Shape& y) {
  const ops::ConvArgs args = ops::ConvArgs::of(call);
  Convolution v;
  v.kind = kind;
  v.dims = 2;
  v.n = x[0];
  v.c = x[3];
  v.k = y[3];
  v.groups = args.groups;
  for (int i = 0; i < 2; i++) {
    v.size[i] = x[i + 1];
    v.kernel[i] = w[i + 1];
    v.result[i] = y[i + 1];
  }
  v.stride[0] = args.strideH;
  v.stride[1] = args.strideW;
  v.dilation[0] = args.dilationH;
  v.dilation[1] = args.dilationW;
  v.padBefore[0] = args.padTop;
  v.padBefore[1] = args.padLeft;
  v.padAfter[0] = args.padBottom;
  v.padAfter[1] = args.padRight;
  v.dtype = call.in[0].dtype;
  v.tf32 = !args.accurate;
  return v;
}

Epilogue epilogueOf(const Call& call) {
  return Epilogue(call.in[2].data<float>(), FinishArgs::decode(call, ops::ConvArgs::kCount));
}

void forward(const Call& call, const Epilogue& end) {
  const Tensor &x = call.in[0], &w = call.in[1], &y = call.out[0];
  if (y.size() == 0) return;
  convolve(call, describe(call, Kind::Forward, x.shape, w.shape, y.shape), x, w, y, end);
}

void inputGrad(const Call& call, const Epilogue& end) {
  const Tensor &dy = call.in[0], &w = call.in[1], &dx = call.out[0];
  if (dx.size() == 0) return;
  convolve(call, describe(call, Kind::InputGrad, dx.shape, w.shape, dy.shape), dy, w, dx, end);
}

}  // namespace

namespace run {
void conv2d(const Call& call) { forward(call, Epilogue()); }
void conv2dAct(const Call& call) { forward(call, epilogueOf(call)); }
void convInputGrad(const Call& call) { inputGrad(call, Epilogue()); }
void convInputGradAct(const Call& call) { inputGrad(call, epilogueOf(call)); }
void convWeightGrad(const Call& call) {
  const Tensor &x = call.in[0], &dy = call.in[1], &dw = call.out[0];
  if (dw.size() == 0) return;
  convolve(call, describe(call, Kind::WeightGrad, x.shape, dw.shape, dy.shape), x, dy, dw);
}
}  // namespace run
}  // namespace gv::cuda
