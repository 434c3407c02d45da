// Kernels of ops/minibatch.h. m is laid out anew as [C, N, B], so that vectors run along the features and a pair of
// samples is C differences and one exponential per vector. Samples are independent: a thread takes some of them and goes
// over all others in order.
#include "ops/minibatch.h"

#include <algorithm>

#include "cpu/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/minibatch.cpp"
#include "cpu/simd.h"
#include "cpu/lanes-inl.h"
#include "cpu/math-inl.h"

#ifndef GV_CPU_MINIBATCH_ONCE
#define GV_CPU_MINIBATCH_ONCE
namespace gv::cpu {
namespace {

/** [C, N, B] arrays with planes of N x B; gy is [N, B] itself. Absent ones are null. */
struct Similarity {
  int64_t samples, features, depth;
  const float *m, *gy, *h;
  float *y, *dm;  // y: the [N, B] result
  int64_t plane() const { return samples * features; }
};

}  // namespace
}  // namespace gv::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {
namespace {

/** exp(-d_ij) for a vector of features at j, and none of it where i = j. */
template <class Access>
HWY_INLINE V Alike(const Similarity& s, int64_t a, int64_t b, Access at) {
  V d = hn::Zero(D());
  for (int64_t c = 0; c < s.depth; c++)
    d = hn::Add(d, hn::Abs(hn::Sub(at.load(s.m + c * s.plane() + a), at.load(s.m + c * s.plane() + b))));
  return vm::Exp(hn::Neg(d));
}

HWY_INLINE V SignOf(V x) {
  const V zero = hn::Zero(D()), one = hn::Set(D(), 1.0f);
  return hn::IfThenElse(hn::Eq(x, zero), zero, hn::CopySign(one, x));
}

}  // namespace

void SimilarityOf(const Similarity& s, int64_t i) {
  overLanes(s.features, [&](int64_t f, auto at) HWY_ATTR {
    V sum = hn::Zero(D());
    for (int64_t j = 0; j < s.samples; j++)
      if (j != i) sum = hn::Add(sum, Alike(s, i * s.features + f, j * s.features + f, at));
    at.store(sum, s.y + i * s.features + f);
  });
}

void SimilarityGradOf(const Similarity& s, int64_t i) {
  for (int64_t c = 0; c < s.depth; c++) std::fill_n(s.dm + c * s.plane() + i * s.features, s.features, 0.0f);
  overLanes(s.features, [&](int64_t f, auto at) HWY_ATTR {
    const int64_t a = i * s.features + f;
    const V own = at.load(s.gy + a);
    for (int64_t j = 0; j < s.samples; j++) {
      if (j == i) continue;
      const int64_t b = j * s.features + f;
      const V weight = hn::Mul(Alike(s, a, b, at), hn::Add(own, at.load(s.gy + b)));
      for (int64_t c = 0; c < s.depth; c++) {
        const int64_t p = c * s.plane();
        const V sign = SignOf(hn::Sub(at.load(s.m + p + a), at.load(s.m + p + b)));
        at.store(hn::NegMulAdd(weight, sign, at.load(s.dm + p + a)), s.dm + p + a);
      }
    }
  });
}

void SimilarityGradGradOf(const Similarity& s, int64_t i) {
  for (int64_t c = 0; c < s.depth; c++) std::fill_n(s.dm + c * s.plane() + i * s.features, s.features, 0.0f);
  overLanes(s.features, [&](int64_t f, auto at) HWY_ATTR {
    const int64_t a = i * s.features + f;
    const V own = at.load(s.gy + a);
    V sum = hn::Zero(D());
    for (int64_t j = 0; j < s.samples; j++) {
      if (j == i) continue;
      const int64_t b = j * s.features + f;
      V q = hn::Zero(D());
      for (int64_t c = 0; c < s.depth; c++) {
        const int64_t p = c * s.plane();
        const V sign = SignOf(hn::Sub(at.load(s.m + p + a), at.load(s.m + p + b)));
        q = hn::MulAdd(sign, hn::Sub(at.load(s.h + p + a), at.load(s.h + p + b)), q);
      }
      q = hn::Mul(q, Alike(s, a, b, at));
      sum = hn::Sub(sum, q);
      const V weight = hn::Mul(q, hn::Add(own, at.load(s.gy + b)));
      for (int64_t c = 0; c < s.depth; c++) {
        const int64_t p = c * s.plane();
        const V sign = SignOf(hn::Sub(at.load(s.m + p + a), at.load(s.m + p + b)));
        at.store(hn::MulAdd(weight, sign, at.load(s.dm + p + a)), s.dm + p + a);
      }
    }
    at.store(sum, s.y + a);
  });
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
namespace {

HWY_EXPORT(SimilarityOf);
HWY_EXPORT(SimilarityGradOf);
HWY_EXPORT(SimilarityGradGradOf);

/** [N, B, C] to [C, N, B], or back. */
void transposePlanes(const float* from, float* to, int64_t plane, int64_t depth, bool back) {
  parallelRange(plane, 16384 / std::max<int64_t>(depth, 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = 0; c < depth; c++)
      for (int64_t k = begin; k < end; k++)
        (back ? to[k * depth + c] : to[c * plane + k]) = back ? from[c * plane + k] : from[k * depth + c];
  });
}

/** Runs `kernel` for each sample; m, and with the gradients dm, h and gy, are inputs and outputs in the ops' order. */
void overSamples(const Call& call, void (*kernel)(const Similarity&, int64_t)) {
  const size_t order = call.in.size();
  const Tensor& m = call.in[order - 1];
  Similarity s{m.shape[0], m.shape[1], m.shape[2], nullptr, nullptr, nullptr, nullptr, nullptr};
  const int64_t size = m.size();
  Workspace space(call, size_t(3 * size) * sizeof(float));
  float *const planes = space.as<float>(), *const dm = planes + size, *const h = dm + size;
  transposePlanes(m.data<float>(), planes, s.plane(), s.depth, false);
  s.m = planes;
  if (order > 1) {
    s.gy = call.in[order - 2].data<float>();
    s.dm = dm;
  }
  if (order > 2) {
    transposePlanes(call.in[0].data<float>(), h, s.plane(), s.depth, false);
    s.h = h;
  }
  if (order != 2) s.y = call.out[0].data<float>();
  const int64_t work = std::max<int64_t>(s.plane() * (s.depth + 8), 1);
  parallelRange(s.samples, 16384 / work + 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) kernel(s, i);
  });
  if (order > 1) transposePlanes(dm, call.out[order - 2].data<float>(), s.plane(), s.depth, true);
}

}  // namespace

namespace run {

void minibatchSimilarity(const Call& call) { overSamples(call, HWY_DYNAMIC_DISPATCH(SimilarityOf)); }
void minibatchSimilarityGrad(const Call& call) { overSamples(call, HWY_DYNAMIC_DISPATCH(SimilarityGradOf)); }
void minibatchSimilarityGradGrad(const Call& call) { overSamples(call, HWY_DYNAMIC_DISPATCH(SimilarityGradGradOf)); }

}  // namespace run
}  // namespace gv::cpu
#endif
