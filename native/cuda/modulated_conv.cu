// Kernels of ops/modulated_conv.h. The gradient reads gy and x once for dx and the sums over pixels; the noise, whose
// gradient is a sum over channels, takes a second pass.
#include "../ops/modulated_conv.h"

#include "activation.h"
#include "call.h"
#include "pack.h"
#include "rows.h"
#include "sums.h"

namespace gv::cuda {
namespace {

/** The inputs of scaleAct: x is [samples, rows, channels]; noise and bias may be null. */
struct Scaled {
  FinishArgs finish;
  const float *x, *scale, *noise = nullptr, *bias = nullptr;
  int64_t samples, rows, channels, noiseSize = 0;

  Scaled(const Call& call, size_t first, const ScaleActArgs& args) : finish(args.finish) {
    const Shape& shape = call.in[first].shape;
    samples = shape[0];
    rows = shape.count(1, shape.rank() - 1);
    channels = shape.last();
    x = call.in[first].data<float>();
    scale = call.in[first + 1].data<float>();
    if (args.hasNoise) {
      noise = call.in[first + 2].data<float>();
      noiseSize = call.in[first + 2].size();
    }
    if (args.hasBias) bias = call.in[first + 2 + args.hasNoise].data<float>();
  }

  /** What is added in row `row` of all samples' rows to channel c. */
  GV_HD float added(int64_t row, int64_t c) const {
    return (noise ? noise[row % noiseSize] : 0.0f) + (bias ? bias[c] : 0.0f);
  }
  GV_HD float scaleAt(int64_t row, int64_t c) const { return scale[row / rows * channels + c]; }
  GV_HD float result(float v, int64_t row, int64_t c) const {
    return gv::cuda::finish(finish, v * scaleAt(row, c) + added(row, c));
  }
  /** The gradient by what the activation sees. */
  GV_HD float gradient(float g, float v, int64_t row, int64_t c) const {
    return finishGradFromResult(finish, g, result(v, row, c));
  }
};

template <int W>
void forward(const Scaled& scaled, float* y) {
  const Scaled s = scaled;
  const int64_t columns = s.channels / W;
  forEach(s.samples * s.rows * columns, [=] GV_DEVICE(int64_t i) {
    const int64_t row = i / columns, c = i % columns * W;
    Numbers<W> v = loadPack<W>(s.x + i * W);
    for (int k = 0; k < W; k++) v.at[k] = s.result(v.at[k], row, c + k);
    storePack<W>(y + i * W, v);
  });
}

/** dscale, and what each sample adds to dbias; writes dx on the way. Columns are W channels each. */
template <int W>
struct Backward {
  using Part = Sums<2 * W>;
  Scaled scaled;
  const float* gy;
  float *dx, *dscale, *dbias;  // dbias [samples, channels] or null

  struct Loaded {
    Numbers<W> gy, x;
  };
  GV_DEVICE Part part(int64_t sample, int64_t first, int64_t end, int64_t step, int64_t column) const {
    const Scaled& s = scaled;
    const int64_t c = column * W;
    RunningSums<2 * W> sums;
    const auto at = [&](int64_t r) { return (sample * s.rows + r) * s.channels + c; };
    const auto load = [&](int64_t r) { return Loaded{loadPack<W>(gy + at(r)), loadPack<W>(s.x + at(r))}; };
    overRows(first, end, step, load, [&](int64_t r, const Loaded& from) {
      const int64_t row = sample * s.rows + r;
      Numbers<W> d;
      for (int k = 0; k < W; k++) {
        const float dz = s.gradient(from.gy.at[k], from.x.at[k], row, c + k);
        d.at[k] = dz * s.scaleAt(row, c + k);
        sums.run[k] += dz * from.x.at[k];
        sums.run[W + k] += dz;
      }
      storePack<W>(dx + at(r), d);
      sums.endRow();
    });
    return sums.sums();
  }
  GV_DEVICE Part join(const Part& a, const Part& b) const { return cuda::join(a, b); }
  GV_DEVICE void store(int64_t column, const Part& p) const {
    for (int k = 0; k < W; k++) {
      dscale[column * W + k] = float(p.at[k]);
      if (dbias) dbias[column * W + k] = float(p.at[W + k]);
    }
  }
};

/** The gradient by the noise of each row. */
struct NoiseGrad {
  Scaled scaled;
  const float* gy;
  float* dnoise;

  template <class Team>
  GV_DEVICE void operator()(const Team& team) const {
    float sum = 0;
    for (int64_t c = team.thread; c < scaled.channels; c += team.threads) {
      const int64_t at = team.index * scaled.channels + c;
      sum += scaled.gradient(gy[at], scaled.x[at], team.index, c);
    }
    sum = team.sum(sum);
    if (team.thread == 0) dnoise[team.index] = sum;
  }
};

/** The gradient by the noise, [N or 1, ...]. */
void noiseGrad(const Call& call, const Scaled& s, const float* gy, const Tensor& out) {
  const bool shared = out.shape[0] != s.samples;
  const Workspace parts(call, shared ? size_t(s.samples * s.rows) * sizeof(float) : 0);
  float* const each = shared ? parts.as<float>() : out.data<float>();
  eachRow(s.samples * s.rows, s.channels, NoiseGrad{s, gy, each});
  if (shared) sumColumns(call, each, s.samples, s.rows, out.data<float>());
}

}  // namespace

namespace run {

void scaleAct(const Call& call) {
  const Scaled scaled(call, 0, ScaleActArgs::decode(call));
  float* const y = call.out[0].data<float>();
  if (scaled.channels % 4 == 0)
    forward<4>(scaled, y);
  else
    forward<1>(scaled, y);
}

void scaleActGrad(const Call& call) {
  const ScaleActArgs args = ScaleActArgs::decode(call);
  const Scaled s(call, 1, args);
  const float* const gy = call.in[0].data<float>();
  float* const dx = call.out[0].data<float>();
  const bool empty = call.out[0].size() == 0;
  const Workspace parts(call, args.hasBias ? size_t(s.samples * s.channels) * sizeof(float) : 0);
  float* const dbias = parts.as<float>();
  if (empty)
    sumColumns(call, nullptr, 0, call.out[1].size(), call.out[1].data<float>());
  else if (s.channels % 4 == 0)
    fold(call, {s.samples, s.rows, s.channels / 4}, Backward<4>{s, gy, dx, call.out[1].data<float>(), dbias});
  else
    fold(call, {s.samples, s.rows, s.channels}, Backward<1>{s, gy, dx, call.out[1].data<float>(), dbias});
  if (args.hasNoise) noiseGrad(call, s, gy, call.out[2]);
  if (args.hasBias)
    sumColumns(call, dbias, empty ? 0 : s.samples, s.channels, call.out[2 + args.hasNoise].data<float>());
}

}  // namespace run
}  // namespace gv::cuda
