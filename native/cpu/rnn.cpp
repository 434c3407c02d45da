// Kernels of ops/rnn.h. A step is one product with the recurrent weight (gemm.h) and one pass over the gates; the
// gradient walks back the same way and takes the weight's gradient in one product over all steps at the end.
#include "ops/rnn.h"

#include <algorithm>

#include "cpu/gemm.h"
#include "cpu/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/rnn.cpp"
#include "cpu/simd.h"
#include "cpu/lanes-inl.h"
#include "cpu/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {
namespace {

HWY_INLINE V OneMinus(V x) { return hn::Sub(vm::Constant(1.0f), x); }
/** g times the derivative of the logistic function, or of tanh, whose value is y. */
HWY_INLINE V SigmoidGrad(V g, V y) { return hn::Mul(hn::Mul(g, y), OneMinus(y)); }
HWY_INLINE V TanhGrad(V g, V y) { return hn::Mul(g, hn::NegMulAdd(y, y, vm::Constant(1.0f))); }

}  // namespace

/** gi, gh: 3H; gates: 4H; before, h: H. */
void GruRow(int64_t n, const float* gi, const float* gh, const float* before, float* gates, float* h) {
  overLanes(n, [&](int64_t j, auto io) HWY_ATTR {
    const V r = vm::Sigmoid(hn::Add(io.load(gi + j), io.load(gh + j)));
    const V z = vm::Sigmoid(hn::Add(io.load(gi + n + j), io.load(gh + n + j)));
    const V m = io.load(gh + 2 * n + j);
    const V c = vm::Tanh(hn::MulAdd(r, m, io.load(gi + 2 * n + j)));
    io.store(r, gates + j);
    io.store(z, gates + n + j);
    io.store(c, gates + 2 * n + j);
    io.store(m, gates + 3 * n + j);
    io.store(hn::MulAdd(z, hn::Sub(io.load(before + j), c), c), h + j);
  });
}

/** dgi, dgh: 3H; carry: the gradient by h from later steps, replaced by the part that goes straight to h'. */
void GruRowGrad(int64_t n, const float* gy, const float* gates, const float* before, float* carry, float* dgi,
                float* dgh) {
  overLanes(n, [&](int64_t j, auto io) HWY_ATTR {
    const V r = io.load(gates + j), z = io.load(gates + n + j), c = io.load(gates + 2 * n + j), m = io.load(gates + 3 * n + j);
    const V dh = hn::Add(io.load(gy + j), io.load(carry + j));
    const V dc = TanhGrad(hn::Mul(dh, OneMinus(z)), c);
    const V dz = SigmoidGrad(hn::Mul(dh, hn::Sub(io.load(before + j), c)), z);
    const V dr = SigmoidGrad(hn::Mul(dc, m), r);
    io.store(dr, dgi + j);
    io.store(dz, dgi + n + j);
    io.store(dc, dgi + 2 * n + j);
    io.store(dr, dgh + j);
    io.store(dz, dgh + n + j);
    io.store(hn::Mul(dc, r), dgh + 2 * n + j);
    io.store(hn::Mul(dh, z), carry + j);
  });
}

/** gates: 4H, sums in, values out; state: 2H. */
void LstmRow(int64_t n, float* gates, const float* cellBefore, float* state) {
  overLanes(n, [&](int64_t j, auto io) HWY_ATTR {
    const V i = vm::Sigmoid(io.load(gates + j)), f = vm::Sigmoid(io.load(gates + n + j));
    const V g = vm::Tanh(io.load(gates + 2 * n + j)), o = vm::Sigmoid(io.load(gates + 3 * n + j));
    const V c = hn::MulAdd(f, io.load(cellBefore + j), hn::Mul(i, g));
    io.store(i, gates + j);
    io.store(f, gates + n + j);
    io.store(g, gates + 2 * n + j);
    io.store(o, gates + 3 * n + j);
    io.store(hn::Mul(o, vm::Tanh(c)), state + j);
    io.store(c, state + n + j);
  });
}

/** gy, state: 2H; dgi: 4H; carryH in; carryC: the gradient by c from later steps, replaced by that by c'. */
void LstmRowGrad(int64_t n, const float* gy, const float* gates, const float* state, const float* cellBefore,
                 const float* carryH, float* carryC, float* dgi) {
  overLanes(n, [&](int64_t j, auto io) HWY_ATTR {
    const V i = io.load(gates + j), f = io.load(gates + n + j), g = io.load(gates + 2 * n + j), o = io.load(gates + 3 * n + j);
    const V dh = hn::Add(io.load(gy + j), io.load(carryH + j)), t = vm::Tanh(io.load(state + n + j));
    const V dc = hn::Add(hn::Add(io.load(gy + n + j), io.load(carryC + j)), TanhGrad(hn::Mul(dh, o), t));
    io.store(SigmoidGrad(hn::Mul(dc, g), i), dgi + j);
    io.store(SigmoidGrad(hn::Mul(dc, io.load(cellBefore + j)), f), dgi + n + j);
    io.store(TanhGrad(hn::Mul(dc, i), g), dgi + 2 * n + j);
    io.store(SigmoidGrad(hn::Mul(dh, t), o), dgi + 3 * n + j);
    io.store(hn::Mul(dc, f), carryC + j);
  });
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(GruRow);
HWY_EXPORT(GruRowGrad);
HWY_EXPORT(LstmRow);
HWY_EXPORT(LstmRowGrad);

namespace {

using ops::RnnArgs;

/** Rows of one step, as pointers: row n of step t begins at data + n * stride. */
struct Rows {
  const float* data;
  int64_t stride;
  const float* operator[](int64_t n) const { return data + n * stride; }
};

/** The rows of the state before step t: those of step t - 1 in [N, L, width], or of the first state [N, H]. */
Rows before(const RnnArgs& a, int64_t t, const float* first, const float* sequence, int64_t width) {
  if (t == 0) return {first, a.hidden};
  return {sequence + (t - 1) * width, a.steps * width};
}

template <class F>
void eachRow(const RnnArgs& a, const F& f) {
  parallelRange(a.batch, std::max<int64_t>(1, 4096 / std::max<int64_t>(a.hidden, 1)), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; n++) f(n);
  });
}

/** dw [k, H] = Σ over samples and steps of dgatesᵀ h', dgates [N, L, k]. */
void weightGrad(const Call& call, const RnnArgs& a, const float* dgates, int64_t k, const float* h0,
                const float* sequence, int64_t width, float* dw) {
  const int64_t rows = a.batch * a.steps, hidden = a.hidden;
  const Workspace copy(call, size_t(rows * hidden) * sizeof(float));
  float* const states = copy.as<float>();
  eachRow(a, [&](int64_t n) {
    for (int64_t t = 0; t < a.steps; t++)
      std::copy_n(before(a, t, h0, sequence, width)[n], hidden, states + (n * a.steps + t) * hidden);
  });
  gemm({true, false, k, hidden, rows, dgates, k, states, hidden, dw, hidden, 0, nullptr});
}

/** y[c] = Σ over rows of x[row][c]. */
void columnSums(const float* x, int64_t rows, int64_t columns, float* y) {
  constexpr int64_t kWidth = 64;
  parallelRange(columns, std::max<int64_t>(kWidth, 16384 / std::max<int64_t>(rows, 1)), [&](int64_t begin, int64_t end) {
    for (int64_t c0 = begin; c0 < end; c0 += kWidth) {
      const int64_t width = std::min(kWidth, end - c0);
      double sums[kWidth] = {};
      for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < width; c++) sums[c] += double(x[r * columns + c0 + c]);
      for (int64_t c = 0; c < width; c++) y[c0 + c] = float(sums[c]);
    }
  });
}

/** carry [N, H] = dgates (step t of [N, L, k]) w + beta carry. */
void throughWeight(const RnnArgs& a, int64_t t, const float* dgates, int64_t k, const float* w, float beta,
                   float* carry) {
  gemm({false, false, a.batch, a.hidden, k, dgates + t * k, a.steps * k, w, a.hidden, carry, a.hidden, beta, nullptr});
}

}  // namespace

namespace run {

void gru(const Call& call) {
  const RnnArgs a = RnnArgs::of(call.in[0], 3);
  const float *const gi = call.in[0].data<float>(), *const h0 = call.in[1].data<float>(),
              *const w = call.in[2].data<float>(), *const b = call.in[3].data<float>();
  float *const h = call.out[0].data<float>(), *const gates = call.out[1].data<float>();
  const int64_t H = a.hidden;
  const Workspace products(call, size_t(a.batch * 3 * H) * sizeof(float));
  float* const gh = products.as<float>();
  const auto row = HWY_DYNAMIC_DISPATCH(GruRow);
  for (int64_t t = 0; t < a.steps; t++) {
    const Rows past = before(a, t, h0, h, H);
    gemm({false, true, a.batch, 3 * H, H, past.data, past.stride, w, H, gh, 3 * H, 0, b});
    eachRow(a, [&](int64_t n) {
      const int64_t at = n * a.steps + t;
      row(H, gi + at * 3 * H, gh + n * 3 * H, past[n], gates + at * 4 * H, h + at * H);
    });
  }
}

void gruGrad(const Call& call) {
  const RnnArgs a = RnnArgs::of(call.in[0], 1);
  const float *const gy = call.in[0].data<float>(), *const gates = call.in[1].data<float>(),
              *const h = call.in[2].data<float>(), *const h0 = call.in[3].data<float>(),
              *const w = call.in[4].data<float>();
  float *const dgi = call.out[0].data<float>(), *const carry = call.out[1].data<float>();
  const int64_t H = a.hidden, rows = a.batch * a.steps;
  const Workspace products(call, size_t(rows * 3 * H) * sizeof(float));
  float* const dgh = products.as<float>();
  std::fill_n(carry, a.batch * H, 0.0f);
  const auto row = HWY_DYNAMIC_DISPATCH(GruRowGrad);
  for (int64_t t = a.steps - 1; t >= 0; t--) {
    const Rows past = before(a, t, h0, h, H);
    eachRow(a, [&](int64_t n) {
      const int64_t at = n * a.steps + t;
      row(H, gy + at * H, gates + at * 4 * H, past[n], carry + n * H, dgi + at * 3 * H, dgh + at * 3 * H);
    });
    throughWeight(a, t, dgh, 3 * H, w, 1, carry);
  }
  weightGrad(call, a, dgh, 3 * H, h0, h, H, call.out[2].data<float>());
  columnSums(dgh, rows, 3 * H, call.out[3].data<float>());
}

void lstm(const Call& call) {
  const RnnArgs a = RnnArgs::of(call.in[0], 4);
  const float *const gi = call.in[0].data<float>(), *const h0 = call.in[1].data<float>(),
              *const c0 = call.in[2].data<float>(), *const w = call.in[3].data<float>();
  float *const state = call.out[0].data<float>(), *const gates = call.out[1].data<float>();
  const int64_t H = a.hidden;
  std::copy_n(gi, call.in[0].size(), gates);
  const auto row = HWY_DYNAMIC_DISPATCH(LstmRow);
  for (int64_t t = 0; t < a.steps; t++) {
    const Rows past = before(a, t, h0, state, 2 * H), cells = before(a, t, c0, state + H, 2 * H);
    gemm({false, true, a.batch, 4 * H, H, past.data, past.stride, w, H, gates + t * 4 * H, a.steps * 4 * H, 1, nullptr});
    eachRow(a, [&](int64_t n) {
      const int64_t at = n * a.steps + t;
      row(H, gates + at * 4 * H, cells[n], state + at * 2 * H);
    });
  }
}

void lstmGrad(const Call& call) {
  const RnnArgs a = RnnArgs::of(call.in[0], 2);
  const float *const gy = call.in[0].data<float>(), *const gates = call.in[1].data<float>(),
              *const state = call.in[2].data<float>(), *const h0 = call.in[3].data<float>(),
              *const c0 = call.in[4].data<float>(), *const w = call.in[5].data<float>();
  float *const dgi = call.out[0].data<float>(), *const carryH = call.out[1].data<float>(),
        *const carryC = call.out[2].data<float>();
  const int64_t H = a.hidden;
  std::fill_n(carryH, a.batch * H, 0.0f);
  std::fill_n(carryC, a.batch * H, 0.0f);
  const auto row = HWY_DYNAMIC_DISPATCH(LstmRowGrad);
  for (int64_t t = a.steps - 1; t >= 0; t--) {
    const Rows cells = before(a, t, c0, state + H, 2 * H);
    eachRow(a, [&](int64_t n) {
      const int64_t at = n * a.steps + t;
      row(H, gy + at * 2 * H, gates + at * 4 * H, state + at * 2 * H, cells[n], carryH + n * H, carryC + n * H,
          dgi + at * 4 * H);
    });
    throughWeight(a, t, dgi, 4 * H, w, 0, carryH);
  }
  weightGrad(call, a, dgi, 4 * H, h0, state, 2 * H, call.out[3].data<float>());
}

}  // namespace run
}  // namespace gv::cpu
#endif
