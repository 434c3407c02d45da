// Kernels of ops/attention.h, in the manner of FlashAttention (Dao et al. 2022; Dao 2023): a block of queries meets one
// block of keys after another, the scores of a pair of blocks never leave L2, and the softmax is rescaled as greater
// scores appear. Products are gemm.h's; this file holds the blocking and what happens to the scores in between.
//
// The gradient runs over blocks of keys, which own their part of dk and dv. Parts of the keys run in parallel with a
// dq each, added up in order afterwards, so the result does not depend on the number of threads.
#include "ops/attention.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "cpu/gemm.h"
#include "cpu/pool.h"
#include "cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/attention.cpp"
#include "cpu/simd.h"
#include "cpu/math-inl.h"

#ifndef GV_CPU_ATTENTION_ONCE
#define GV_CPU_ATTENTION_ONCE
namespace gv::cpu {
namespace {

/** A mask seen from one row of scores: its element for key j is `data[j * step]`; at most one pointer is set. */
struct MaskRow {
  const uint8_t* hide = nullptr;
  const float* add = nullptr;
  int64_t step = 0;
};

/** One row of scores between a query and a block of keys, `visible` of which it may see (the others come last). */
struct ScoreRow {
  float* scores;
  int64_t keys, visible;
  float scale;
  MaskRow mask;
};

}  // namespace
}  // namespace gv::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {
namespace {

/** Calls f(i, count) for each vector of a row; count < kLanes at the end only. */
template <class F>
HWY_INLINE void EachPart(int64_t n, const F& f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) f(i, int64_t(kLanes));
  if (i < n) f(i, n - i);
}

HWY_INLINE V LoadPart(const float* p, int64_t count) {
  return count == kLanes ? hn::LoadU(D(), p) : LoadFirst(p, size_t(count));
}
HWY_INLINE void StorePart(V v, float* p, int64_t count) {
  if (count == kLanes)
    hn::StoreU(v, D(), p);
  else
    StoreFirst(v, p, size_t(count));
}
HWY_INLINE V OnlyFirst(V v, int64_t count, V filler) {
  return count == kLanes ? v : hn::IfThenElse(hn::FirstN(D(), size_t(count)), v, filler);
}
HWY_INLINE float LaneSum(V v) { return hn::GetLane(hn::SumOfLanes(D(), v)); }

/** Scales the row's products, adds the mask, and returns the greatest score (a NaN may be passed over). */
HWY_INLINE float FinishScores(const ScoreRow& row) {
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  float* const s = row.scores;
  if (row.mask.hide || row.mask.add) {
    const MaskRow& m = row.mask;
    for (int64_t j = 0; j < row.visible; j++)
      s[j] = m.hide ? (m.hide[j * m.step] ? s[j] * row.scale : kLowest) : s[j] * row.scale + m.add[j * m.step];
  }
  const V scale = vm::Constant(row.mask.hide || row.mask.add ? 1.0f : row.scale), lowest = vm::Constant(kLowest);
  V greatest = lowest;
  EachPart(row.visible, [&](int64_t j, int64_t count) HWY_ATTR {
    const V score = hn::Mul(LoadPart(s + j, count), scale);
    greatest = hn::Max(greatest, OnlyFirst(score, count, lowest));
    StorePart(score, s + j, count);
  });
  std::fill(s + row.visible, s + row.keys, kLowest);
  return hn::GetLane(hn::MaxOfLanes(D(), greatest));
}

}  // namespace

/**
 * Turns the products of a row into exp(score - m), m the greatest score so far, and updates m and the sum l. Returns
 * the factor for what was summed under the old m.
 */
float AttentionSoftmax(const ScoreRow& row, float* m, float* l) {
  const float greatest = std::max(FinishScores(row), *m);
  const bool nothing = greatest == -std::numeric_limits<float>::infinity();
  // With every score -inf so far, exp(-inf - 0) = 0 is wanted, not exp(-inf + inf).
  const V shift = vm::Constant(nothing ? 0.0f : greatest), zero = hn::Zero(D());
  V sum = zero;
  EachPart(row.keys, [&](int64_t j, int64_t count) HWY_ATTR {
    const V e = vm::Exp(hn::Sub(LoadPart(row.scores + j, count), shift));
    sum = hn::Add(sum, OnlyFirst(e, count, zero));
    StorePart(e, row.scores + j, count);
  });
  const float factor = nothing ? 1.0f : std::exp(*m - greatest);
  *m = greatest;
  *l = *l * factor + LaneSum(sum);
  return factor;
}

/** p = exp(score - lse) in place of the products, and ds = scale p (dp - delta) in place of dp. */
void AttentionScoreGrad(const ScoreRow& row, float lse, float delta, float* dp) {
  FinishScores(row);
  const V shift = vm::Constant(lse), minus = vm::Constant(delta), scale = vm::Constant(row.scale);
  EachPart(row.keys, [&](int64_t j, int64_t count) HWY_ATTR {
    const V p = vm::Exp(hn::Sub(LoadPart(row.scores + j, count), shift));
    StorePart(p, row.scores + j, count);
    StorePart(hn::Mul(hn::Mul(p, scale), hn::Sub(LoadPart(dp + j, count), minus)), dp + j, count);
  });
}

void AttentionScale(float* x, int64_t n, float factor) {
  const V f = vm::Constant(factor);
  EachPart(n, [&](int64_t i, int64_t count) HWY_ATTR { StorePart(hn::Mul(LoadPart(x + i, count), f), x + i, count); });
}

float AttentionDot(const float* a, const float* b, int64_t n) {
  V sum = hn::Zero(D());
  EachPart(n, [&](int64_t i, int64_t count)
                  HWY_ATTR { sum = hn::MulAdd(LoadPart(a + i, count), LoadPart(b + i, count), sum); });
  return LaneSum(sum);
}

void AttentionAdd(const float* x, int64_t n, float* y) {
  EachPart(n, [&](int64_t i, int64_t count)
                  HWY_ATTR { StorePart(hn::Add(LoadPart(y + i, count), LoadPart(x + i, count)), y + i, count); });
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(AttentionSoftmax);
HWY_EXPORT(AttentionScoreGrad);
HWY_EXPORT(AttentionScale);
HWY_EXPORT(AttentionDot);
HWY_EXPORT(AttentionAdd);

namespace {

using ops::AttentionArgs;

constexpr int64_t kQueryBlock = 256;
constexpr int64_t kKeyBlock = 512;   // 512 KiB of scores with a block of queries; the gradient holds two such
constexpr int64_t kMaxKeyParts = 8;  // each holds a dq of its own
constexpr int64_t kSerialWork = 1 << 18;

int64_t divideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct Range {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};

/** The mask of a call, laid over [batch, queries, keys]. */
class Mask {
 public:
  Mask(const Call& call, size_t index, size_t q, const AttentionArgs& args) {
    if (index >= call.in.size()) return;
    mask_ = &call.in[index];
    const Shape &full = call.in[q].shape, &shape = mask_->shape;
    const int rank = shape.rank(), skip = full.rank() - rank;
    int64_t stride = 1;
    for (int i = rank - 1; i >= 0; i--) {
      if (shape[i] != 1) strides_[skip + i] = stride;
      stride *= shape[i];
    }
    columnStep_ = strides_[full.rank() - 1];
    rowStep_ = strides_[full.rank() - 2];
    offsets_.assign(size_t(args.batch), 0);
    for (int64_t b = 0; b < args.batch; b++) {
      int64_t rest = b;
      for (int i = full.rank() - 3; i >= 0; i--) {
        offsets_[size_t(b)] += rest % full[i] * strides_[i];
        rest /= full[i];
      }
    }
  }

  MaskRow row(int64_t batch, int64_t query, int64_t key) const {
    if (!mask_) return {};
    const int64_t at = offsets_[size_t(batch)] + query * rowStep_ + key * columnStep_;
    if (mask_->dtype == DType::U8) return {mask_->data<uint8_t>() + at, nullptr, columnStep_};
    return {nullptr, mask_->data<float>() + at, columnStep_};
  }

 private:
  const Tensor* mask_ = nullptr;
  int64_t strides_[kMaxRank] = {};
  int64_t rowStep_ = 0, columnStep_ = 0;
  std::vector<int64_t> offsets_;
};

/** c [m, n] = op(a) op(b) + beta c, all dense. */
void multiply(bool transA, const float* a, bool transB, const float* b, float beta, float* c, int64_t m, int64_t n,
              int64_t k) {
  gemm({transA, transB, m, n, k, a, transA ? m : k, b, transB ? k : n, c, n, beta, nullptr});
}

ScoreRow scoreRow(const AttentionArgs& a, const Mask& mask, float* scores, int64_t batch, int64_t query, Range keys) {
  const int64_t visible = a.causal ? std::clamp<int64_t>(query + 1 - keys.begin, 0, keys.size()) : keys.size();
  return {scores, keys.size(), visible, a.scale, mask.row(batch, query, keys.begin)};
}

/** Multiply-adds per pair of a query and a key, to decide what is worth a thread. */
int64_t pairWork(const AttentionArgs& a) { return a.depth + a.valueDepth + 16; }

}  // namespace

namespace run {

void attention(const Call& call) {
  const AttentionArgs a = AttentionArgs::of(call, 0);
  const Mask mask(call, 3, 0, a);
  const float *const q = call.in[0].data<float>(), *const k = call.in[1].data<float>(),
              *const v = call.in[2].data<float>();
  float *const y = call.out[0].data<float>(), *const lse = call.out[1].data<float>();
  const auto softmax = HWY_DYNAMIC_DISPATCH(AttentionSoftmax);
  const auto scaleRow = HWY_DYNAMIC_DISPATCH(AttentionScale);
  const int64_t blocks = divideUp(a.queries, kQueryBlock);

  const auto block = [&](int64_t batch, Range queries) {
    float m[kQueryBlock], l[kQueryBlock];
    std::fill_n(m, queries.size(), -std::numeric_limits<float>::infinity());
    std::fill_n(l, queries.size(), 0.0f);
    const float* const qs = q + (batch * a.queries + queries.begin) * a.depth;
    float* const ys = y + (batch * a.queries + queries.begin) * a.valueDepth;
    std::fill_n(ys, queries.size() * a.valueDepth, 0.0f);
    float* const scores = scratch(kScratchAttention, size_t(kQueryBlock * kKeyBlock));
    const int64_t seen = a.causal ? std::min(a.keys, queries.end) : a.keys;
    for (int64_t k0 = 0; k0 < seen; k0 += kKeyBlock) {
      const Range keys{k0, std::min(k0 + kKeyBlock, seen)};
      const int64_t n = keys.size();
      multiply(false, qs, true, k + (batch * a.keys + k0) * a.depth, 0, scores, queries.size(), n, a.depth);
      for (int64_t i = 0; i < queries.size(); i++) {
        const ScoreRow row = scoreRow(a, mask, scores + i * n, batch, queries.begin + i, keys);
        const float factor = softmax(row, &m[i], &l[i]);
        if (k0 > 0 && factor != 1.0f) scaleRow(ys + i * a.valueDepth, a.valueDepth, factor);
      }
      const float* const vs = v + (batch * a.keys + k0) * a.valueDepth;
      multiply(false, scores, false, vs, k0 > 0 ? 1.0f : 0.0f, ys, queries.size(), a.valueDepth, n);
    }
    for (int64_t i = 0; i < queries.size(); i++) {
      const bool nothing = l[i] == 0.0f;
      if (!nothing) scaleRow(ys + i * a.valueDepth, a.valueDepth, 1.0f / l[i]);
      lse[batch * a.queries + queries.begin + i] =
          nothing ? std::numeric_limits<float>::infinity() : m[i] + std::log(l[i]);
    }
  };

  const int64_t work = std::min(a.queries, kQueryBlock) * a.keys * pairWork(a);
  parallelRange(a.batch * blocks, kSerialWork / std::max<int64_t>(work, 1), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t first = i % blocks * kQueryBlock;
      block(i / blocks, {first, std::min(a.queries, first + kQueryBlock)});
    }
  });
}

void attentionGrad(const Call& call) {
  const AttentionArgs a = AttentionArgs::of(call, 1);
  const Mask mask(call, 6, 1, a);
  const float *const gy = call.in[0].data<float>(), *const q = call.in[1].data<float>(),
              *const k = call.in[2].data<float>(), *const v = call.in[3].data<float>(),
              *const y = call.in[4].data<float>(), *const lse = call.in[5].data<float>();
  float *const dq = call.out[0].data<float>(), *const dk = call.out[1].data<float>(),
              *const dv = call.out[2].data<float>();
  const auto scoreGrad = HWY_DYNAMIC_DISPATCH(AttentionScoreGrad);
  const auto dot = HWY_DYNAMIC_DISPATCH(AttentionDot);
  const auto addTo = HWY_DYNAMIC_DISPATCH(AttentionAdd);

  // Keys are cut into parts only as far as the batch leaves threads without work.
  const int64_t wanted = divideUp(16, std::max<int64_t>(a.batch, 1));
  const int64_t parts = std::clamp<int64_t>(std::min(wanted, divideUp(a.keys, kQueryBlock)), 1, kMaxKeyParts);
  const int64_t partKeys = divideUp(a.keys, parts), queryFloats = a.batch * a.queries * a.depth;
  const Workspace rest(call, size_t((parts - 1) * queryFloats) * sizeof(float));
  const auto dqOf = [&](int64_t part) { return part == 0 ? dq : rest.as<float>() + (part - 1) * queryFloats; };

  // Σ p dp over the keys of a query, which is gy · y.
  const Workspace deltas(call, size_t(a.batch * a.queries) * sizeof(float));
  float* const delta = deltas.as<float>();
  parallelRange(a.batch * a.queries, std::max<int64_t>(1, 16384 / std::max<int64_t>(a.valueDepth, 1)),
                [&](int64_t begin, int64_t end) {
                  for (int64_t i = begin; i < end; i++)
                    delta[i] = dot(gy + i * a.valueDepth, y + i * a.valueDepth, a.valueDepth);
                });

  const auto pairOfBlocks = [&](int64_t batch, Range queries, Range keys, float* dqPart) {
    const int64_t m = queries.size(), n = keys.size(), row = batch * a.queries + queries.begin;
    const int64_t column = batch * a.keys + keys.begin;
    const float *const qs = q + row * a.depth, *const ks = k + column * a.depth, *const gys = gy + row * a.valueDepth;
    float* const p = scratch(kScratchAttention, size_t(2 * kQueryBlock * kKeyBlock));
    float* const ds = p + kQueryBlock * kKeyBlock;
    multiply(false, qs, true, ks, 0, p, m, n, a.depth);
    multiply(false, gys, true, v + column * a.valueDepth, 0, ds, m, n, a.valueDepth);
    for (int64_t i = 0; i < m; i++)
      scoreGrad(scoreRow(a, mask, p + i * n, batch, queries.begin + i, keys), lse[row + i], delta[row + i],
                ds + i * n);
    multiply(true, p, false, gys, 1, dv + column * a.valueDepth, n, a.valueDepth, m);
    multiply(true, ds, false, qs, 1, dk + column * a.depth, n, a.depth, m);
    multiply(false, ds, false, ks, 1, dqPart + row * a.depth, m, a.depth, n);
  };

  const auto task = [&](int64_t batch, int64_t part) {
    const Range own{std::min(a.keys, part * partKeys), std::min(a.keys, (part + 1) * partKeys)};
    std::fill_n(dqOf(part) + batch * a.queries * a.depth, a.queries * a.depth, 0.0f);
    std::fill_n(dk + (batch * a.keys + own.begin) * a.depth, own.size() * a.depth, 0.0f);
    std::fill_n(dv + (batch * a.keys + own.begin) * a.valueDepth, own.size() * a.valueDepth, 0.0f);
    for (int64_t k0 = own.begin; k0 < own.end; k0 += kKeyBlock) {
      const Range keys{k0, std::min(k0 + kKeyBlock, own.end)};
      // Earlier queries see none of these keys.
      for (int64_t q0 = a.causal ? k0 / kQueryBlock * kQueryBlock : 0; q0 < a.queries; q0 += kQueryBlock)
        pairOfBlocks(batch, {q0, std::min(q0 + kQueryBlock, a.queries)}, keys, dqOf(part));
    }
  };
  const int64_t work = 2 * a.queries * partKeys * pairWork(a);
  parallelRange(a.batch * parts, kSerialWork / std::max<int64_t>(work, 1), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) task(i / parts, i % parts);
  });
  parallelRange(queryFloats, 16384, [&](int64_t begin, int64_t end) {
    for (int64_t part = 1; part < parts; part++) addTo(dqOf(part) + begin, end - begin, dq + begin);
  });
}

}  // namespace run
}  // namespace gv::cpu
#endif
