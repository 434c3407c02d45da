// Products of matrices (ops/matmul.h): as few calls as the leading dimensions allow, each by cuBLASLt or, where that
// has no algorithm, by the tiles of product.h.
#include "../ops/matmul.h"

#include "blas.h"
#include "call.h"
#include "product.h"

namespace gv::cuda {
namespace {

/** c by the tiles; few rows and many columns are computed as the transposed product. */
template <class T>
void multiplyByTiles(const Product& p) {
  constexpr int64_t kFew = 16;
  const Matrix<T> a{static_cast<const T*>(p.a), p.transA ? 1 : p.k, p.transA ? p.m : 1, p.strideA, !p.transA};
  const Matrix<T> b{static_cast<const T*>(p.b), p.transB ? p.k : 1, p.transB ? 1 : p.n, p.strideB, p.transB};
  Result c{p.c, p.out};
  c.batchStep = p.strideC;
  c.beta = p.beta;
  c.bias = p.bias;
  if (p.relu) {
    c.finishes = true;
    c.ending = Epilogue().finish;
    c.ending.activation.kind = Activation::Relu;
  }
  const int64_t pitch = p.ldc ? p.ldc : p.n;
  if (p.m <= kFew && p.n > p.m) {
    c.rowStep = 1;
    c.columnStep = pitch;
    c.biasRowStep = 1;
    return multiplyTiles({p.n, p.m, p.k, p.batch}, b, a, c);
  }
  c.rowStep = pitch;
  c.biasColumnStep = 1;
  multiplyTiles({p.m, p.n, p.k, p.batch}, a, b, c);
}

/** How far apart the operand's matrices lie along each leading dimension of the result; 0 where it is stretched. */
Shape batchSteps(const Shape& operand, const Shape& batch) {
  const int rank = batch.rank(), own = operand.rank() - 2;
  Shape steps = batch;
  int64_t step = operand[own] * operand[own + 1];
  for (int i = rank - 1; i >= 0; i--) {
    const int j = i - (rank - own);
    const int64_t d = j < 0 ? 1 : operand[j];
    steps[i] = d == 1 ? 0 : step;
    step *= d;
  }
  return steps;
}

/** All products of the call; `p` says what follows each. */
void multiplyAll(const Call& call, const ops::MatmulArgs& args, Product p, const Tensor& y) {
  const Tensor &a = call.in[0], &b = call.in[1];
  p.transA = args.transA;
  p.transB = args.transB;
  p.m = args.m;
  p.n = args.n;
  p.k = args.k;
  p.in = a.dtype;
  p.out = y.dtype;
  p.tf32 = Context::current().matmulTF32;
  // The last dimensions along which both operands move evenly are one batch; the calls go through the others.
  const Shape &batch = args.batch, stepsA = batchSteps(a.shape, batch), stepsB = batchSteps(b.shape, batch);
  int outer = batch.rank();
  while (outer > 0) {
    const int i = outer - 1;
    if (batch[i] != 1) {
      const bool even = p.batch == 1 || (stepsA[i] == p.strideA * p.batch && stepsB[i] == p.strideB * p.batch);
      if (!even) break;
      if (p.batch == 1) {
        p.strideA = stepsA[i];
        p.strideB = stepsB[i];
      }
      p.batch *= batch[i];
    }
    outer--;
  }
  p.strideC = p.m * p.n;
  const int64_t products = p.batch;
  // Rows that meet the same b are one matrix.
  if (!p.transA && p.strideB == 0 && p.strideA == p.m * p.k) {
    p.m *= p.batch;
    p.batch = 1;
  }
  const char *const firstA = a.data<char>(), *const firstB = b.data<char>();
  const int64_t itemIn = int64_t(itemSize(a.dtype)), itemOut = int64_t(itemSize(y.dtype));
  for (int64_t call = 0; call < batch.count(0, outer); call++) {
    int64_t rest = call, atA = 0, atB = 0;
    for (int i = outer - 1; i >= 0; i--) {
      atA += rest % batch[i] * stepsA[i];
      atB += rest % batch[i] * stepsB[i];
      rest /= batch[i];
    }
    p.a = firstA + atA * itemIn;
    p.b = firstB + atB * itemIn;
    p.c = y.data<char>() + call * products * args.m * args.n * itemOut;
    multiply(p);
  }
}

void multiplyAndFinish(const Call& call, const Epilogue& end) {
  const Tensor& y = call.out[0];
  if (y.size() == 0) return;
  const ops::MatmulArgs args = ops::MatmulArgs::of(call);
  Product p;
  if (end.relu() || !end.finishes()) {
    p.bias = end.bias;
    p.relu = end.relu();
  }
  // The library rounds no sums of f32 to bf16, and what follows wants them unrounded.
  const bool rounds = y.dtype == DType::BF16 && (call.in[0].dtype == DType::F32 || (end.finishes() && !end.relu()));
  const Tensor sums = rounds ? temporary(call, y.shape, DType::F32) : y;
  multiplyAll(call, args, p, sums);
  if (end.finishes() && !end.relu())
    finishRows(end, sums.data<void>(), sums.dtype, y.data<void>(), y.dtype, y.size(), args.n);
  else if (rounds)
    convert(sums, y);
}

/** By cuBLASLt, with a pass for the bias and relu where it cannot do them itself; false where it cannot do the rest. */
bool multiplyByLibrary(const Product& p) {
  Context& context = Context::current();
  if (p.k == 0) return false;
  if (context.blas->run(context, p)) return true;
  const int64_t size = p.batch * p.m * p.n;
  const bool dense = (p.ldc == 0 || p.ldc == p.n) && (p.batch == 1 || p.strideC == p.m * p.n);
  if ((!p.bias && !p.relu) || !dense || p.beta != 0.0f) return false;
  Call call;
  call.memory = &context.memory;
  const Workspace unrounded(call, p.out == DType::F32 ? 0 : size_t(size) * sizeof(float));
  Product plain = p;
  plain.bias = nullptr;
  plain.relu = false;
  if (p.out != DType::F32) plain.c = unrounded.as<void>();
  plain.out = DType::F32;
  if (!context.blas->run(context, plain)) return false;
  Epilogue end(p.bias);
  if (p.relu) end.finish.activation.kind = Activation::Relu;
  finishRows(end, plain.c, plain.out, p.c, p.out, size, p.n);
  return true;
}

}  // namespace

void multiply(const Product& product) {
  if (product.m == 0 || product.n == 0 || product.batch == 0 || multiplyByLibrary(product)) return;
  if (product.in == DType::BF16)
    multiplyByTiles<ops::BF16>(product);
  else
    multiplyByTiles<float>(product);
}

namespace run {
void matmul(const Call& call) { multiplyAndFinish(call, Epilogue()); }
void matmulAct(const Call& call) {
  multiplyAndFinish(call, Epilogue(call.in[2].data<float>(), FinishArgs::decode(call, 3)));
}
}  // namespace run
}  // namespace gv::cuda
