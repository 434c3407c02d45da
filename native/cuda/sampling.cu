// Kernels of ops/sampling.h, in f64 as on the CPU.
#include "../ops/sampling.h"

#include <limits>

#include "fault_site.h"
#include "order.h"
#include "scan.h"

namespace gv::cuda {
namespace {

using ops::PhiloxState;

/** y[i] = map(word i), four words at a time. */
template <class T, class Map>
void eachWord(const Call& call, Map map) {
  const PhiloxState state(call);
  const int64_t n = call.out[0].size();
  T* const y = call.out[0].data<T>();
  forEach((n + 3) / 4, [=] GV_DEVICE(int64_t group) {
    const Philox p = Philox::at(state.key, state.counter + uint64_t(group));
    for (int j = 0; j < 4; j++)
      if (4 * group + j < n) y[4 * group + j] = map(p.v[j]);
  });
}

struct IntegerMap {
  int64_t lo;
  uint64_t range;
  GV_HD int32_t operator()(uint32_t word) const { return int32_t(lo + int64_t(word * range >> 32)); }
};

struct TruncatedNormalMap {
  double mean, deviation, lo, hi, from, to;
  bool mirrored;
  GV_HD float operator()(uint32_t word) const {
    const double p = from + (to - from) * ((double(word) + 0.5) * 0x1p-32);
    const double z = p > 0 && p < 1 ? fmin(hi, fmax(lo, ops::normalQuantile(p))) : (p > 0 ? hi : lo);
    return float(mean + deviation * (mirrored ? -z : z));
  }
};

/**
 * y[i] and y[partner[i]] change places for i = 0, 1, ..., in parallel but with the result of one after the other: of
 * the swaps that are left, each whose two places no earlier one waits for is done; O(log n) rounds (Shun, Gu, Blelloch,
 * Fineman, Gibbons, "Sequential random permutation, list contraction and tree contraction are highly parallel", SODA
 * 2015). `waiting` holds 0 to n - 1; `first` is scratch for n.
 */
template <int kThreads>
void swapAll(int32_t* y, const int32_t* partner, int32_t* first, int32_t* waiting, int n) {
  forBlocks<kThreads>(n > 0, 0, [=] GV_DEVICE(const Block& block) {
    // Each thread's swaps that wait: every so manyth place of `waiting`.
    int64_t left = (int64_t(n) - block.thread + block.threads - 1) / block.threads;
    for (;;) {
      if (block.sum(int32_t(left > 0)) == 0) return;
      for (int64_t k = 0; k < left; k++) {
        const int32_t i = waiting[k * block.threads + block.thread];
        first[i] = first[partner[i]] = n;
      }
      block.sync();
      for (int64_t k = 0; k < left; k++) {
        const int32_t i = waiting[k * block.threads + block.thread];
        atomicMin(first + i, i);
        atomicMin(first + partner[i], i);
      }
      block.sync();
      int64_t kept = 0;
      for (int64_t k = 0; k < left; k++) {
        const int32_t i = waiting[k * block.threads + block.thread], j = partner[i];
        if (first[i] == i && first[j] == i) {
          const int32_t other = y[j];
          y[j] = y[i];
          y[i] = other;
        } else {
          waiting[kept++ * block.threads + block.thread] = i;
        }
      }
      left = kept;
    }
  });
}

struct Multinomial {
  int64_t classes, n;
  bool replacement, logits;
  PhiloxState state;
  FaultSite badWeight, tooFew;

  explicit Multinomial(const Call& call)
      : classes(call.in[0].shape.last()),
        n(call.integer(4)),
        replacement(call.integer(5) != 0),
        logits(call.integer(6) != 0),
        state(call),
        badWeight(faultSite(call, logits ? FaultKind::Logit : FaultKind::Weight, 0)),
        tooFew(faultSite(call, FaultKind::TooFewLeft, n)) {}

  GV_HD bool fits(float w) const {
    if (w != w) return false;
    return logits ? w < INFINITY : w >= 0 && w < INFINITY;
  }
  /** Relative to the greatest of its row. */
  GV_HD double weight(float w, float greatest) const {
    if (!logits) return double(w);
    return w == -INFINITY ? 0.0 : exp(double(w) - double(greatest));
  }
};

struct RowRange {
  float greatest;
  int32_t valid;
};

struct RowTally {
  int32_t possible, last;  // elements of non-zero weight, and the last of them
};

struct Row {
  int32_t last;  // -1: nothing can be drawn from it
  float greatest;
};

/** For each row the running sums of its weights or, without replacement, the keys whose n greatest are drawn. */
template <int kThreads>
void prepareRows(const Multinomial& m, const float* weights, int64_t rows, double* prepared, Row* found) {
  const Multinomial args = m;
  forBlocks<kThreads>(rows, kThreads * sizeof(double), [=] GV_DEVICE(const Block& block) {
    const int64_t row = block.index, classes = args.classes;
    const float* const w = weights + row * classes;
    double* const out = prepared + row * classes;
    RowRange range{-INFINITY, 1};
    for (int64_t k = block.thread; k < classes; k += block.threads) {
      if (!args.fits(w[k])) {
        range.valid = 0;
        args.badWeight.note(double(w[k]), double(k), double(row));
      }
      range.greatest = fmaxf(range.greatest, w[k]);
    }
    range = block.reduce(range, [](RowRange a, RowRange b) {
      return RowRange{fmaxf(a.greatest, b.greatest), a.valid & b.valid};
    });
    RowTally tally{0, -1};
    double before = 0;
    for (int64_t base = 0; base < classes; base += block.threads) {
      const int64_t k = base + block.thread;
      const double v = k < classes ? args.weight(w[k], range.greatest) : 0.0;
      if (v > 0) {
        tally.possible++;
        tally.last = int32_t(k);
      }
      if (args.replacement) {
        const Scanned<double> scanned = scan(block, v);
        if (k < classes) out[k] = before + scanned.before + v;
        before += scanned.total;
      } else if (k < classes) {
        out[k] = log(v) - log(-log(args.state.uniform(row * classes + k)));
      }
    }
    tally = block.reduce(tally, [](RowTally a, RowTally b) {
      return RowTally{a.possible + b.possible, a.last > b.last ? a.last : b.last};
    });
    if (block.thread != 0) return;
    const bool enough = tally.possible >= (args.replacement ? 1 : args.n);
    if (range.valid && !enough) args.tooFew.note(double(tally.possible), double(row));
    found[row] = {range.valid && enough ? tally.last : -1, range.greatest};
  });
}

/** Descending. */
struct MakeDrawKey {
  const double* keys;
  int64_t classes;
  GV_HD WideOrderKey operator()(int64_t row, int64_t k) const {
    return {~orderBits(keys[row * classes + k]), uint64_t(k)};
  }
};

struct EmitDraw {
  const Row* rows;
  int32_t* y;
  int64_t n;
  GV_HD void operator()(int64_t row, int64_t place, const WideOrderKey& key) const {
    y[row * n + place] = rows[row].last < 0 ? 0 : int32_t(key.position);
  }
};

}  // namespace

namespace run {

void randint(const Call& call) {
  const int64_t lo = call.integer(4);
  eachWord<int32_t>(call, IntegerMap{lo, uint64_t(call.integer(5) - lo)});
}

// The swaps of Fisher and Yates: place i with one of those from i on.
void randperm(const Call& call) {
  const PhiloxState state(call);
  const int n = int(call.integer(4));
  int32_t* const y = call.out[0].data<int32_t>();
  Workspace workspace(call, size_t(n) * 3 * sizeof(int32_t));
  int32_t *const partner = workspace.as<int32_t>(), *const first = partner + n, *const waiting = first + n;
  forEach((int64_t(n) + 3) / 4, [=] GV_DEVICE(int64_t group) {
    const Philox p = Philox::at(state.key, state.counter + uint64_t(group));
    for (int j = 0; j < 4; j++) {
      const int64_t i = 4 * group + j;
      if (i >= n) break;
      y[i] = waiting[i] = int32_t(i);
      partner[i] = int32_t(i + int64_t(uint64_t(p.v[j]) * uint64_t(n - i) >> 32));
    }
  });
  if (n <= 256) return swapAll<32>(y, partner, first, waiting, n);
  swapAll<1024>(y, partner, first, waiting, n);
}

void truncatedNormal(const Call& call) {
  // The lower tail has digits that 1 - p would lose, so an interval on the right is mirrored.
  const bool mirrored = call.number(6) > 0;
  const double lo = mirrored ? -call.number(7) : call.number(6), hi = mirrored ? -call.number(6) : call.number(7);
  eachWord<float>(call, TruncatedNormalMap{call.number(4), call.number(5), lo, hi, ops::normalCdf(lo),
                                           ops::normalCdf(hi), mirrored});
}

void multinomial(const Call& call) {
  const Shape shape = call.in[0].shape;
  const int64_t rows = shape.count(0, shape.rank() - 1), n = call.integer(4);
  if (rows == 0 || n == 0) return;
  const Multinomial m(call);
  const int64_t classes = m.classes;
  int32_t* const y = call.out[0].data<int32_t>();
  Workspace forWeights(call, size_t(rows * classes) * sizeof(double)), forRows(call, size_t(rows) * sizeof(Row));
  const double* const prepared = forWeights.as<double>();
  const Row* const found = forRows.as<Row>();
  const float* const weights = call.in[0].data<float>();
  if (classes <= 64)
    prepareRows<32>(m, weights, rows, forWeights.as<double>(), forRows.as<Row>());
  else
    prepareRows<256>(m, weights, rows, forWeights.as<double>(), forRows.as<Row>());
  if (!m.replacement)
    return orderRows<WideOrderKey>(call, rows, classes, n, MakeDrawKey{prepared, classes}, EmitDraw{found, y, n});
  forEach(rows * n, [=] GV_DEVICE(int64_t i) {
    const int64_t row = i / n;
    const double* const sums = prepared + row * classes;
    const Row own = found[row];
    y[i] = 0;
    if (own.last < 0) return;
    const double at = m.state.uniform(i) * sums[classes - 1];
    int64_t low = 0, high = own.last;
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (sums[middle] <= at)
        low = middle + 1;
      else
        high = middle;
    }
    // Sums that were taken in parallel may grow by a rounding where the weight is zero.
    while (!(m.weight(weights[row * classes + low], own.greatest) > 0)) low++;
    y[i] = int32_t(low);
  });
}

}  // namespace run
}  // namespace gv::cuda
