// channelNorm and affineAct of ops/norm.h: a fold over the rows for the moments of each sample and channel, a small one
// over everything that shares statistics, and one pass that normalises. The gradient: norm_grad.cu.
#include "norm.h"

#include "norm_sets.h"

namespace gv::cuda {
namespace {

/** Moments of each [batch, channel]. */
template <class T>
struct ChannelMoments {
  using Part = Moments;
  const T* x;
  int64_t rows, channels;
  Moments* out;

  GV_DEVICE Part part(int64_t b, int64_t first, int64_t end, int64_t step, int64_t c) const {
    const T* const at = x + b * rows * channels + c;
    RunningMoments m;
    overRows(first, end, step, [&](int64_t r) { return widen(at[r * channels]); },
             [&](int64_t, float v) { m.add(v); });
    return m.moments();
  }
  GV_DEVICE Part join(const Part& a, const Part& b) const { return joined(a, b); }
  GV_DEVICE void store(int64_t at, const Part& m) const { out[at] = m; }
};

/** Mean and rstd of each set and group, from the moments of its members; `lost` is what rounding took from the mean. */
struct SharedMoments {
  using Part = Moments;
  NormSets sets;
  const Moments* each;
  double eps;
  float *mean, *rstd, *lost;

  GV_DEVICE Part part(int64_t group, int64_t first, int64_t end, int64_t step, int64_t) const {
    Moments m = each[sets.member(group, first)];
    for (int64_t k = first + step; k < end; k += step) m = joined(m, each[sets.member(group, k)]);
    return m;
  }
  GV_DEVICE Part join(const Part& a, const Part& b) const { return joined(a, b); }
  GV_DEVICE void store(int64_t group, const Part& m) const {
    const float rounded = float(m.mean), r = rstdOf(m.squares / m.n, eps), rest = float(m.mean - double(rounded));
    for (int64_t k = group * sets.groupSize; k < (group + 1) * sets.groupSize; k++) {
      mean[k] = rounded;
      rstd[k] = r;
      lost[k] = rest;
    }
  }
};

template <class T>
struct Normalise {
  ActivationArgs activation;
  NormSets sets;
  int64_t rows;
  const T* x;
  T* y;
  const float *gamma, *beta, *mean, *rstd, *lost;

  GV_DEVICE void operator()(int64_t b, int64_t c, int64_t first, int64_t end, int64_t step) const {
    const int64_t set = sets.statistic(b, c), own = sets.parameter(b, c), C = sets.channels, base = b * rows * C + c;
    const float middle = mean[set], scale = gamma[own] * rstd[set];
    // What rounding the mean to f32 lost goes into the shift, or a mean of 1e4 would cost four digits of y.
    const float shift = beta[own] - lost[set] * scale;
    overRows(first, end, step, [&](int64_t r) { return widen(x[base + r * C]); }, [&](int64_t r, float v) {
      y[base + r * C] = ops::Cast<T>()(activate(activation, (v - middle) * scale + shift));
    });
  }
};

template <class T>
struct Affine {
  ActivationArgs activation;
  int64_t rows, channels, perSample;  // perSample: channels where each sample has a scale of its own, else 0
  const T* x;
  T* y;
  const float *scale, *shift;

  GV_DEVICE void operator()(int64_t b, int64_t c, int64_t first, int64_t end, int64_t step) const {
    const float s = scale[b * perSample + c], h = shift[b * perSample + c];
    const int64_t base = b * rows * channels + c;
    overRows(first, end, step, [&](int64_t r) { return widen(x[base + r * channels]); }, [&](int64_t r, float v) {
      y[base + r * channels] = ops::Cast<T>()(activate(activation, v * s + h));
    });
  }
};

template <class T>
void channelNormOf(const Call& call) {
  const NormArgs args = NormArgs::decode(call);
  const NormShape s = NormShape::byChannel(call.in[0].shape, args.group);
  const NormSets sets = NormSets::of(call, s, call.in[1].shape);
  float *const mean = call.out[1].data<float>(), *const rstd = call.out[2].data<float>();
  if (s.batch * s.rows == 0) {
    const float r = rstdOf(0, args.eps);
    return forEach(call.out[1].size(), [=] GV_DEVICE(int64_t i) {
      mean[i] = 0;
      rstd[i] = r;
    });
  }
  const Workspace each(call, size_t(s.batch * s.channels) * sizeof(Moments));
  const Workspace lost(call, call.out[1].bytes());
  const T* const x = call.in[0].data<T>();
  fold(call, {s.batch, s.rows, s.channels}, ChannelMoments<T>{x, s.rows, s.channels, each.as<Moments>()});
  fold(call, {sets.groups(), sets.members(), 1},
       SharedMoments{sets, each.as<Moments>(), args.eps, mean, rstd, lost.as<float>()});
  overColumns(s.batch, s.rows, s.channels,
              Normalise<T>{args.activation, sets, s.rows, x, call.out[0].data<T>(), call.in[1].data<float>(),
                           call.in[2].data<float>(), mean, rstd, lost.as<float>()});
}

template <class T>
void affineActOf(const Call& call) {
  const bool perSample = call.in[1].shape.rank() > 1;
  const NormShape s = NormShape::byChannel(call.in[0].shape, perSample ? call.in[1].shape[0] : 1);
  overColumns(s.batch, s.rows, s.channels,
              Affine<T>{ActivationArgs::decode(call, 0), s.rows, s.channels, perSample ? s.channels : 0,
                        call.in[0].data<T>(), call.out[0].data<T>(), call.in[1].data<float>(),
                        call.in[2].data<float>()});
}

}  // namespace

namespace run {

void channelNorm(const Call& call) {
  if (call.in[0].dtype == DType::BF16) return channelNormOf<ops::BF16>(call);
  channelNormOf<float>(call);
}

void affineAct(const Call& call) {
  if (call.in[0].dtype == DType::BF16) return affineActOf<ops::BF16>(call);
  affineActOf<float>(call);
}

}  // namespace run
}  // namespace gv::cuda
