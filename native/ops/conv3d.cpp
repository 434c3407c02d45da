// Shape rules of ops/conv3d.h.
#include "ops/conv3d.h"

namespace gv::ops {
namespace {

constexpr int64_t kLargest = int64_t{1} << 24;  // of strides, paddings, dilations: products stay within int64
constexpr size_t kExtra = 14;                   // where the extra numbers start

int64_t bounded(const Call& call, size_t k, int64_t lo, const char* what) {
  const int64_t v = call.integer(k);
  if (v < lo || v > kLargest)
    fail("ERR_ARGUMENT", "%s: %s must be from %d to 2^24, got %lld", call.name(), what, int(lo), (long long)v);
  return v;
}

void expectVolume(const Call& call, size_t k, const char* what) {
  call.expectFloat(k, what);
  call.expectDType(k, call.in[0].dtype, what);
  if (call.in[k].shape.rank() != 5)
    fail("ERR_SHAPE", "%s: %s must be [batch, depth, height, width, channels], got %s", call.name(), what,
         call.in[k].shape.str().c_str());
}

void expectWeight(const Call& call, size_t k) {
  call.expectDType(k, call.in[0].dtype, "w");
  const Shape& w = call.in[k].shape;
  if (w.rank() != 5 || w[1] < 1 || w[2] < 1 || w[3] < 1)
    fail("ERR_SHAPE",
         "%s: w must be [outChannels, kernelDepth, kernelHeight, kernelWidth, inChannels / groups] with a kernel of at "
         "least 1 by 1 by 1, got %s",
         call.name(), w.str().c_str());
}

void expectGroups(const Call& call, const Conv3dArgs& args, int64_t k) {
  if (k % args.groups != 0)
    fail("ERR_SHAPE", "%s: %lld output channels cannot be split into %lld groups", call.name(), (long long)k,
         (long long)args.groups);
}

/** Whether a volume of `in` gives one of `out` with this kernel; the three sizes begin at dimension 1. */
template <class In, class Kernel>
bool fits(const Conv3dArgs& args, const In& in, const Kernel& kernel, const Shape& out) {
  for (int i = 0; i < 3; i++) {
    if (args.axes[i].out(in(i), kernel(i)) != out[i + 1]) return false;
  }
  return true;
}

}  // namespace

int64_t Conv3dArgs::Axis::out(int64_t in, int64_t kernel) const {
  const int64_t room = in + before + after - (dilation * (kernel - 1) + 1);
  return room < 0 ? -1 : room / stride + 1;
}

Conv3dArgs Conv3dArgs::of(const Call& call) {
  Conv3dArgs args{};
  for (size_t i = 0; i < 3; i++) {
    args.axes[i] = {bounded(call, 4 * i, 1, "the stride"), bounded(call, 4 * i + 1, 0, "the padding"),
                    bounded(call, 4 * i + 2, 0, "the padding"), bounded(call, 4 * i + 3, 1, "the dilation")};
  }
  args.groups = bounded(call, 12, 1, "groups");
  args.accurate = call.integer(13) != 0;
  for (size_t i = 0; i < 3 && call.attrs.size() > kExtra; i++) {
    args.extra[i] = bounded(call, kExtra + i, 0, "the size");
  }
  return args;
}

void inferConv3d(Call& call) {
  call.expectInputs(2);
  expectVolume(call, 0, "x");
  expectWeight(call, 1);
  const Conv3dArgs args = Conv3dArgs::of(call);
  const Shape &x = call.in[0].shape, &w = call.in[1].shape;
  if (x[4] != w[4] * args.groups)
    fail("ERR_SHAPE", "conv3d: x %s has %lld channels, w %s with %lld group(s) expects %lld", x.str().c_str(),
         (long long)x[4], w.str().c_str(), (long long)args.groups, (long long)(w[4] * args.groups));
  expectGroups(call, args, w[0]);
  Shape y;
  y.push(x[0]);
  for (int i = 0; i < 3; i++) {
    const int64_t size = args.axes[i].out(x[i + 1], w[i + 1]);
    if (size < 0)
      fail("ERR_SHAPE", "conv3d: the kernel of w %s (with its dilation) is larger than the padded volume x %s",
           w.str().c_str(), x.str().c_str());
    y.push(size);
  }
  y.push(w[0]);
  call.emit(y, call.in[0].dtype);
}

void inferConv3dInputGrad(Call& call) {
  call.expectInputs(2);
  expectVolume(call, 0, "dy");
  expectWeight(call, 1);
  const Conv3dArgs args = Conv3dArgs::of(call);
  const Shape &dy = call.in[0].shape, &w = call.in[1].shape;
  if (dy[4] != w[0])
    fail("ERR_SHAPE", "%s: the input %s has %lld channels, w %s expects %lld", call.name(), dy.str().c_str(),
         (long long)dy[4], w.str().c_str(), (long long)w[0]);
  expectGroups(call, args, w[0]);
  const auto volume = [&](int i) { return args.extra[i]; };
  if (!fits(args, volume, [&](int i) { return w[i + 1]; }, dy))
    fail("ERR_SHAPE", "%s: a convolution of a %lldx%lldx%lld volume by w %s with these options does not give %s",
         call.name(), (long long)args.extra[0], (long long)args.extra[1], (long long)args.extra[2], w.str().c_str(),
         dy.str().c_str());
  call.emit({dy[0], args.extra[0], args.extra[1], args.extra[2], w[4] * args.groups}, call.in[0].dtype);
}

void inferConv3dWeightGrad(Call& call) {
  call.expectInputs(2);
  expectVolume(call, 0, "x");
  expectVolume(call, 1, "dy");
  const Conv3dArgs args = Conv3dArgs::of(call);
  const Shape &x = call.in[0].shape, &dy = call.in[1].shape;
  const bool kernel = args.extra[0] >= 1 && args.extra[1] >= 1 && args.extra[2] >= 1;
  if (x[0] != dy[0] || x[4] % args.groups != 0 || !kernel ||
      !fits(args, [&](int i) { return x[i + 1]; }, [&](int i) { return args.extra[i]; }, dy))
    fail("ERR_SHAPE", "%s: a %lldx%lldx%lld kernel with these options does not take x %s to dy %s", call.name(),
         (long long)args.extra[0], (long long)args.extra[1], (long long)args.extra[2], x.str().c_str(),
         dy.str().c_str());
  expectGroups(call, args, dy[4]);
  call.emit({dy[4], args.extra[0], args.extra[1], args.extra[2], x[4] / args.groups}, DType::F32);
}

}  // namespace gv::ops
