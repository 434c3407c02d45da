// Kernels of ops/reduce.h: sum, max, min. Any set of axes becomes a chain of passes over [outer, reduce, inner],
// innermost axes first, as on the CPU.
#include "../ops/reduce.h"

#include <memory>

#include "../ops/binary.h"
#include "fold.h"

namespace gv::cuda {
namespace {

using ops::BF16;
using ops::ReduceOp;

/** Where a pass reads from or writes to. */
struct Elements {
  void* data;
  DType dtype;
};

GV_HD inline void store(const Elements& y, int64_t i, float v) {
  if (y.dtype == DType::BF16)
    static_cast<BF16*>(y.data)[i] = ops::toBF16(v);
  else
    static_cast<float*>(y.data)[i] = v;
}
GV_HD inline void store(const Elements& y, int64_t i, int32_t v) {
  if (y.dtype == DType::U8)
    static_cast<uint8_t*>(y.data)[i] = uint8_t(v);
  else
    static_cast<int32_t*>(y.data)[i] = v;
}

/** x [outer, reduce, inner] from one column on, element by element as float or int32_t. */
template <class T>
struct Source {
  using Wide = decltype(T() + 0);
  const T* x;
  int64_t reduce, inner;
  GV_HD Wide at(int64_t outer, int64_t row, int64_t column) const { return x[(outer * reduce + row) * inner + column]; }
};
template <>
struct Source<BF16> {
  using Wide = float;
  const BF16* x;
  int64_t reduce, inner;
  GV_HD float at(int64_t outer, int64_t row, int64_t column) const {
    return ops::fromBF16(x[(outer * reduce + row) * inner + column]);
  }
};

template <class T>
struct SumFloats {
  using Part = double;
  Source<T> x;
  Elements y;

  GV_DEVICE Part part(int64_t outer, int64_t first, int64_t end, int64_t step, int64_t column) const {
    RunningSum sum;
    overRows(first, end, step, [&](int64_t r) { return x.at(outer, r, column); },
             [&](int64_t, float v) { sum.add(v); });
    return sum.sum();
  }
  GV_DEVICE Part join(Part a, Part b) const { return a + b; }
  GV_DEVICE void store(int64_t at, Part p) const { cuda::store(y, at, float(p)); }
};

template <class T>
struct SumIntegers {
  using Part = int32_t;
  Source<T> x;
  Elements y;

  GV_DEVICE Part part(int64_t outer, int64_t first, int64_t end, int64_t step, int64_t column) const {
    Part sum = 0;
    overRows(first, end, step, [&](int64_t r) { return x.at(outer, r, column); },
             [&](int64_t, Part v) { sum = ops::Add()(sum, v); });
    return sum;
  }
  GV_DEVICE Part join(Part a, Part b) const { return ops::Add()(a, b); }
  GV_DEVICE void store(int64_t at, Part p) const { cuda::store(y, at, p); }
};

template <class T, class Best>
struct Extreme {
  using Part = typename Source<T>::Wide;
  Source<T> x;
  Elements y;

  GV_DEVICE Part part(int64_t outer, int64_t first, int64_t end, int64_t step, int64_t column) const {
    Part best = x.at(outer, first, column);
    overRows(first + step, end, step, [&](int64_t r) { return x.at(outer, r, column); },
             [&](int64_t, Part v) { best = Best()(best, v); });
    return best;
  }
  GV_DEVICE Part join(Part a, Part b) const { return Best()(a, b); }
  GV_DEVICE void store(int64_t at, Part p) const { cuda::store(y, at, p); }
};

template <class T>
Source<T> sourceOf(const Elements& x, const FoldShape& s) {
  return {static_cast<const T*>(x.data), s.reduce, s.inner};
}

template <class Best>
void extremes(const Call& call, const FoldShape& s, const Elements& x, const Elements& y) {
  switch (x.dtype) {
    case DType::F32: return fold(call, s, Extreme<float, Best>{sourceOf<float>(x, s), y});
    case DType::BF16: return fold(call, s, Extreme<BF16, Best>{sourceOf<BF16>(x, s), y});
    case DType::I32: return fold(call, s, Extreme<int32_t, Best>{sourceOf<int32_t>(x, s), y});
    case DType::U8: return fold(call, s, Extreme<uint8_t, Best>{sourceOf<uint8_t>(x, s), y});
  }
}

void runPass(const Call& call, ReduceOp op, const FoldShape& s, const Elements& x, const Elements& y) {
  if (op == ReduceOp::Max) return extremes<ops::Maximum>(call, s, x, y);
  if (op == ReduceOp::Min) return extremes<ops::Minimum>(call, s, x, y);
  switch (x.dtype) {
    case DType::F32: return fold(call, s, SumFloats<float>{sourceOf<float>(x, s), y});
    case DType::BF16: return fold(call, s, SumFloats<BF16>{sourceOf<BF16>(x, s), y});
    case DType::I32: return fold(call, s, SumIntegers<int32_t>{sourceOf<int32_t>(x, s), y});
    case DType::U8: return fold(call, s, SumIntegers<uint8_t>{sourceOf<uint8_t>(x, s), y});
  }
}

void reduce(const Call& call, ReduceOp op) {
  const ops::ReduceArgs args(call);
  const Tensor &in = call.in[0], &out = call.out[0];
  if (out.size() == 0) return;
  if (in.size() == 0) {  // only sums get here
    check(cudaMemsetAsync(out.data<void>(), 0, out.bytes(), Context::current().stream), "clearing memory");
    return;
  }

  Elements x{in.data<void>(), in.dtype};
  std::unique_ptr<Workspace> space;
  const std::vector<ops::ReducePass> passes = ops::reducePasses(in.shape, args);
  for (const ops::ReducePass& p : passes) {
    const FoldShape pass{p.outer, p.reduce, p.inner};
    if (&p == &passes.back()) return runPass(call, op, pass, x, {out.data<void>(), out.dtype});
    // Between the passes over bf16 stands f32.
    const DType between = out.dtype == DType::BF16 ? DType::F32 : out.dtype;
    auto next = std::make_unique<Workspace>(call, size_t(pass.outer * pass.inner) * itemSize(between));
    const Elements y{next->as<void>(), between};
    runPass(call, op, pass, x, y);
    x = y;
    space = std::move(next);
  }
}

}  // namespace

namespace run {
void sum(const Call& call) { reduce(call, ReduceOp::Sum); }
void max(const Call& call) { reduce(call, ReduceOp::Max); }
void min(const Call& call) { reduce(call, ReduceOp::Min); }
}  // namespace run
}  // namespace gv::cuda
