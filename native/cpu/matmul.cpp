// matmul on the CPU: turns tensors with broadcast leading dimensions into calls of gemm.h, which does the arithmetic.
#include "ops/matmul.h"

#include "cpu/cast.h"
#include "cpu/epilogue.h"
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

void run(const GemmArgs& g) { gemm(g); }
void run(const GemmBF16Args& g) { gemmBF16(g); }
void runBatched(const GemmArgs& g, int64_t n, int64_t a, int64_t b, int64_t c) { gemmBatched(g, n, a, b, c); }
void runBatched(const GemmBF16Args& g, int64_t n, int64_t a, int64_t b, int64_t c) { gemmBF16Batched(g, n, a, b, c); }
void moveResult(GemmArgs& g, int64_t elements) { g.c += elements; }
void moveResult(GemmBF16Args& g, int64_t elements) {
  if (g.c)
    g.c += elements;
  else
    g.cRounded += elements;
}

template <class Args>
void setEpilogue(Args& g, const Epilogue& end) {
  g.bias = end.bias;
  g.finish = end.finishes() ? &end.finish : nullptr;
}

/** All products of the batch; `first` has the operands and the result, whose type is Args', but no sizes. */
template <class Args>
void multiply(const Call& call, const ops::MatmulArgs& args, Args first) {
  const Shape &a = call.in[0].shape, &b = call.in[1].shape;
  first.transA = args.transA;
  first.transB = args.transB;
  first.m = args.m;
  first.n = args.n;
  first.k = args.k;
  first.lda = a.last();
  first.ldb = b.last();
  first.ldc = args.n;
  const int64_t batch = args.batch.size(), strideC = args.m * args.n;
  if (batch == 1) return run(first);
  const std::vector<int64_t> offsetsA = batchOffsets(a, args.batch), offsetsB = batchOffsets(b, args.batch);
  const int64_t strideA = uniformStride(offsetsA), strideB = uniformStride(offsetsB);
  if (strideA >= 0 && strideB >= 0) return runBatched(first, batch, strideA, strideB, strideC);
  for (int64_t i = 0; i < batch; i++) {
    Args one = first;
    one.a += offsetsA[size_t(i)];
    one.b += offsetsB[size_t(i)];
    moveResult(one, i * strideC);
    run(one);
  }
}

void multiplyF32(const Call& call, const ops::MatmulArgs& args, const Epilogue& end, float* y) {
  GemmArgs g{};
  setEpilogue(g, end);
  g.a = call.in[0].data<float>();
  g.b = call.in[1].data<float>();
  g.c = y;
  multiply(call, args, g);
}

void multiplyAndFinish(const Call& call, const Epilogue& end) {
  const ops::MatmulArgs args = ops::MatmulArgs::of(call);
  const Tensor& y = call.out[0];
  if (y.size() == 0) return;
  const bool rounded = y.dtype == DType::BF16;
  if (call.in[0].dtype == DType::F32) {
    if (!rounded) return multiplyF32(call, args, end, y.data<float>());
    Tensor wide{y.shape, DType::F32, std::make_shared<Storage>(*call.memory, size_t(y.size()) * sizeof(float))};
    wide.storage->materialise();
    multiplyF32(call, args, end, wide.data<float>());
    return convert(wide, y);
  }
  GemmBF16Args g{};
  setEpilogue(g, end);
  g.a = call.in[0].data<ops::BF16>();
  g.b = call.in[1].data<ops::BF16>();
  if (rounded)
    g.cRounded = y.data<ops::BF16>();
  else
    g.c = y.data<float>();
  multiply(call, args, g);
}

}  // namespace

void matmul(const Call& call) { multiplyAndFinish(call, {}); }

void matmulAct(const Call& call) {
  multiplyAndFinish(call, {call.in[2].data<float>(), FinishArgs::decode(call, 3)});
}

}  // namespace gv::cpu::run
