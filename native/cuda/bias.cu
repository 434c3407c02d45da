// Kernels of ops/bias.h. The gradient reads gy and y once: it writes dx and adds up db on the way.
#include "../ops/bias.h"

#include "activation.h"
#include "call.h"
#include "epilogue.h"
#include "pack.h"
#include "sums.h"

namespace gv::cuda {
namespace {

using ops::BF16;

/** db; writes dx on the way. Columns are W channels each. */
template <class T, int W>
struct Backward {
  using Part = Sums<W>;
  FinishArgs args;
  const T *gy, *y;
  T* dx;
  float* db;
  int64_t columns;

  struct Loaded {
    Numbers<W> gy, y;
  };
  GV_DEVICE Part part(int64_t, int64_t first, int64_t end, int64_t step, int64_t column) const {
    RunningSums<W> sums;
    const auto at = [&](int64_t row) { return (row * columns + column) * W; };
    const auto load = [&](int64_t row) { return Loaded{loadPack<W>(gy + at(row)), loadPack<W>(y + at(row))}; };
    overRows(first, end, step, load, [&](int64_t row, const Loaded& from) {
      Numbers<W> d;
      for (int k = 0; k < W; k++) {
        d.at[k] = finishGradFromResult(args, from.gy.at[k], from.y.at[k]);
        sums.run[k] += d.at[k];
      }
      storePack<W>(dx + at(row), d);
      sums.endRow();
    });
    return sums.sums();
  }
  GV_DEVICE Part join(const Part& a, const Part& b) const { return cuda::join(a, b); }
  GV_DEVICE void store(int64_t column, const Part& p) const {
    for (int k = 0; k < W; k++) db[column * W + k] = float(p.at[k]);
  }
};

template <class T, int W>
void backward(const Call& call, const FinishArgs& args) {
  const Tensor& dx = call.out[0];
  const int64_t rows = dx.shape.count(0, dx.shape.rank() - 1), columns = dx.shape.last() / W;
  const Backward<T, W> f{args, call.in[0].data<T>(), call.in[1].data<T>(), dx.data<T>(), call.out[1].data<float>(),
                         columns};
  fold(call, {1, rows, columns}, f);
}

template <class T>
void backward(const Call& call, const FinishArgs& args) {
  if (call.in[0].shape.last() % 4 == 0)
    backward<T, 4>(call, args);
  else
    backward<T, 1>(call, args);
}

}  // namespace

namespace run {

void biasAct(const Call& call) {
  const Tensor &x = call.in[0], &y = call.out[0];
  finishRows(Epilogue(call.in[1].data<float>(), FinishArgs::decode(call, 0)), x.data<void>(), x.dtype, y.data<void>(),
             y.dtype, x.size(), x.shape.last());
}

void biasActGrad(const Call& call) {
  const FinishArgs args = FinishArgs::decode(call, 0);
  if (call.out[0].size() == 0)
    sumColumns(call, nullptr, 0, call.out[1].size(), call.out[1].data<float>());
  else if (call.in[0].dtype == DType::BF16)
    backward<BF16>(call, args);
  else
    backward<float>(call, args);
}

}  // namespace run
}  // namespace gv::cuda
