// Kernels of ops/reduce.h: sum, max, min. Any set of axes becomes a chain of passes over [outer, reduce, inner],
// innermost axes first. A pass is cut into spans by its shape alone, and the spans' results are combined in
// order, so the result does not depend on the number of threads. The loops are in reduce-inl.h.
#include "ops/reduce.h"

#include "cpu/pool.h"
#include "cpu/reduce.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/reduce.cpp"
#include "cpu/simd.h"
#include "cpu/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {
namespace {

template <class F, class Y = typename F::Block>
FoldKernels KernelsOf() {
  using T = typename F::Value;
  using P = typename F::Part;
  using B = typename F::Block;
  FoldKernels k;
  k.partSize = sizeof(P);
  k.outSize = sizeof(Y);
  k.rows = [](const void* x, int64_t rows, int64_t stride, int64_t width, void* part) {
    FoldRows<F>(static_cast<const T*>(x), rows, stride, width, static_cast<P*>(part));
  };
  k.row = [](const void* x, int64_t n, void* part) {
    *static_cast<P*>(part) = FoldRow<F>(static_cast<const T*>(x), n);
  };
  k.eachRow = [](const void* x, int64_t rows, int64_t n, void* y) {
    FoldEachRow<F>(static_cast<const T*>(x), rows, n, static_cast<Y*>(y));
  };
  k.combine = [](void* into, const void* part, int64_t n) {
    for (int64_t i = 0; i < n; i++)
      static_cast<P*>(into)[i] = combine<F>(static_cast<P*>(into)[i], static_cast<const P*>(part)[i]);
  };
  k.store = [](const void* part, int64_t n, void* y) {
    for (int64_t i = 0; i < n; i++) static_cast<Y*>(y)[i] = ops::Cast<Y>()(B(static_cast<const P*>(part)[i]));
  };
  return k;
}

template <class T, class Y = T>
FoldKernels PickExtreme(ops::ReduceOp op) {
  return op == ops::ReduceOp::Max ? KernelsOf<MaxFold<T>, Y>() : KernelsOf<MinFold<T>, Y>();
}

/** From elements of type t to results of type y: the one that follows from t, or f32 between the passes of bf16. */
FoldKernels PickFold(ops::ReduceOp op, DType t, DType y) {
  const bool narrow = y == DType::BF16;
  if (op == ops::ReduceOp::Sum) {
    switch (t) {
      case DType::F32: return narrow ? KernelsOf<SumF32, ops::BF16>() : KernelsOf<SumF32>();
      case DType::BF16: return narrow ? KernelsOf<SumBF16, ops::BF16>() : KernelsOf<SumBF16>();
      case DType::I32: return KernelsOf<SumInteger<int32_t>>();
      case DType::U8: return KernelsOf<SumInteger<uint8_t>>();
    }
  }
  switch (t) {
    case DType::F32: return narrow ? PickExtreme<float, ops::BF16>(op) : PickExtreme<float>(op);
    case DType::BF16: return narrow ? PickExtreme<ops::BF16>(op) : PickExtreme<ops::BF16, float>(op);
    case DType::I32: return PickExtreme<int32_t>(op);
    case DType::U8: break;
  }
  return PickExtreme<uint8_t>(op);
}

}  // namespace
}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(PickFold);

namespace {

using HWY_NAMESPACE::kMaxWidth;
constexpr int64_t kSpan = 65536;         // elements of one span
constexpr int64_t kEnoughTasks = 64;     // then a reduced axis need not be cut
constexpr int64_t kGrain = 32768;        // elements of one task, when spans are small

using Pass = ops::ReducePass;

struct Source {
  const char* data;
  DType dtype;
  const char* at(int64_t i) const { return data + i * int64_t(itemSize(dtype)); }
};

/** inner == 1: each row is contiguous. */
void reduceRows(const Call& call, const FoldKernels& k, const Pass& p, Source x, char* y) {
  const int64_t part = int64_t(k.partSize);
  const int64_t spans = p.outer < kEnoughTasks ? (p.reduce + kSpan - 1) / kSpan : 1;
  if (spans == 1) {
    parallelRange(p.outer, std::max<int64_t>(1, kGrain / p.reduce), [&](int64_t begin, int64_t end) {
      k.eachRow(x.at(begin * p.reduce), end - begin, p.reduce, y + begin * int64_t(k.outSize));
    });
    return;
  }
  Workspace space(call, size_t(p.outer * spans * part));
  char* const parts = space.as<char>();
  parallelFor(p.outer * spans, [&](int64_t task) {
    const int64_t o = task / spans, from = task % spans * kSpan;
    k.row(x.at(o * p.reduce + from), std::min(kSpan, p.reduce - from), parts + task * part);
  });
  for (int64_t o = 0; o < p.outer; o++) {
    char* const result = parts + o * spans * part;
    for (int64_t s = 1; s < spans; s++) k.combine(result, result + s * part, 1);
    k.store(result, 1, y + o * int64_t(k.outSize));
  }
}

/** part[0..width) = the fold of `rows` rows. Rows narrower than a few vectors are taken several at a time. */
void foldNarrow(const FoldKernels& k, Source x, int64_t at, int64_t rows, int64_t stride, int64_t width, char* part) {
  const int64_t together = width == stride ? std::min(kMaxWidth / 8 / width, rows) : 1;
  if (together <= 1) return k.rows(x.at(at), rows, stride, width, part);
  alignas(64) char wide[kMaxWidth / 8 * sizeof(double)];
  k.rows(x.at(at), rows / together, together * width, together * width, wide);
  const int64_t bytes = width * int64_t(k.partSize), rest = rows % together;
  for (int64_t i = 1; i < together; i++) k.combine(wide, wide + i * bytes, width);
  std::copy(wide, wide + bytes, part);
  if (rest == 0) return;
  k.rows(x.at(at + (rows - rest) * width), rest, width, width, wide);
  k.combine(part, wide, width);
}

/** inner > 1: columns, in tiles of at most kMaxWidth. */
void reduceColumns(const Call& call, const FoldKernels& k, const Pass& p, Source x, char* y) {
  const int64_t part = int64_t(k.partSize), out = int64_t(k.outSize);
  const int64_t width = std::min(p.inner, kMaxWidth), tiles = (p.inner + width - 1) / width;
  const int64_t spanRows = std::max<int64_t>(64, kSpan / width);
  const int64_t spans = p.outer * tiles < kEnoughTasks ? (p.reduce + spanRows - 1) / spanRows : 1;
  // Task (o, s, t) folds the rows of span s in tile t.
  const auto fold = [&](int64_t task, char* result) {
    const int64_t t = task % tiles, s = task / tiles % spans, o = task / tiles / spans;
    const int64_t from = s * spanRows, rows = spans == 1 ? p.reduce : std::min(spanRows, p.reduce - from);
    const int64_t columns = std::min(width, p.inner - t * width);
    foldNarrow(k, x, (o * p.reduce + from) * p.inner + t * width, rows, p.inner, columns, result);
    return columns;
  };
  if (spans == 1) {
    parallelRange(p.outer * tiles, std::max<int64_t>(1, kGrain / (p.reduce * width)), [&](int64_t begin, int64_t end) {
      alignas(64) char result[kMaxWidth * sizeof(double)];
      for (int64_t task = begin; task < end; task++) {
        const int64_t columns = fold(task, result);
        k.store(result, columns, y + (task / tiles * p.inner + task % tiles * width) * out);
      }
    });
    return;
  }
  Workspace space(call, size_t(p.outer * spans * p.inner * part));
  char* const parts = space.as<char>();
  parallelFor(p.outer * spans * tiles, [&](int64_t task) {
    fold(task, parts + (task / tiles * p.inner + task % tiles * width) * part);
  });
  for (int64_t o = 0; o < p.outer; o++) {
    char* const result = parts + o * spans * p.inner * part;
    for (int64_t s = 1; s < spans; s++) k.combine(result, result + s * p.inner * part, p.inner);
    k.store(result, p.inner, y + o * p.inner * out);
  }
}

void reduce(const Call& call, ops::ReduceOp op) {
  const ops::ReduceArgs args(call);
  const Tensor &in = call.in[0], &out = call.out[0];
  if (out.size() == 0) return;
  if (in.size() == 0) {  // only sums get here
    std::fill_n(out.data<char>(), out.bytes(), char(0));
    return;
  }

  Source x{in.data<char>(), in.dtype};
  std::unique_ptr<Workspace> space;
  const std::vector<Pass> passes = ops::reducePasses(in.shape, args);
  for (const Pass& pass : passes) {
    const bool last = &pass == &passes.back();
    // Between the passes over bf16 stands f32.
    const DType result = !last && out.dtype == DType::BF16 ? DType::F32 : out.dtype;
    const FoldKernels k = HWY_DYNAMIC_DISPATCH(PickFold)(op, x.dtype, result);
    std::unique_ptr<Workspace> next;
    if (!last) next = std::make_unique<Workspace>(call, size_t(pass.outer * pass.inner) * k.outSize);
    char* const y = last ? out.data<char>() : next->as<char>();
    if (pass.inner == 1)
      reduceRows(call, k, pass, x, y);
    else
      reduceColumns(call, k, pass, x, y);
    x = {y, result};
    space = std::move(next);
  }
}

}  // namespace

namespace run {
void sum(const Call& call) { reduce(call, ops::ReduceOp::Sum); }
void max(const Call& call) { reduce(call, ops::ReduceOp::Max); }
void min(const Call& call) { reduce(call, ops::ReduceOp::Min); }
}  // namespace run
}  // namespace gv::cpu
#endif
