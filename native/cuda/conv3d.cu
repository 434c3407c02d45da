// The convolution ops of ops/conv3d.h: their arguments as conv_kernels.h wants them.
#include "../ops/conv3d.h"

#include "conv_kernels.h"

namespace gv::cuda {
namespace {

using Kind = Convolution::Kind;

/** x, w and y are the shapes of volumes, weights and results, whichever of them is asked for. */
Convolution describe(const Call& call, Kind kind, const Shape& x, const Shape& w, const Shape& y) {
  const ops::Conv3dArgs args = ops::Conv3dArgs::of(call);
  Convolution v;
  v.kind = kind;
  v.dims = 3;
  v.n = x[0];
  v.c = x[4];
  v.k = y[4];
  v.groups = args.groups;
  for (int i = 0; i < 3; i++) {
    v.size[i] = x[i + 1];
    v.kernel[i] = w[i + 1];
    v.result[i] = y[i + 1];
    v.stride[i] = args.axes[i].stride;
    v.dilation[i] = args.axes[i].dilation;
    v.padBefore[i] = args.axes[i].before;
    v.padAfter[i] = args.axes[i].after;
  }
  v.tf32 = !args.accurate;
  return v;
}

}  // namespace

namespace run {

void conv3d(const Call& call) {
  const Tensor &x = call.in[0], &w = call.in[1], &y = call.out[0];
  if (y.size() == 0) return;
  convolve(call, describe(call, Kind::Forward, x.shape, w.shape, y.shape), x, w, y);
}

void conv3dInputGrad(const Call& call) {
  const Tensor &dy = call.in[0], &w = call.in[1], &dx = call.out[0];
  if (dx.size() == 0) return;
  convolve(call, describe(call, Kind::InputGrad, dx.shape, w.shape, dy.shape), dy, w, dx);
}

void conv3dWeightGrad(const Call& call) {
  const Tensor &x = call.in[0], &dy = call.in[1], &dw = call.out[0];
  if (dw.size() == 0) return;
  convolve(call, describe(call, Kind::WeightGrad, x.shape, dw.shape, dy.shape), x, dy, dw);
}

}  // namespace run
}  // namespace gv::cuda
