// The gradient of channelNorm in ops/norm.h: a fold over the rows for two sums of each sample and channel, small ones
// for the parameters and for what shares statistics, and one pass for dx.
#include "norm.h"

#include "norm_sets.h"

namespace gv::cuda {
namespace {

/** What the passes over gy and x know: y = act((x - mean) scale + shift). */
template <class T>
struct Forward {
  ActivationArgs activation;
  NormSets sets;
  int64_t rows;
  const T *gy, *x;
  const float *gamma, *beta, *mean, *rstd;
};

/** Of one channel of one sample: the gradient before the activation at its rows, and x - mean. */
template <class T>
struct Channel {
  const T *gy, *x;
  float mean, scale, shift;

  struct Place {
    float gradient, deviation;
  };

  GV_DEVICE Channel(const Forward<T>& f, int64_t b, int64_t c) {
    const int64_t base = b * f.rows * f.sets.channels + c, own = f.sets.parameter(b, c), set = f.sets.statistic(b, c);
    gy = f.gy + base;
    x = f.x + base;
    mean = f.mean[set];
    scale = f.gamma[own] * f.rstd[set];
    shift = f.beta[own];
  }
  GV_DEVICE Place load(int64_t at) const { return {widen(gy[at]), widen(x[at])}; }
  GV_DEVICE Place before(const ActivationArgs& activation, const Place& p) const {
    const float d = p.deviation - mean;
    return {activationGrad(activation, p.gradient, d * scale + shift), d};
  }
};

/** For each [batch, channel]: the sums over rows of g and of g xhat, g being the gradient before the activation. */
template <class T>
struct GradSums {
  using Part = TwoSums;
  Forward<T> f;
  TwoSums* out;

  GV_DEVICE Part part(int64_t b, int64_t first, int64_t end, int64_t step, int64_t c) const {
    using Place = typename Channel<T>::Place;
    const Channel<T> channel(f, b, c);
    RunningSum sum, product;
    const auto load = [&](int64_t r) { return channel.load(r * f.sets.channels); };
    overRows(first, end, step, load, [&](int64_t, const Place& loaded) {
      const Place p = channel.before(f.activation, loaded);
      sum.add(p.gradient);
      product.add(p.gradient * p.deviation);
    });
    return {sum.sum(), product.sum()};
  }
  GV_DEVICE Part join(const Part& a, const Part& b) const { return AddTwoSums()(a, b); }
  GV_DEVICE void store(int64_t at, const Part& p) const {
    const int64_t b = at / f.sets.channels, c = at - b * f.sets.channels;
    out[at] = {p.first, p.second * double(f.rstd[f.sets.statistic(b, c)])};
  }
};

/** dgamma and dbeta: one row for each sample, or the sum over the samples. */
struct ParameterGrads {
  using Part = TwoSums;
  const TwoSums* each;
  int64_t channels;
  float *dgamma, *dbeta;

  GV_DEVICE Part part(int64_t sample, int64_t first, int64_t end, int64_t step, int64_t c) const {
    Part p{0, 0};
    for (int64_t b = first; b < end; b += step) p = AddTwoSums()(p, each[(sample + b) * channels + c]);
    return p;
  }
  GV_DEVICE Part join(const Part& a, const Part& b) const { return AddTwoSums()(a, b); }
  GV_DEVICE void store(int64_t at, const Part& p) const {
    dbeta[at] = float(p.first);
    dgamma[at] = float(p.second);
  }
};

/** What is subtracted in a group: dx = scale g - outer - inner (x - mean). */
struct SharedSums {
  using Part = TwoSums;
  NormSets sets;
  const TwoSums* each;
  const float *gamma, *rstd;
  double count;  // of the elements that share a mean
  float *outer, *inner;

  GV_DEVICE Part part(int64_t group, int64_t first, int64_t end, int64_t step, int64_t) const {
    Part p{0, 0};
    for (int64_t k = first; k < end; k += step) {
      const int64_t at = sets.member(group, k), c = at % sets.channels;
      const double scale = double(gamma[sets.perSample ? at : c]);
      p = AddTwoSums()(p, {scale * each[at].first, scale * each[at].second});
    }
    return p;
  }
  GV_DEVICE Part join(const Part& a, const Part& b) const { return AddTwoSums()(a, b); }
  GV_DEVICE void store(int64_t group, const Part& p) const {
    const double r = double(rstd[group * sets.groupSize]);
    for (int64_t k = group * sets.groupSize; k < (group + 1) * sets.groupSize; k++) {
      outer[k] = float(r * p.first / count);
      inner[k] = float(r * r * p.second / count);
    }
  }
};

template <class T>
struct GradInput {
  Forward<T> f;
  const float *outer, *inner;
  T* dx;

  GV_DEVICE void operator()(int64_t b, int64_t c, int64_t first, int64_t end, int64_t step) const {
    const Channel<T> channel(f, b, c);
    const int64_t C = f.sets.channels, set = f.sets.statistic(b, c);
    const float level = outer[set], along = inner[set];
    T* const out = dx + b * f.rows * C + c;
    using Place = typename Channel<T>::Place;
    overRows(first, end, step, [&](int64_t r) { return channel.load(r * C); }, [&](int64_t r, const Place& loaded) {
      const Place p = channel.before(f.activation, loaded);
      out[r * C] = ops::Cast<T>()(channel.scale * p.gradient - level - along * p.deviation);
    });
  }
};

template <class T>
void channelNormGradOf(const Call& call) {
  const NormArgs args = NormArgs::decode(call);
  const NormShape s = NormShape::byChannel(call.in[1].shape, args.group);
  const NormSets sets = NormSets::of(call, s, call.in[2].shape);
  float *const dgamma = call.out[1].data<float>(), *const dbeta = call.out[2].data<float>();
  if (s.batch * s.rows == 0)
    return forEach(call.out[1].size(), [=] GV_DEVICE(int64_t i) { dgamma[i] = dbeta[i] = 0; });
  const Forward<T> f{args.activation,           sets,
                     s.rows,                    call.in[0].data<T>(),
                     call.in[1].data<T>(),      call.in[2].data<float>(),
                     call.in[3].data<float>(),  call.in[4].data<float>(),
                     call.in[5].data<float>()};
  const Workspace each(call, size_t(s.batch * s.channels) * sizeof(TwoSums));
  TwoSums* const sums = each.as<TwoSums>();
  fold(call, {s.batch, s.rows, s.channels}, GradSums<T>{f, sums});
  const FoldShape parameters{sets.perSample ? s.batch : 1, sets.perSample ? 1 : s.batch, s.channels};
  fold(call, parameters, ParameterGrads{sums, s.channels, dgamma, dbeta});

  const int64_t statistics = call.in[4].size();
  const Workspace shared(call, size_t(2 * statistics) * sizeof(float));
  float *const outer = shared.as<float>(), *const inner = outer + statistics;
  fold(call, {sets.groups(), sets.members(), 1},
       SharedSums{sets, sums, f.gamma, f.rstd, double(s.rows * sets.members()), outer, inner});
  overColumns(s.batch, s.rows, s.channels, GradInput<T>{f, outer, inner, call.out[0].data<T>()});
}

}  // namespace

namespace run {

void channelNormGrad(const Call& call) {
  if (call.in[1].dtype == DType::BF16) return channelNormGradOf<ops::BF16>(call);
  channelNormGradOf<float>(call);
}

}  // namespace run
}  // namespace gv::cuda
