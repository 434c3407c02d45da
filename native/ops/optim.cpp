// Rules of ops/optim.h: attributes are finite and in range, shapes agree within a group, nothing is written twice.
#include "optim.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace gv {

namespace {

/** Attribute k, a number in [low, high]. */
double inRange(const Call& call, size_t k, const char* what, double low, double high) {
  const double v = call.number(k);
  if (!(v >= low && v <= high))
    fail("ERR_ARGUMENT", "%s: %s must be in [%g, %g], got %g", call.name(), what, low, high, v);
  return v;
}

constexpr double kLarge = 1e30;

}  // namespace

LerpArgs LerpArgs::decode(const Call& call) { return {float(inRange(call, 0, "weight", 0, 1))}; }

ClampArgs ClampArgs::decode(const Call& call) {
  const double low = inRange(call, 0, "lo", -HUGE_VAL, HUGE_VAL);
  return {float(low), float(inRange(call, 1, "hi", low, HUGE_VAL))};
}

SgdArgs SgdArgs::decode(const Call& call) {
  SgdArgs a{};
  a.lr = float(inRange(call, 0, "lr", -kLarge, kLarge));
  a.momentum = float(inRange(call, 1, "momentum", 0, kLarge));
  a.dampening = float(inRange(call, 2, "dampening", -kLarge, kLarge));
  a.weightDecay = float(inRange(call, 3, "weightDecay", 0, kLarge));
  a.nesterov = inRange(call, 4, "nesterov", 0, 1) != 0;
  a.firstStep = inRange(call, 5, "firstStep", 0, 1) != 0;
  return a;
}

AdamArgs AdamArgs::decode(const Call& call) {
  const double lr = inRange(call, 0, "lr", -kLarge, kLarge);
  const double beta1 = inRange(call, 1, "beta1", 0, 1), beta2 = inRange(call, 2, "beta2", 0, 1);
  const double decay = inRange(call, 4, "weightDecay", 0, kLarge), step = inRange(call, 6, "step", 1, 1e15);
  const bool decoupled = inRange(call, 5, "decoupled", 0, 1) != 0;
  if (beta1 == 1 || beta2 == 1) fail("ERR_ARGUMENT", "%s: beta1 and beta2 must be below 1", call.name());
  AdamArgs a{};
  a.beta1 = float(beta1);
  a.rest1 = float(1 - beta1);
  a.beta2 = float(beta2);
  a.rest2 = float(1 - beta2);
  a.eps = float(inRange(call, 3, "eps", 0, kLarge));
  a.weightDecay = decoupled ? 0 : float(decay);
  a.shrink = decoupled ? float(1 - lr * decay) : 1;
  a.stepSize = float(lr / (1 - std::pow(beta1, step)));
  a.rootCorrection = float(std::sqrt(1 - std::pow(beta2, step)));
  return a;
}

RmspropArgs RmspropArgs::decode(const Call& call) {
  RmspropArgs a{};
  const double alpha = inRange(call, 1, "alpha", 0, 1);
  a.lr = float(inRange(call, 0, "lr", -kLarge, kLarge));
  a.alpha = float(alpha);
  a.rest = float(1 - alpha);
  a.eps = float(inRange(call, 2, "eps", 0, kLarge));
  a.weightDecay = float(inRange(call, 3, "weightDecay", 0, kLarge));
  a.momentum = float(inRange(call, 4, "momentum", 0, kLarge));
  a.centered = inRange(call, 5, "centered", 0, 1) != 0;
  return a;
}

namespace {

/**
 * Checks the groups of `size` inputs: one shape and dtype each, and no storage that is written (all of a group but
 * its second, the source or gradient) and appears in another place of the call.
 */
void checkGroups(const Call& call, size_t size, bool f32) {
  if (call.in.empty() || call.in.size() % size != 0)
    fail("ERR_ARGUMENT", "%s: expected groups of %zu tensors, got %zu tensors", call.name(), size, call.in.size());
  std::vector<std::pair<const Storage*, bool>> used;
  used.reserve(call.in.size());
  for (size_t k = 0; k < call.in.size(); k++) {
    const size_t first = k / size * size;
    if (f32) call.expectDType(k, DType::F32, "every tensor");
    if (call.in[k].dtype != call.in[first].dtype)
      fail("ERR_DTYPE", "%s: tensor %zu is %s, its destination %s", call.name(), k, name(call.in[k].dtype),
           name(call.in[first].dtype));
    if (call.in[k].shape != call.in[first].shape)
      fail("ERR_SHAPE", "%s: tensor %zu has shape %s, its destination %s", call.name(), k,
           call.in[k].shape.str().c_str(), call.in[first].shape.str().c_str());
    used.emplace_back(call.in[k].storage.get(), k - first != 1);
  }
  std::sort(used.begin(), used.end());
  for (size_t k = 1; k < used.size(); k++)
    if (used[k].first == used[k - 1].first && used[k].second)
      fail("ERR_ARGUMENT", "%s: a tensor that is written appears twice", call.name());
}

}  // namespace

namespace ops {

void inferAssign(Call& call) { checkGroups(call, 2, false); }

void inferLerp(Call& call) {
  LerpArgs::decode(call);
  checkGroups(call, 2, true);
}

void inferClampInPlace(Call& call) {
  ClampArgs::decode(call);
  checkGroups(call, 1, true);
}

void inferSgd(Call& call) { checkGroups(call, size_t(SgdArgs::decode(call).inputs()), true); }

void inferAdam(Call& call) {
  AdamArgs::decode(call);
  checkGroups(call, 4, true);
}

void inferRmsprop(Call& call) { checkGroups(call, size_t(RmspropArgs::decode(call).inputs()), true); }

}  // namespace ops
}  // namespace gv
