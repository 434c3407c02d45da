// matmul: y = op(a) op(b) over the last two dimensions, leading dimensions broadcast as in NumPy.
// Inputs a [..., M, K], b [..., K, N] (stored transposed when the flag is set); attributes [transA, transB].
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
