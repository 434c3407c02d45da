// Kernels of ops/reduce.h: argmax, argmin. A fold that carries the best value and where it lies.
#include "../ops/reduce.h"
#include "fold.h"

namespace gv::cuda {
namespace {

template <class T>
struct Place {
  T value;
  int32_t index;
};

template <class T, bool kMax>
struct ArgFold {
  using Wide = decltype(T() + 0);
  using Part = Place<Wide>;
  const T* x;
  int64_t reduce, inner;
  int32_t* y;

  GV_DEVICE Part part(int64_t outer, int64_t first, int64_t end, int64_t step, int64_t column) const {
    const T* const at = x + outer * reduce * inner + column;
    Part best{at[first * inner], int32_t(first)};
    for (int64_t r = first + step; r < end; r += step) best = join(best, {at[r * inner], int32_t(r)});
    return best;
  }
  /** The first of equals; NaN is beyond everything. */
  GV_DEVICE Part join(const Part& a, const Part& b) const {
    const bool aNaN = a.value != a.value, bNaN = b.value != b.value;
    if (aNaN != bNaN) return aNaN ? a : b;
    if (!aNaN && a.value != b.value) return (kMax ? a.value > b.value : a.value < b.value) ? a : b;
    return a.index < b.index ? a : b;
  }
  GV_DEVICE void store(int64_t at, const Part& p) const { y[at] = p.index; }
};

template <class T, bool kMax>
void find(const Call& call) {
  const ops::ArgReduceArgs args(call);
  const Tensor& in = call.in[0];
  const Shape& s = in.shape;
  const int64_t reduce = s[args.axis], inner = s.count(args.axis + 1, s.rank());
  fold(call, {s.count(0, args.axis), reduce, inner},
       ArgFold<T, kMax>{in.data<T>(), reduce, inner, call.out[0].data<int32_t>()});
}

template <bool kMax>
void argReduce(const Call& call) {
  switch (call.in[0].dtype) {
    case DType::F32: return find<float, kMax>(call);
    case DType::I32: return find<int32_t, kMax>(call);
    case DType::U8: return find<uint8_t, kMax>(call);
    case DType::BF16: break;  // widened before it gets here
  }
}

}  // namespace

namespace run {
void argmax(const Call& call) { argReduce<true>(call); }
void argmin(const Call& call) { argReduce<false>(call); }
}  // namespace run
}  // namespace gv::cuda
