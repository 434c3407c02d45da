// Optimiser steps: multi-tensor and in place. Inputs come in groups, one per parameter; the first tensor of a group
// (and the optimiser's state) is overwritten, and there are no outputs. All f32 but assign, which copies any dtype.
//
//   assign        [dst, src]                   dst = src
//   lerp          [dst, src]                   dst += weight (src - dst)           attrs [weight]
//   clampInPlace  [p]                          p = min(max(p, lo), hi)             attrs [lo, hi]
//   sgd           [p, g, buf if momentum != 0]
//       attrs [lr, momentum, dampening, weightDecay, nesterov, firstStep]
//   adam          [p, g, m, v]
//       attrs [lr, beta1, beta2, eps, weightDecay, decoupled, step]    decoupled: AdamW; step counts from 1
//   rmsprop       [p, g, s, buf if momentum != 0, avg if centered]
//       attrs [lr, alpha, eps, weightDecay, momentum, centered]
//
// The formulas are PyTorch's (torch.optim, foreach = False), per element in the update() functions below, which host
// and device share. Within a call no tensor may be both written and used a second time: the order is not defined.
#pragma once
#include <cmath>

#include "../engine/call.h"
#include "../engine/philox.h"

namespace gv {

/** dst += weight (src - dst); exact at both ends. */
struct LerpArgs {
  float weight;
  static LerpArgs decode(const Call& call);
  static int inputs() { return 2; }

  GV_HD void update(float& dst, float src) const {
    dst = weight < 0.5f ? dst + weight * (src - dst) : src - (src - dst) * (1.0f - weight);
  }
};

struct ClampArgs {
  float low, high;
  static ClampArgs decode(const Call& call);
  static int inputs() { return 1; }

  GV_HD void update(float& p) const { p = p < low ? low : p > high ? high : p; }  // NaN stays
};

struct SgdArgs {
  float lr, momentum, dampening, weightDecay;
  bool nesterov, firstStep;
  static SgdArgs decode(const Call& call);
  int inputs() const { return momentum != 0 ? 3 : 2; }

  GV_HD void update(float& p, float g) const { p -= lr * (g + weightDecay * p); }
  GV_HD void update(float& p, float g, float& buf) const {
    g += weightDecay * p;
    buf = firstStep ? g : momentum * buf + (1.0f - dampening) * g;
    p -= lr * (nesterov ? g + momentum * buf : buf);
  }
};

struct AdamArgs {
  float beta1, rest1, beta2, rest2, eps, weightDecay, shrink;
  float stepSize, rootCorrection;  // lr / (1 - beta1^step) and sqrt(1 - beta2^step), computed in double
  static AdamArgs decode(const Call& call);
  static int inputs() { return 4; }

  GV_HD void update(float& p, float g, float& m, float& v) const {
    g += weightDecay * p;  // 0 when decoupled
    m = beta1 * m + rest1 * g;
    v = beta2 * v + rest2 * (g * g);
    p = p * shrink - stepSize * m / (std::sqrt(v) / rootCorrection + eps);  // shrink is 1 unless decoupled
  }
};

struct RmspropArgs {
  float lr, alpha, rest, eps, weightDecay, momentum;
  bool centered;
  static RmspropArgs decode(const Call& call);
  int inputs() const { return 3 + (momentum != 0) + centered; }

  /** buf and avg are not touched unless momentum and centered ask for them. */
  GV_HD void update(float& p, float g, float& s, float* buf, float* avg) const {
    g += weightDecay * p;
    s = alpha * s + rest * (g * g);
    float spread = s;
    if (avg) {
      *avg += rest * (g - *avg);
      // Rounding may leave the difference just below 0.
      spread = s - *avg * *avg;
      spread = spread < 0 ? 0 : spread;
    }
    const float direction = g / (std::sqrt(spread) + eps);
    if (buf) *buf = momentum * *buf + direction;
    p -= lr * (buf ? *buf : direction);
  }
};

}  // namespace gv
