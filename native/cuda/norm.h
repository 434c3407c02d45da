// What the normalisations of ops/norm.h share on the device: moments that join, and elements of f32 or bf16 as floats.
#pragma once
#include "../ops/norm.h"
#include "activation.h"
#include "columns.h"
#include "fold.h"

namespace gv::cuda {

template <class T>
GV_HD float widen(const T& x) {
  return ops::Cast<float>()(x);
}

/** So many numbers, their mean and the sum of their squared deviations from it. */
struct Moments {
  double n = 0, mean = 0, squares = 0;
};

/** Those of both together (Chan, Golub & LeVeque 1983). */
GV_HD inline Moments joined(const Moments& a, const Moments& b) {
  const double n = a.n + b.n, share = b.n / n, delta = b.mean - a.mean;
  return {n, a.mean + delta * share, a.squares + b.squares + delta * delta * a.n * share};
}

/** Moments of numbers as they come: runs of 64 in f32 around their first number, so no mean cancels their digits. */
struct RunningMoments {
  float pivot = 0, sum = 0, squares = 0;
  int count = 0;
  Moments earlier;

  GV_HD void add(float x) {
    if (count == 0) pivot = x;
    const float d = x - pivot;
    sum += d;
    squares += d * d;
    if (++count == 64) end();
  }
  GV_HD void end() {
    const double n = count, own = double(sum) / n, around = double(squares) - own * double(sum);
    earlier = joined(earlier, {n, double(pivot) + own, around < 0 ? 0 : around});
    sum = squares = 0;
    count = 0;
  }
  GV_HD Moments moments() {
    if (count > 0) end();
    return earlier;
  }
};

GV_HD inline float rstdOf(double variance, double eps) { return float(1.0 / sqrt(variance + eps)); }

}  // namespace gv::cuda
