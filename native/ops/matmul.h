// matmul: y = op(a) op(b) over the last two dimensions, leading dimensions broadcast as in NumPy.
// Inputs a [..., M, K], b [..., K, N] (stored transposed when the flag is set); attributes [transA, transB, dtype].
// Both are f32, or both bf16; sums are f32. The result has the dtype asked for: f32, or bf16 (rounded once).
//
// matmulAct also takes a bias f32 [N] and the attributes [act, slope, gain, clamp] of ops/activation.h behind those:
// y = min(max(gain act(op(a) op(b) + bias), -clamp), clamp).
#pragma once
#include "engine/call.h"

namespace gv::ops {

struct MatmulArgs {
  bool transA, transB;
  int64_t m, n, k;
  Shape batch;  // broadcast leading dimensions

  static MatmulArgs of(const Call& call);
};

}  // namespace gv::ops
