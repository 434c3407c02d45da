// Scaled dot-product attention (Vaswani et al. 2017, eq. 1) without its map in memory, and its gradient.
//
//   s = scale q kᵀ (+ mask)    p = softmax(s) over the keys    y = p v    lse = log Σ exp(s)
//
//   attention      q [..., Nq, d], k [..., Nk, d], v [..., Nk, dv], mask? -> y [..., Nq, dv], lse [..., Nq] (f32)
//   attentionGrad  gy, q, k, v, y, lse, mask? -> dq, dk, dv; p is computed again from lse
//
// Attributes [scale, causal]. Leading dimensions are equal. causal: query i sees keys 0 .. i. The mask broadcasts to
// [..., Nq, Nk]: u8, where 0 hides a key, or f32, added to s. A query that sees no key gives zeros and lse = +inf, so
// that its p is 0 in the gradient as well.
#pragma once
#include "engine/call.h"

namespace gv::ops {

struct AttentionArgs {
  float scale;
  bool causal;
  int64_t batch, queries, keys, depth, valueDepth;

  /** The arguments of a call whose q is input `first`, followed by k and v. Throws ERR_SHAPE where they disagree. */
  static AttentionArgs of(const Call& call, size_t first);
};

}  // namespace gv::ops
