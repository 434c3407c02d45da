// Matrix products of row-major matrices, float32 or bf16; the argument checks are the caller's.
// c = finish(op(a) op(b) + beta c + bias), where op(a) is m x k, op(b) is k x n, and op transposes where asked.
//
// float32 products have the accuracy of plain summation in float32 whichever kernel computes them. Large ones run on
// AMX where the processor has it (amx.h), with every number split into three bf16 pieces: see gemm_amx.h for the
// bound. GANVAS_AMX=0 keeps to the vector kernels.
#pragma once

#include <cstdint>

#include "ops/activation.h"
#include "ops/bf16.h"

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
  const FinishArgs* finish = nullptr;  // nullable; what is done to the sums last, see epilogue.h
};

/** One product. Each element of c is summed in an order that depends on m, n and k alone. */
void gemm(const GemmArgs& args);

/** `batch` products, operand i starting i * stride floats after the first; a stride of 0 repeats an operand. */
void gemmBatched(const GemmArgs& args, int64_t batch, int64_t strideA, int64_t strideB, int64_t strideC);

/**
 * The same with bf16 operands. Products are exact and summed in float32; exactly one of c and cRounded is set, and
 * beta, where it is not 0, wants c. cRounded gets the sums rounded once, to nearest even.
 * On AMX denormal operands and results count as zero.
 */
struct GemmBF16Args {
  bool transA;
  bool transB;
  int64_t m, n, k;
  const ops::BF16* a;
  int64_t lda;
  const ops::BF16* b;
  int64_t ldb;
  float* c;
  ops::BF16* cRounded;
  int64_t ldc;
  float beta;
  const float* bias;
  const FinishArgs* finish = nullptr;
};

void gemmBF16(const GemmBF16Args& args);

/** As gemmBatched; the strides count elements. */
void gemmBF16Batched(const GemmBF16Args& args, int64_t batch, int64_t strideA, int64_t strideB, int64_t strideC);

}  // namespace gv::cpu
