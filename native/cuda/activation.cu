// Kernels of the ops of ops/activation.h; edge cases as in ../cpu/activation.cpp.
#include "activation.h"

#include "call.h"

namespace gv::cuda {
namespace {

/** The attributes of an activation: [tanh], [alpha, scale, inner] or none. */
struct Parameters {
  float p[3] = {};
  explicit Parameters(const Call& call) {
    for (size_t k = 0; k < call.attrs.size() && k < 3; k++) p[k] = float(call.number(k));
  }
};

constexpr float kRootTwoOverPi = 0.79788456080287f, kCubic = 0.044715f;

/** The argument of GELU's tanh. */
GV_HD inline float tanhArgument(float x) { return x * kRootTwoOverPi * (x * x * kCubic + 1.0f); }

/** The normal distribution; of the tail its own value, not what is left of 1. */
GV_HD inline float normalCdf(float x) {
  const float tail = 0.5f * erfcf(fabsf(x) * 0.70710678118655f);
  return x < 0.0f ? tail : 1.0f - tail;
}

struct Erf {
  GV_HD float operator()(float x, const Parameters&) const { return erff(x); }
};
struct Gelu {
  GV_HD float operator()(float x, const Parameters& q) const {
    if (q.p[0] == 0.0f) return x * normalCdf(x);
    const float half = 0.5f * x;
    return half * tanhf(tanhArgument(x)) + half;
  }
};
struct Silu {
  GV_HD float operator()(float x, const Parameters&) const { return x * sigmoidOf(x); }
};
struct Elu {
  GV_HD float operator()(float x, const Parameters& q) const {
    return (x > 0.0f ? x : expm1f(x * q.p[2]) * q.p[0]) * q.p[1];
  }
};

struct GeluSlope {
  GV_HD float operator()(float x, const Parameters& q) const {
    if (x != x) return x;
    if (q.p[0] == 0.0f) {
      const float e = expf(-0.5f * x * x);
      // x phi(x) is 0, not NaN, where x is infinite.
      return normalCdf(x) + (e > 0.0f ? x * e * 0.39894228040143f : 0.0f);
    }
    const float t = tanhf(tanhArgument(x)), flat = 1.0f - t * t;
    const float rise = kRootTwoOverPi * (x * x * (3 * kCubic) + 1.0f);
    return 0.5f * (1.0f + t + (flat > 0.0f ? x * flat * rise : 0.0f));
  }
};
struct SiluSlope {
  GV_HD float operator()(float x, const Parameters&) const {
    if (x != x) return x;
    const float s = sigmoidOf(x);
    return s * (1.0f + (fabsf(x) < 1e30f ? x * (1.0f - s) : 0.0f));
  }
};
struct EluSlope {
  GV_HD float operator()(float x, const Parameters& q) const {
    return (x > 0.0f ? 1.0f : expf(x * q.p[2]) * (q.p[0] * q.p[2])) * q.p[1];
  }
};

template <class F>
void map(const Call& call) {
  const Parameters q(call);
  const float* const x = call.in[0].data<float>();
  float* const y = call.out[0].data<float>();
  forEach(call.out[0].size(), [=] GV_DEVICE(int64_t i) { y[i] = F()(x[i], q); });
}

/** gy times a slope at x. */
template <class F>
void mapGrad(const Call& call) {
  const Parameters q(call);
  const float *const gy = call.in[0].data<float>(), *const x = call.in[1].data<float>();
  float* const gx = call.out[0].data<float>();
  forEach(call.out[0].size(), [=] GV_DEVICE(int64_t i) { gx[i] = gy[i] * F()(x[i], q); });
}

/** `value` where x > 0, else `value` times the channel's slope. */
void preluRows(const Call& call, const Tensor& value, const Tensor& x, const Tensor& slopes) {
  const float *const v = value.data<float>(), *const p = x.data<float>(), *const a = slopes.data<float>();
  float* const y = call.out[0].data<float>();
  const int64_t channels = slopes.size();
  forEach(x.size(), [=] GV_DEVICE(int64_t i) { y[i] = p[i] > 0.0f ? v[i] : v[i] * a[i % channels]; });
}

/** How far the halves lie apart: the elements of x from the axis on, divided by two. */
int64_t halfOf(const Call& call, const Tensor& x) {
  return x.shape.count(int(call.integer(0)), x.shape.rank()) / 2;
}

}  // namespace

namespace run {

void erf(const Call& call) { map<Erf>(call); }
void gelu(const Call& call) { map<Gelu>(call); }
void silu(const Call& call) { map<Silu>(call); }
void elu(const Call& call) { map<Elu>(call); }
void geluGrad(const Call& call) { mapGrad<GeluSlope>(call); }
void siluGrad(const Call& call) { mapGrad<SiluSlope>(call); }
void eluGrad(const Call& call) { mapGrad<EluSlope>(call); }
void prelu(const Call& call) { preluRows(call, call.in[0], call.in[0], call.in[1]); }
void preluGrad(const Call& call) { preluRows(call, call.in[0], call.in[1], call.in[2]); }

void glu(const Call& call) {
  const int64_t m = halfOf(call, call.in[0]);
  const float* const x = call.in[0].data<float>();
  float* const y = call.out[0].data<float>();
  forEach(call.out[0].size(), [=] GV_DEVICE(int64_t i) {
    const float* const u = x + i / m * m + i;
    y[i] = u[0] * sigmoidOf(u[m]);
  });
}

void gluGrad(const Call& call) {
  const int64_t m = halfOf(call, call.in[1]);
  const float *const gy = call.in[0].data<float>(), *const x = call.in[1].data<float>();
  float* const gx = call.out[0].data<float>();
  forEach(call.in[0].size(), [=] GV_DEVICE(int64_t i) {
    const int64_t at = i / m * m + i;
    const float s = sigmoidOf(x[at + m]), g = gy[i] * s;
    gx[at] = g;
    gx[at + m] = g * (1.0f - s) * x[at];
  });
}

}  // namespace run
}  // namespace gv::cuda
