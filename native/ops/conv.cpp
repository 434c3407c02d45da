#include "ops/conv.h"

#include "ops/activation.h"

namespace gv::ops {
namespace {

constexpr int64_t kLargest = int64_t{1} << 24;  // of strides, paddings, dilations: products stay within int64

int64_t outSize(int64_t in, int64_t pads, int64_t kernel, int64_t dilation, int64_t stride) {
  const int64_t room = in + pads - (dilation * (kernel - 1) + 1);
  return room < 0 ? -1 : room / stride + 1;
}

int64_t bounded(const Call& call, size_t k, int64_t lo, const char* what) {
  const int64_t v = call.integer(k);
  if (v < lo || v > kLargest)
    fail("ERR_ARGUMENT", "%s: %s must be from %d to 2^24, got %lld", call.name(), what, int(lo), (long long)v);
  return v;
}

void expectImage(const Call& call, size_t k, const char* what) {
  call.expectFloat(k, what);
  call.expectDType(k, call.in[0].dtype, what);
  if (call.in[k].shape.rank() != 4)
    fail("ERR_SHAPE", "%s: %s must be [batch, height, width, channels], got %s", call.name(), what,
         call.in[k].shape.str().c_str());
}

void expectWeight(const Call& call, size_t k) {
  call.expectDType(k, call.in[0].dtype, "w");
  if (call.in[k].shape.rank() != 4)
    fail("ERR_SHAPE", "%s: w must be [outChannels, kernelHeight, kernelWidth, inChannels / groups], got %s",
         call.name(), call.in[k].shape.str().c_str());
  const Shape& w = call.in[k].shape;
  if (w[1] < 1 || w[2] < 1)
    fail("ERR_SHAPE", "%s: the kernel must be at least 1 by 1, got w %s", call.name(), w.str().c_str());
}

void expectGroups(const Call& call, const ConvArgs& args, int64_t k) {
  if (k % args.groups != 0)
    fail("ERR_SHAPE", "%s: %lld output channels cannot be split into %lld groups", call.name(), (long long)k,
         (long long)args.groups);
}

}  // namespace

ConvArgs ConvArgs::of(const Call& call) {
  ConvArgs args{};
  args.strideH = bounded(call, 0, 1, "the stride");
  args.strideW = bounded(call, 1, 1, "the stride");
  args.padTop = bounded(call, 2, 0, "the padding");
  args.padBottom = bounded(call, 3, 0, "the padding");
  args.padLeft = bounded(call, 4, 0, "the padding");
  args.padRight = bounded(call, 5, 0, "the padding");
  args.dilationH = bounded(call, 6, 1, "the dilation");
  args.dilationW = bounded(call, 7, 1, "the dilation");
  args.groups = bounded(call, 8, 1, "groups");
  args.accurate = call.integer(9) != 0;
  if (call.attrs.size() > 10) {
    args.extraH = bounded(call, 10, 0, "the size");
    args.extraW = bounded(call, 11, 0, "the size");
  }
  return args;
}

int64_t ConvArgs::outH(int64_t h, int64_t kh) const {
  return outSize(h, padTop + padBottom, kh, dilationH, strideH);
}
int64_t ConvArgs::outW(int64_t w, int64_t kw) const {
  return outSize(w, padLeft + padRight, kw, dilationW, strideW);
}

namespace {

void inferForward(Call& call) {
  expectImage(call, 0, "x");
  expectWeight(call, 1);
  const ConvArgs args = ConvArgs::of(call);
  const Shape &x = call.in[0].shape, &w = call.in[1].shape;
  if (x[3] != w[3] * args.groups)
    fail("ERR_SHAPE", "%s: x %s has %lld channels, w %s with %lld group(s) expects %lld", call.name(), x.str().c_str(),
         (long long)x[3], w.str().c_str(), (long long)args.groups, (long long)(w[3] * args.groups));
  expectGroups(call, args, w[0]);
  const int64_t oh = args.outH(x[1], w[1]), ow = args.outW(x[2], w[2]);
  if (oh < 0 || ow < 0)
    fail("ERR_SHAPE", "%s: the kernel of w %s (with its dilation) is larger than the padded image x %s", call.name(),
         w.str().c_str(), x.str().c_str());
  call.emit({x[0], oh, ow, w[0]}, call.in[0].dtype);
}

void inferInputGrad(Call& call) {
  expectImage(call, 0, "dy");
  expectWeight(call, 1);
  const ConvArgs args = ConvArgs::of(call);
  const Shape &dy = call.in[0].shape, &w = call.in[1].shape;
  if (dy[3] != w[0])
    fail("ERR_SHAPE", "%s: the input %s has %lld channels, w %s expects %lld", call.name(), dy.str().c_str(),
         (long long)dy[3], w.str().c_str(), (long long)w[0]);
  expectGroups(call, args, w[0]);
  if (args.outH(args.extraH, w[1]) != dy[1] || args.outW(args.extraW, w[2]) != dy[2])
    fail("ERR_SHAPE", "%s: a convolution of a %lldx%lld image by w %s with these options does not give %s",
         call.name(), (long long)args.extraH, (long long)args.extraW, w.str().c_str(), dy.str().c_str());
  call.emit({dy[0], args.extraH, args.extraW, w[3] * args.groups}, call.in[0].dtype);
}

void expectEpilogue(const Call& call, int64_t channels) {
  call.expectDType(2, DType::F32, "bias");
  call.expectShape(2, {channels}, "bias");
  FinishArgs::decode(call, ConvArgs::kCount);
}

}  // namespace

void inferConv2d(Call& call) {
  call.expectInputs(2);
  inferForward(call);
}

void inferConvInputGrad(Call& call) {
  call.expectInputs(2);
  inferInputGrad(call);
}

void inferConv2dAct(Call& call) {
  call.expectInputs(3);
  inferForward(call);
  expectEpilogue(call, call.in[1].shape[0]);
}

void inferConvInputGradAct(Call& call) {
  call.expectInputs(3);
  inferInputGrad(call);
  expectEpilogue(call, call.in[1].shape[3] * ConvArgs::of(call).groups);
}

void inferConvWeightGrad(Call& call) {
  call.expectInputs(2);
  expectImage(call, 0, "x");
  expectImage(call, 1, "dy");
  const ConvArgs args = ConvArgs::of(call);
  const Shape &x = call.in[0].shape, &dy = call.in[1].shape;
  if (x[0] != dy[0] || x[3] % args.groups != 0 || args.extraH < 1 || args.extraW < 1 ||
      args.outH(x[1], args.extraH) != dy[1] || args.outW(x[2], args.extraW) != dy[2])
    fail("ERR_SHAPE", "convWeightGrad: a %lldx%lld kernel with these options does not take x %s to dy %s",
         (long long)args.extraH, (long long)args.extraW, x.str().c_str(), dy.str().c_str());
  expectGroups(call, args, dy[3]);
  call.emit({dy[3], args.extraH, args.extraW, x[3] / args.groups}, DType::F32);
}

}  // namespace gv::ops
