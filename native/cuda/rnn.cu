// Kernels of ops/rnn.h. A step is one product with the recurrent weight and one pass over the gates; the gradient walks
// back the same way and takes the weight's gradient in one product over all steps at the end. What products read or
// write lies step by step, [L, N, ...], so that they are dense.
#include "../ops/rnn.h"

#include "activation.h"
#include "blas.h"
#include "call.h"
#include "sums.h"

namespace gv::cuda {
namespace {

using ops::RnnArgs;

/** Rows of one step: row n of step t begins at data + n * stride. */
struct Rows {
  const float* data;
  int64_t stride;
  GV_HD float at(int64_t n, int64_t j) const { return data[n * stride + j]; }
};

/** The rows of the state before step t: those of step t - 1 in [N, L, width], or of the first state [N, H]. */
Rows before(const RnnArgs& a, int64_t t, const float* first, const float* sequence, int64_t width) {
  if (t == 0) return {first, a.hidden};
  return {sequence + (t - 1) * width, a.steps * width};
}

/** g times the derivative of the logistic function, or of tanh, whose value is y. */
GV_HD inline float sigmoidGrad(float g, float y) { return g * y * (1.0f - y); }
GV_HD inline float tanhGrad(float g, float y) { return g * (1.0f - y * y); }

void clear(float* y, int64_t n) {
  if (n > 0) check(cudaMemsetAsync(y, 0, size_t(n) * sizeof(float), Context::current().stream), "clearing memory");
}

void copy(const float* from, int64_t n, float* to) {
  if (n == 0) return;
  check(cudaMemcpyAsync(to, from, size_t(n) * sizeof(float), cudaMemcpyDeviceToDevice, Context::current().stream),
        "copying on the device");
}

/** c = op(a) op(b) + bias + beta c; all dimensions are above 0. */
void product(bool transA, bool transB, int64_t m, int64_t n, int64_t k, const float* a, const float* b, float* c,
             float beta, const float* bias) {
  Product p;
  p.transA = transA;
  p.transB = transB;
  p.m = m;
  p.n = n;
  p.k = k;
  p.a = a;
  p.b = b;
  p.c = c;
  p.beta = beta;
  p.bias = bias;
  p.tf32 = Context::current().matmulTF32;
  multiply(p);
}

/** dw [k, H] = the sum over samples and steps of dgatesᵀ h', dgates [L, N, k]. */
void weightGrad(const Call& call, const RnnArgs& a, const float* dgates, int64_t k, const float* h0,
                const float* sequence, int64_t width, float* dw) {
  const int64_t rows = a.batch * a.steps, hidden = a.hidden, batch = a.batch, steps = a.steps;
  if (rows == 0) return clear(dw, k * hidden);
  if (hidden == 0) return;
  const Workspace copies(call, size_t(rows * hidden) * sizeof(float));
  float* const states = copies.as<float>();
  forEach(rows * hidden, [=] GV_DEVICE(int64_t i) {
    const int64_t j = i % hidden, n = i / hidden % batch, t = i / hidden / batch;
    states[i] = t == 0 ? h0[n * hidden + j] : sequence[(n * steps + t - 1) * width + j];
  });
  product(true, false, k, hidden, rows, dgates, states, dw, 0, nullptr);
}

}  // namespace

namespace run {

void gru(const Call& call) {
  const RnnArgs a = RnnArgs::of(call.in[0], 3);
  const int64_t H = a.hidden, N = a.batch, L = a.steps;
  const float *const gi = call.in[0].data<float>(), *const w = call.in[2].data<float>(),
              *const b = call.in[3].data<float>();
  float *const h = call.out[0].data<float>(), *const gates = call.out[1].data<float>();
  if (call.out[0].size() == 0) return;
  const Workspace space(call, size_t(N * 4 * H) * sizeof(float));
  float *const state = space.as<float>(), *const gh = state + N * H;
  copy(call.in[1].data<float>(), N * H, state);
  for (int64_t t = 0; t < L; t++) {
    product(false, true, N, 3 * H, H, state, w, gh, 0, b);
    forEach(N * H, [=] GV_DEVICE(int64_t i) {
      const int64_t n = i / H, j = i % H, at = n * L + t;
      const float *const x = gi + at * 3 * H + j, *const y = gh + n * 3 * H + j;
      const float r = sigmoidOf(x[0] + y[0]), z = sigmoidOf(x[H] + y[H]), m = y[2 * H];
      const float c = tanhf(r * m + x[2 * H]);
      float* const gate = gates + at * 4 * H + j;
      gate[0] = r;
      gate[H] = z;
      gate[2 * H] = c;
      gate[3 * H] = m;
      h[at * H + j] = state[i] = z * (state[i] - c) + c;
    });
  }
}

void gruGrad(const Call& call) {
  const RnnArgs a = RnnArgs::of(call.in[0], 1);
  const int64_t H = a.hidden, N = a.batch, L = a.steps;
  const float *const gy = call.in[0].data<float>(), *const gates = call.in[1].data<float>(),
              *const h = call.in[2].data<float>(), *const h0 = call.in[3].data<float>(),
              *const w = call.in[4].data<float>();
  float *const dgi = call.out[0].data<float>(), *const carry = call.out[1].data<float>();
  const Workspace space(call, size_t(N * L * 3 * H) * sizeof(float));
  float* const dgh = space.as<float>();
  // The gradient by h from later steps, replaced by that by h'.
  clear(carry, N * H);
  for (int64_t t = N * H > 0 ? L - 1 : -1; t >= 0; t--) {
    const Rows past = before(a, t, h0, h, H);
    float* const dgates = dgh + t * N * 3 * H;
    forEach(N * H, [=] GV_DEVICE(int64_t i) {
      const int64_t n = i / H, j = i % H, at = n * L + t;
      const float* const gate = gates + at * 4 * H + j;
      const float r = gate[0], z = gate[H], c = gate[2 * H], m = gate[3 * H];
      const float dh = gy[at * H + j] + carry[i];
      const float dc = tanhGrad(dh * (1.0f - z), c), dz = sigmoidGrad(dh * (past.at(n, j) - c), z);
      const float dr = sigmoidGrad(dc * m, r);
      float *const x = dgi + at * 3 * H + j, *const y = dgates + n * 3 * H + j;
      x[0] = y[0] = dr;
      x[H] = y[H] = dz;
      x[2 * H] = dc;
      y[2 * H] = dc * r;
      carry[i] = dh * z;
    });
    product(false, false, N, H, 3 * H, dgates, w, carry, 1, nullptr);
  }
  weightGrad(call, a, dgh, 3 * H, h0, h, H, call.out[2].data<float>());
  sumColumns(call, dgh, N * L, 3 * H, call.out[3].data<float>());
}

void lstm(const Call& call) {
  const RnnArgs a = RnnArgs::of(call.in[0], 4);
  const int64_t H = a.hidden, N = a.batch, L = a.steps;
  const float *const gi = call.in[0].data<float>(), *const c0 = call.in[2].data<float>(),
              *const w = call.in[3].data<float>();
  float *const states = call.out[0].data<float>(), *const gates = call.out[1].data<float>();
  if (call.out[0].size() == 0) return;
  const Workspace space(call, size_t(N * 5 * H) * sizeof(float));
  float *const state = space.as<float>(), *const gh = state + N * H;
  copy(call.in[1].data<float>(), N * H, state);
  for (int64_t t = 0; t < L; t++) {
    const Rows cells = before(a, t, c0, states + H, 2 * H);
    product(false, true, N, 4 * H, H, state, w, gh, 0, nullptr);
    forEach(N * H, [=] GV_DEVICE(int64_t k) {
      const int64_t n = k / H, j = k % H, at = n * L + t;
      const float *const x = gi + at * 4 * H + j, *const y = gh + n * 4 * H + j;
      const float i = sigmoidOf(x[0] + y[0]), f = sigmoidOf(x[H] + y[H]), g = tanhf(x[2 * H] + y[2 * H]);
      const float o = sigmoidOf(x[3 * H] + y[3 * H]), c = f * cells.at(n, j) + i * g;
      float *const gate = gates + at * 4 * H + j, *const out = states + at * 2 * H + j;
      gate[0] = i;
      gate[H] = f;
      gate[2 * H] = g;
      gate[3 * H] = o;
      out[0] = state[k] = o * tanhf(c);
      out[H] = c;
    });
  }
}

void lstmGrad(const Call& call) {
  const RnnArgs a = RnnArgs::of(call.in[0], 2);
  const int64_t H = a.hidden, N = a.batch, L = a.steps;
  const float *const gy = call.in[0].data<float>(), *const gates = call.in[1].data<float>(),
              *const states = call.in[2].data<float>(), *const h0 = call.in[3].data<float>(),
              *const c0 = call.in[4].data<float>(), *const w = call.in[5].data<float>();
  float *const dgi = call.out[0].data<float>(), *const carryH = call.out[1].data<float>(),
        *const carryC = call.out[2].data<float>();
  const Workspace space(call, size_t(N * L * 4 * H) * sizeof(float));
  float* const dgh = space.as<float>();
  // The gradients by h and c from later steps, replaced by those by h' and c'.
  clear(carryH, N * H);
  clear(carryC, N * H);
  for (int64_t t = N * H > 0 ? L - 1 : -1; t >= 0; t--) {
    const Rows cells = before(a, t, c0, states + H, 2 * H);
    float* const dgates = dgh + t * N * 4 * H;
    forEach(N * H, [=] GV_DEVICE(int64_t k) {
      const int64_t n = k / H, j = k % H, at = n * L + t;
      const float *const gate = gates + at * 4 * H + j, *const g2 = gy + at * 2 * H + j;
      const float i = gate[0], f = gate[H], g = gate[2 * H], o = gate[3 * H];
      const float dh = g2[0] + carryH[k], tanhC = tanhf(states[at * 2 * H + H + j]);
      const float dc = g2[H] + carryC[k] + tanhGrad(dh * o, tanhC);
      float *const x = dgi + at * 4 * H + j, *const y = dgates + n * 4 * H + j;
      x[0] = y[0] = sigmoidGrad(dc * g, i);
      x[H] = y[H] = sigmoidGrad(dc * cells.at(n, j), f);
      x[2 * H] = y[2 * H] = tanhGrad(dc * i, g);
      x[3 * H] = y[3 * H] = sigmoidGrad(dh * tanhC, o);
      carryC[k] = dc * f;
    });
    product(false, false, N, H, 4 * H, dgates, w, carryH, 0, nullptr);
  }
  weightGrad(call, a, dgh, 4 * H, h0, states, 2 * H, call.out[3].data<float>());
}

}  // namespace run
}  // namespace gv::cuda
