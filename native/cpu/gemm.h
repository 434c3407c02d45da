// Matrix products of row-major float32 matrices; the argument checks are the caller's.
// c = op(a) op(b) + beta c + bias, where op(a) is m x k, op(b) is k x n, and op transposes where asked.
#pragma once

#include <cstdint>

namespace gv::cpu {

/**
 * Any m, n, k including 0: k = 0 writes beta * c + bias. beta = 0 overwrites c, whatever it held (NaN included).
 * NaN and infinity in a and b propagate as in a plain loop. c must not overlap a, b or bias.
 */
struct GemmArgs {
  bool transA;
  bool transB;
  int64_t m, n, k;
  const float* a;  // [m][k], or [k][m] with transA; rows lda apart
  int64_t lda;
  const float* b;  // [k][n], or [n][k] with transB; rows ldb apart
  int64_t ldb;
  float* c;  // [m][n], rows ldc apart
  int64_t ldc;
  float beta;
  const float* bias;  // nullable; n long, added to each row
};

/** One product. Each element of c is summed in an order that depends on m, n and k alone. */
void gemm(const GemmArgs& args);

/** `batch` products, operand i starting i * stride floats after the first; a stride of 0 repeats an operand. */
void gemmBatched(const GemmArgs& args, int64_t batch, int64_t strideA, int64_t strideB, int64_t strideC);

}  // namespace gv::cpu
