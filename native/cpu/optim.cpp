// Kernels of ops/optim.h: one parallel region over all tensors together, in chunks of the concatenation, so that a
// hundred small biases cost no more than one large weight. The loops are plain; the compiler vectorises them for
// each target.
#include "ops/optim.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "cpu/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/optim.cpp"
#include "cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

// Each function takes one group's pointers, already at the first of n elements.

void Lerp(LerpArgs a, float* const* t, int64_t n) {
  float* HWY_RESTRICT dst = t[0];
  const float* HWY_RESTRICT src = t[1];
  for (int64_t i = 0; i < n; i++) a.update(dst[i], src[i]);
}

void Clamp(ClampArgs a, float* const* t, int64_t n) {
  float* HWY_RESTRICT p = t[0];
  for (int64_t i = 0; i < n; i++) a.update(p[i]);
}

void Sgd(SgdArgs a, float* const* t, int64_t n) {
  float* HWY_RESTRICT p = t[0];
  const float* HWY_RESTRICT g = t[1];
  if (a.momentum == 0) {
    for (int64_t i = 0; i < n; i++) a.update(p[i], g[i]);
    return;
  }
  float* HWY_RESTRICT buf = t[2];
  for (int64_t i = 0; i < n; i++) a.update(p[i], g[i], buf[i]);
}

void Adam(AdamArgs a, float* const* t, int64_t n) {
  float* HWY_RESTRICT p = t[0];
  const float* HWY_RESTRICT g = t[1];
  float* HWY_RESTRICT m = t[2];
  float* HWY_RESTRICT v = t[3];
  for (int64_t i = 0; i < n; i++) a.update(p[i], g[i], m[i], v[i]);
}

void Rmsprop(RmspropArgs a, float* const* t, int64_t n) {
  float* HWY_RESTRICT p = t[0];
  const float* HWY_RESTRICT g = t[1];
  float* HWY_RESTRICT s = t[2];
  float* HWY_RESTRICT buf = a.momentum != 0 ? t[3] : nullptr;
  float* HWY_RESTRICT avg = a.centered ? t[a.momentum != 0 ? 4 : 3] : nullptr;
  // Four loops, so that none of them tests a pointer per element.
  if (buf && avg) {
    for (int64_t i = 0; i < n; i++) a.update(p[i], g[i], s[i], buf + i, avg + i);
  } else if (buf) {
    for (int64_t i = 0; i < n; i++) a.update(p[i], g[i], s[i], buf + i, nullptr);
  } else if (avg) {
    for (int64_t i = 0; i < n; i++) a.update(p[i], g[i], s[i], nullptr, avg + i);
  } else {
    for (int64_t i = 0; i < n; i++) a.update(p[i], g[i], s[i], nullptr, nullptr);
  }
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
namespace {

HWY_EXPORT(Lerp);
HWY_EXPORT(Clamp);
HWY_EXPORT(Sgd);
HWY_EXPORT(Adam);
HWY_EXPORT(Rmsprop);

constexpr int kMaxGroup = 5;

/** f(group, begin, end) over all elements of all groups of `size` inputs, several threads, about 16k elements each. */
template <class F>
void overGroups(const Call& call, size_t size, const F& f) {
  const size_t groups = call.in.size() / size;
  std::vector<int64_t> start(groups + 1, 0);
  for (size_t k = 0; k < groups; k++) start[k + 1] = start[k] + call.in[k * size].size();
  parallelRange(start[groups], 16384, [&](int64_t begin, int64_t end) {
    size_t k = size_t(std::upper_bound(start.begin(), start.end(), begin) - start.begin()) - 1;
    for (; begin < end; k++) {
      const int64_t stop = std::min(end, start[k + 1]);
      if (stop > begin) f(k, begin - start[k], stop - start[k]);
      begin = std::max(begin, stop);
    }
  });
}

template <class Args, class Kernel>
void step(const Call& call, const Args& args, const Kernel& kernel) {
  const size_t size = size_t(args.inputs());
  overGroups(call, size, [&](size_t group, int64_t begin, int64_t end) {
    float* tensors[kMaxGroup] = {};
    for (size_t k = 0; k < size; k++) tensors[k] = call.in[group * size + k].data<float>() + begin;
    kernel(args, tensors, end - begin);
  });
}

}  // namespace

namespace run {

void assign(const Call& call) {
  overGroups(call, 2, [&](size_t group, int64_t begin, int64_t end) {
    const Tensor &dst = call.in[2 * group], &src = call.in[2 * group + 1];
    const int64_t item = int64_t(itemSize(dst.dtype));
    std::memcpy(dst.data<char>() + begin * item, src.data<char>() + begin * item, size_t((end - begin) * item));
  });
}

void lerp(const Call& call) { step(call, LerpArgs::decode(call), HWY_DYNAMIC_DISPATCH(Lerp)); }
void clampInPlace(const Call& call) { step(call, ClampArgs::decode(call), HWY_DYNAMIC_DISPATCH(Clamp)); }
void sgd(const Call& call) { step(call, SgdArgs::decode(call), HWY_DYNAMIC_DISPATCH(Sgd)); }
void adam(const Call& call) { step(call, AdamArgs::decode(call), HWY_DYNAMIC_DISPATCH(Adam)); }
void rmsprop(const Call& call) { step(call, RmspropArgs::decode(call), HWY_DYNAMIC_DISPATCH(Rmsprop)); }

}  // namespace run
}  // namespace gv::cpu
#endif
