// matmul on the CPU: turns tensors with broadcast leading dimensions into calls of gemm.h, which does the arithmetic.
#include "ops/matmul.h"

#include "cpu/gemm.h"

namespace gv::cpu::run {
namespace {

// Element offset of the operand's matrix for each batch index (0 along broadcast dimensions).
std::vector<int64_t> batchOffsets(const Shape& operand, const Shape& batch) {
  const int rank = batch.rank(), own = operand.rank() - 2;
  const int64_t matrix = operand[own] * operand[own + 1];
  std::vector<int64_t> offsets(size_t(batch.size()), 0);
  int64_t inner = 1, stride = matrix;
  for (int i = rank - 1; i >= 0; i--) {
    const int j = i - (rank - own);
    const int64_t d = j < 0 ? 1 : operand[j];
    if (d > 1)
      for (size_t k = 0; k < offsets.size(); k++) offsets[k] += (int64_t(k) / inner % batch[i]) * stride;
    inner *= batch[i];
    stride *= d;
  }
  return offsets;
}

// The common step between consecutive offsets, or -1 if there is none.
int64_t uniformStride(const std::vector<int64_t>& offsets) {
  const int64_t step = offsets.size() > 1 ? offsets[1] - offsets[0] : 0;
  for (size_t i = 1; i < offsets.size(); i++)
    if (offsets[i] - offsets[i - 1] != step) return -1;
  return step;
}

}  // namespace

void matmul(const Call& call) {
  const ops::MatmulArgs args = ops::MatmulArgs::of(call);
  if (call.out[0].size() == 0) return;
  const Shape &a = call.in[0].shape, &b = call.in[1].shape;
  GemmArgs gemmArgs{};
  gemmArgs.transA = args.transA;
  gemmArgs.transB = args.transB;
  gemmArgs.m = args.m;
  gemmArgs.n = args.n;
  gemmArgs.k = args.k;
  gemmArgs.a = call.in[0].data<float>();
  gemmArgs.lda = a.last();
  gemmArgs.b = call.in[1].data<float>();
  gemmArgs.ldb = b.last();
  gemmArgs.c = call.out[0].data<float>();
  gemmArgs.ldc = args.n;

  const int64_t batch = args.batch.size(), strideC = args.m * args.n;
  if (batch == 1) return gemm(gemmArgs);
  const std::vector<int64_t> offsetsA = batchOffsets(a, args.batch), offsetsB = batchOffsets(b, args.batch);
  const int64_t strideA = uniformStride(offsetsA), strideB = uniformStride(offsetsB);
  if (strideA >= 0 && strideB >= 0) return gemmBatched(gemmArgs, batch, strideA, strideB, strideC);
  for (int64_t i = 0; i < batch; i++) {
    GemmArgs one = gemmArgs;
    one.a += offsetsA[size_t(i)];
    one.b += offsetsB[size_t(i)];
    one.c += i * strideC;
    gemm(one);
  }
}

}  // namespace gv::cpu::run
