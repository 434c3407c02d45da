// Kernels of ops/modulated_conv.h. A piece is some rows (pixels) of one sample; the gradient reads gy and x once, writes
// dx, and adds up the scale's and the bias' gradients per piece: in f32 over 64 rows, in double and in order beyond.
#include "ops/modulated_conv.h"

#include <algorithm>

#include "cpu/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/modulated_conv.cpp"
#include "cpu/simd.h"
#include "cpu/activation-inl.h"

#ifndef GV_CPU_MODULATED_CONV_ONCE
#define GV_CPU_MODULATED_CONV_ONCE
namespace gv::cpu {
namespace {

/** Some rows of one sample; noise has a number per row, or is null. */
struct ScaledRows {
  const float *x, *scale, *bias, *noise;
  int64_t rows, channels;
};

/** Where the gradient of such rows goes; noise may be null, sums are [channels]. */
struct ScaledRowsGrad {
  const float* gy;
  float *dx, *noise;
  double *scale, *bias;
  float* work;  // 2 (channels + 64) floats
};

constexpr int64_t kWorkPad = 64;

}  // namespace
}  // namespace gv::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

template <Activation A, int kRows>
HWY_INLINE void ScaleSome(const ScaledRows& p, int64_t row, float* HWY_RESTRICT y, const Finish& f) {
  const int64_t n = p.channels;
  V noise[kRows];
  for (int r = 0; r < kRows; r++) noise[r] = hn::Set(D(), p.noise ? p.noise[row + r] : 0.0f);
  overLanes(n, [&](int64_t j, auto at) HWY_ATTR {
    const V s = at.load(p.scale + j), b = at.load(p.bias + j);
    for (int r = 0; r < kRows; r++) {
      const int64_t k = (row + r) * n + j;
      const V z = hn::MulAdd(at.load(p.x + k), s, hn::Add(noise[r], b));
      at.store(finish<A>(z, f), y + k);
    }
  });
}

void ScaleRows(FinishArgs args, const ScaledRows& p, float* y) {
  withActivation(args.activation.kind, [&](auto tag) HWY_ATTR {
    constexpr Activation A = decltype(tag)::value;
    const Finish f(args);
    int64_t r = 0;
    for (; r + 4 <= p.rows; r += 4) ScaleSome<A, 4>(p, r, y, f);
    for (; r < p.rows; r++) ScaleSome<A, 1>(p, r, y, f);
  });
}

template <Activation A, int kRows>
HWY_INLINE void ScaleGradSome(const ScaledRows& p, const ScaledRowsGrad& g, int64_t row, float* HWY_RESTRICT sumScale,
                              float* HWY_RESTRICT sumBias, const Finish& f) {
  const int64_t n = p.channels;
  V noise[kRows], total[kRows];
  for (int r = 0; r < kRows; r++) {
    noise[r] = hn::Set(D(), p.noise ? p.noise[row + r] : 0.0f);
    total[r] = hn::Zero(D());
  }
  overLanes(n, [&](int64_t j, auto at) HWY_ATTR {
    const V s = at.load(p.scale + j), b = at.load(p.bias + j);
    V ds = hn::LoadU(D(), sumScale + j), db = hn::LoadU(D(), sumBias + j);
    for (int r = 0; r < kRows; r++) {
      const int64_t k = (row + r) * n + j;
      const V x = at.load(p.x + k);
      const V y = finish<A>(hn::MulAdd(x, s, hn::Add(noise[r], b)), f);
      const V dz = finishGradFromResult<A>(at.load(g.gy + k), y, f);
      at.store(hn::Mul(dz, s), g.dx + k);
      ds = hn::MulAdd(dz, x, ds);
      db = hn::Add(db, dz);
      total[r] = hn::Add(total[r], dz);
    }
    hn::StoreU(ds, D(), sumScale + j);
    hn::StoreU(db, D(), sumBias + j);
  });
  if (g.noise)
    for (int r = 0; r < kRows; r++) g.noise[row + r] = hn::GetLane(hn::SumOfLanes(D(), total[r]));
}

void ScaleGradRows(FinishArgs args, const ScaledRows& p, const ScaledRowsGrad& g) {
  constexpr int64_t kBlockRows = 64;
  static_assert(kLanes <= kWorkPad, "the last vector of a sum may pass its end");
  float *const sumScale = g.work, *const sumBias = sumScale + p.channels + kWorkPad;
  std::fill_n(g.scale, p.channels, 0.0);
  std::fill_n(g.bias, p.channels, 0.0);
  withActivation(args.activation.kind, [&](auto tag) HWY_ATTR {
    constexpr Activation A = decltype(tag)::value;
    const Finish f(args);
    for (int64_t r = 0; r < p.rows;) {
      const int64_t end = std::min(r + kBlockRows, p.rows);
      std::fill_n(g.work, 2 * (p.channels + kWorkPad), 0.0f);
      for (; r + 4 <= end; r += 4) ScaleGradSome<A, 4>(p, g, r, sumScale, sumBias, f);
      for (; r < end; r++) ScaleGradSome<A, 1>(p, g, r, sumScale, sumBias, f);
      for (int64_t c = 0; c < p.channels; c++) {
        g.scale[c] += double(sumScale[c]);
        g.bias[c] += double(sumBias[c]);
      }
    }
  });
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
namespace {

HWY_EXPORT(ScaleRows);
HWY_EXPORT(ScaleGradRows);

/** The tensors of a call, x being input `first`, cut into pieces that depend on the shape alone. */
class ScalePieces {
 public:
  ScalePieces(const Call& call, size_t first, const ScaleActArgs& args) {
    const Shape& shape = call.in[first].shape;
    samples = shape[0];
    channels = shape.last();
    rows = shape.count(1, shape.rank() - 1);
    pieceRows = std::clamp<int64_t>(65536 / std::max<int64_t>(channels, 1), 1, std::max<int64_t>(rows, 1));
    perSample = (rows + pieceRows - 1) / pieceRows;
    x_ = call.in[first].data<float>();
    scale_ = call.in[first + 1].data<float>();
    if (args.hasNoise) {
      noise_ = call.in[first + 2].data<float>();
      noiseStride_ = call.in[first + 2].shape[0] == samples ? rows : 0;
    }
    if (args.hasBias) bias_ = call.in[first + 2 + args.hasNoise].data<float>();
  }

  int64_t count() const { return channels == 0 ? 0 : samples * perSample; }
  /** Pieces that together are worth a thread's attention. */
  int64_t grain() const { return std::max<int64_t>(1, 16384 / std::max<int64_t>(pieceRows * channels, 1)); }
  int64_t sample(int64_t piece) const { return piece / perSample; }
  int64_t row(int64_t piece) const { return piece % perSample * pieceRows; }
  int64_t offset(int64_t piece) const { return (sample(piece) * rows + row(piece)) * channels; }

  /** `zeros` [channels] stands in for a bias that is not there. */
  ScaledRows piece(int64_t k, const float* zeros) const {
    return {x_ + offset(k), scale_ + sample(k) * channels, bias_ ? bias_ : zeros,
            noise_ ? noise_ + sample(k) * noiseStride_ + row(k) : nullptr,
            std::min(pieceRows, rows - row(k)), channels};
  }

  int64_t samples, channels, rows, pieceRows, perSample;

 private:
  const float *x_, *scale_, *noise_ = nullptr, *bias_ = nullptr;
  int64_t noiseStride_ = 0;
};

}  // namespace

namespace run {

void scaleAct(const Call& call) {
  const ScaleActArgs args = ScaleActArgs::decode(call);
  const ScalePieces pieces(call, 0, args);
  float* const y = call.out[0].data<float>();
  Workspace space(call, size_t(pieces.channels) * sizeof(float));
  float* const zeros = space.as<float>();
  std::fill_n(zeros, pieces.channels, 0.0f);
  const auto kernel = HWY_DYNAMIC_DISPATCH(ScaleRows);
  parallelRange(pieces.count(), pieces.grain(), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k++) kernel(args.finish, pieces.piece(k, zeros), y + pieces.offset(k));
  });
}

void scaleActGrad(const Call& call) {
  const ScaleActArgs args = ScaleActArgs::decode(call);
  const ScalePieces pieces(call, 1, args);
  const int64_t C = pieces.channels, R = pieces.rows, count = pieces.count();
  const float* const gy = call.in[0].data<float>();
  float *const dx = call.out[0].data<float>(), *const dscale = call.out[1].data<float>();
  float* const dnoise = args.hasNoise ? call.out[2].data<float>() : nullptr;
  // Noise that all samples share collects a gradient from each; they are added up afterwards.
  const bool sharedNoise = dnoise && call.out[2].shape[0] != pieces.samples;

  Workspace sums(call, size_t(2 * count * C) * sizeof(double));
  double *const scaleSums = sums.as<double>(), *const biasSums = scaleSums + count * C;
  Workspace space(call, size_t(C + (sharedNoise ? pieces.samples * R : 0)) * sizeof(float));
  float *const zeros = space.as<float>(), *const noiseParts = sharedNoise ? zeros + C : dnoise;
  std::fill_n(zeros, C, 0.0f);
  Workspace work(call, size_t(count * 2 * (C + kWorkPad)) * sizeof(float));
  const auto kernel = HWY_DYNAMIC_DISPATCH(ScaleGradRows);
  parallelRange(count, pieces.grain(), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k++) {
      const int64_t at = pieces.offset(k);
      float* const noise = dnoise ? noiseParts + pieces.sample(k) * R + pieces.row(k) : nullptr;
      kernel(args.finish, pieces.piece(k, zeros),
             {gy + at, dx + at, noise, scaleSums + k * C, biasSums + k * C,
              work.as<float>() + k * 2 * (C + kWorkPad)});
    }
  });

  const auto total = [&](const double* parts, int64_t first, int64_t n, int64_t c) {
    double sum = 0;
    for (int64_t k = first; k < first + n; k++) sum += parts[k * C + c];
    return float(sum);
  };
  const int64_t perSample = count == 0 ? 0 : pieces.perSample;
  for (int64_t n = 0; n < pieces.samples; n++)
    for (int64_t c = 0; c < C; c++) dscale[n * C + c] = total(scaleSums, n * perSample, perSample, c);
  if (args.hasBias) {
    float* const dbias = call.out[2 + args.hasNoise].data<float>();
    for (int64_t c = 0; c < C; c++) dbias[c] = total(biasSums, 0, count, c);
  }
  if (dnoise && count == 0) std::fill_n(dnoise, call.out[2].size(), 0.0f);
  if (!sharedNoise || count == 0) return;
  for (int64_t r = 0; r < R; r++) {
    double sum = 0;
    for (int64_t n = 0; n < pieces.samples; n++) sum += double(noiseParts[n * R + r]);
    dnoise[r] = float(sum);
  }
}

}  // namespace run
}  // namespace gv::cpu
#endif
