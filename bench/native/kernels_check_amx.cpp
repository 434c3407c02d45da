// Checks the matrix products on AMX: against sums in double precision and the error of the vector kernels, with values
// that overflow or vanish when cut into pieces, and for the same bits with any number of threads. Also bf16 products,
// which run everywhere, and bf16 convolutions.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include "cpu/amx.h"
#include "cpu/conv.h"
#include "cpu/gemm.h"
#include "cpu/gemm_amx.h"
#include "cpu/pool.h"
#include "kernels.h"

namespace gv::cpu {
namespace {

std::mt19937 random32(11);
int failures = 0;

int64_t pick(int64_t low, int64_t high) { return low + static_cast<int64_t>(random32() % (high - low + 1)); }

float uniform() { return static_cast<float>(random32() >> 8) / (1 << 23) - 1.0f; }

/** A product with its operands, which hold no more than their rows need. */
struct Case {
  int64_t m, n, k, lda, ldb, ldc;
  bool transA, transB, withBias;
  float beta;
  std::vector<float> a, b, bias, c;

  Case(int64_t m, int64_t n, int64_t k, bool transA, bool transB, float beta, bool withBias)
      : m(m), n(n), k(k), lda((transA ? m : k) + pick(0, 3)), ldb((transB ? k : n) + pick(0, 3)), ldc(n + pick(0, 3)),
        transA(transA), transB(transB), withBias(withBias), beta(beta) {
    const auto size = [](int64_t rows, int64_t columns, int64_t ld) { return rows == 0 ? 0 : (rows - 1) * ld + columns; };
    a.resize(size(transA ? k : m, transA ? m : k, lda));
    b.resize(size(transB ? n : k, transB ? k : n, ldb));
    c.resize(size(m, n, ldc));
    bias.resize(n);
    for (auto* values : {&a, &b, &c, &bias}) std::generate(values->begin(), values->end(), uniform);
  }

  float& left(int64_t i, int64_t p) { return a[transA ? p * lda + i : i * lda + p]; }
  float& right(int64_t p, int64_t j) { return b[transB ? j * ldb + p : p * ldb + j]; }

  GemmArgs args(float* out) const {
    return {transA, transB, m, n, k, a.data(), lda, b.data(), ldb, out, ldc, beta, withBias ? bias.data() : nullptr};
  }

  double expected(int64_t i, int64_t j) {
    double sum = (withBias ? bias[j] : 0.0) + (beta == 0.0f ? 0.0 : static_cast<double>(beta) * c[i * ldc + j]);
    for (int64_t p = 0; p < k; p++) sum += static_cast<double>(left(i, p)) * right(p, j);
    return sum;
  }

  /** Root of the mean squared error, and the largest. */
  std::pair<double, double> errors(const std::vector<float>& got) {
    double squares = 0, worst = 0;
    for (int64_t i = 0; i < m; i++) {
      for (int64_t j = 0; j < n; j++) {
        const double error = std::abs(got[i * ldc + j] - expected(i, j));
        squares += error * error;
        worst = error <= worst ? worst : error;  // a NaN stays
      }
    }
    return {std::sqrt(squares / static_cast<double>(std::max<int64_t>(m * n, 1))), worst};
  }
};

void fail(const char* what, const Case& x, double got, double allowed) {
  failures++;
  std::printf("  FAILED %s: m %ld n %ld k %ld%s%s beta %g: error %.2e, allowed %.2e\n", what, long(x.m), long(x.n),
              long(x.k), x.transA ? " TA" : "", x.transB ? " TB" : "", x.beta, got, allowed);
}

std::vector<float> output(const Case& x) {
  return x.beta == 0.0f ? std::vector<float>(x.c.size(), std::nanf("")) : x.c;
}

/** The error must not exceed that of the vector kernels, but for chance in small samples. */
void compareWithVectors(const char* what, Case& x) {
  std::vector<float> amx = output(x), vectors = output(x);
  gemmAmx(x.args(amx.data()));
  gemmVector(x.args(vectors.data()));
  const auto [rms, worst] = x.errors(amx);
  const auto [vectorRms, vectorWorst] = x.errors(vectors);
  // Matrix-vector products are dot products there, in more and shorter sums than any matrix product has.
  if (x.m == 1 || x.n == 1) {
    const double allowed = 1.5e-6 * (4 + std::sqrt(static_cast<double>(x.k)));
    if (!(worst <= allowed)) fail(what, x, worst, allowed);
    return;
  }
  const double rounding = 6e-8 * (1 + std::sqrt(static_cast<double>(x.k)) / 3);
  if (!(rms <= 1.1 * vectorRms + 0.2 * rounding)) fail(what, x, rms, vectorRms);
  if (!(worst <= 1.5 * vectorWorst + 2 * rounding)) fail(what, x, worst, vectorWorst);
}

void checkSizes() {
  for (int64_t size = 1; size <= 70; size++) {
    Case x(size, pick(1, 70), pick(1, 70), size % 2, size / 2 % 2, float(size % 3) / 2, size % 5 < 2);
    compareWithVectors("amx", x);
  }
  const int64_t sizes[] = {1, 15, 16, 17, 31, 32, 33, 63, 65, 100, 128, 257, 300};
  for (int i = 0; i < 60; i++) {
    const auto size = [&] { return sizes[pick(0, 12)]; };
    Case x(size(), size(), i % 4 == 0 ? pick(300, 1700) : size(), i % 2, i / 2 % 2, float(i % 3) / 2, i % 7 < 3);
    compareWithVectors("amx", x);
  }
  Case wide(40, 1100, 700, false, true, 0.0f, true), tall(1100, 500, 70, true, false, 1.0f, false);
  compareWithVectors("amx", wide);
  compareWithVectors("amx", tall);
}

/** Sums that cancel: pairs of large terms of opposite sign, and small ones that are the result. */
void checkCancellation() {
  Case x(64, 64, 512, false, true, 0.0f, false);
  for (int64_t p = 0; p < x.k; p += 2) {
    for (int64_t i = 0; i < x.m; i++) x.left(i, p + 1) = x.left(i, p) * 1000.0f, x.left(i, p) = x.left(i, p + 1);
    for (int64_t j = 0; j < x.n; j++) x.right(p + 1, j) = -x.right(p, j) * (1.0f + 1e-4f * uniform());
  }
  std::vector<float> amx = output(x), vectors = output(x);
  gemmAmx(x.args(amx.data()));
  gemmVector(x.args(vectors.data()));
  if (x.errors(amx).first > 1.1 * x.errors(vectors).first) fail("cancellation", x, x.errors(amx).first, x.errors(vectors).first);
}

/** Operands scaled by powers of two: errors relative to the largest term, down to where products are denormal. */
void checkMagnitudes() {
  for (const auto& [scaleA, scaleB] : std::vector<std::pair<int, int>>{
           {-100, 0}, {0, -100}, {-120, 60}, {-60, -60}, {-50, -50}, {-70, -70}, {-145, 20}, {120, -120}, {126, -30},
           {60, 60}, {127, -127}, {-30, -90}}) {
    Case x(40, 50, 96, false, false, 0.0f, false);
    for (float& v : x.a) v = std::ldexp(v, scaleA);
    for (float& v : x.b) v = std::ldexp(v, scaleB);
    std::vector<float> got = output(x);
    gemmAmx(x.args(got.data()));
    const double scale = std::ldexp(1.0, scaleA + scaleB), allowed = 1e-5 * scale + 1e-43 * x.k;
    if (!(x.errors(got).second <= allowed)) fail("magnitudes", x, x.errors(got).second, allowed);
  }
  // One small row among ordinary ones: the bound is relative to the panel, see gemm_amx.h.
  Case x(64, 64, 64, false, false, 0.0f, false);
  for (int64_t p = 0; p < x.k; p++) x.left(5, p) *= 1e-36f;
  std::vector<float> got = output(x);
  gemmAmx(x.args(got.data()));
  if (!(x.errors(got).second < 1e-5)) fail("small row", x, x.errors(got).second, 1e-5);
}

/** NaN, infinity and FLT_MAX reach the elements that a plain loop gives them, and no others. */
void checkSpecials() {
  const float specials[] = {std::nanf(""), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::max()};
  for (int i = 0; i < 40; i++) {
    Case x(pick(33, 90), pick(33, 90), pick(32, 700), i % 2, i / 2 % 2, i % 3 == 0 ? 1.0f : 0.0f, i % 4 == 0);
    for (int put = 0; put < 3; put++) {
      const float value = specials[pick(0, 3)];
      (put % 2 ? x.left(pick(0, x.m - 1), pick(0, x.k - 1)) : x.right(pick(0, x.k - 1), pick(0, x.n - 1))) = value;
    }
    std::vector<float> amx = output(x), vectors = output(x);
    gemmAmx(x.args(amx.data()));
    gemmVector(x.args(vectors.data()));
    for (int64_t r = 0; r < x.m; r++) {
      for (int64_t j = 0; j < x.n; j++) {
        const float u = amx[r * x.ldc + j], v = vectors[r * x.ldc + j];
        const bool same = std::isnan(v) ? std::isnan(u) : std::isinf(v) ? u == v : std::abs(u - v) <= 1e-4f + 1e-5f * std::abs(v);
        if (same) continue;
        fail("special values", x, u, v);
        return;
      }
    }
  }
}

void checkThreads() {
  for (const auto& [m, n, k] : std::vector<std::array<int64_t, 3>>{{128, 500, 300}, {700, 600, 128}, {90, 2000, 1100}}) {
    Case x(m, n, k, false, true, 0.0f, true);
    for (int i = 0; i < 4; i++) x.left(pick(0, m - 1), pick(0, k - 1)) = 1e38f;  // some panels take the vector kernels
    std::vector<float> first;
    for (const int threads : {1, 2, 3, 4}) {
      setThreadCount(threads);
      std::vector<float> got(x.c.size());
      gemmAmx(x.args(got.data()));
      if (first.empty()) first = got;
      if (std::memcmp(first.data(), got.data(), got.size() * sizeof(float)) != 0) fail("threads", x, threads, 1);
    }
  }
  setThreadCount(0);
}

void checkBF16(Case x, bool rounded) {
  const auto narrow = [](std::vector<float>& values) {
    std::vector<ops::BF16> bits(values.size());
    for (size_t i = 0; i < values.size(); i++) values[i] = ops::fromBF16(bits[i] = ops::toBF16(values[i]));
    return bits;
  };
  if (rounded) x.beta = 0.0f;
  const std::vector<ops::BF16> a = narrow(x.a), b = narrow(x.b);
  std::vector<float> got = output(x);
  std::vector<ops::BF16> bits(got.size(), ops::BF16{0x7fc0});
  gemmBF16({x.transA, x.transB, x.m, x.n, x.k, a.data(), x.lda, b.data(), x.ldb, rounded ? nullptr : got.data(),
            rounded ? bits.data() : nullptr, x.ldc, x.beta, x.withBias ? x.bias.data() : nullptr});
  const double sum = 1.5e-6 * (4 + std::sqrt(static_cast<double>(x.k)));
  for (int64_t i = 0; i < x.m; i++) {
    for (int64_t j = 0; j < x.n; j++) {
      const double want = x.expected(i, j);
      const double value = rounded ? ops::fromBF16(bits[i * x.ldc + j]) : got[i * x.ldc + j];
      const double allowed = sum + (rounded ? std::abs(want) / 256 : 0);
      if (std::abs(value - want) <= allowed) continue;
      return fail(rounded ? "bf16 rounded" : "bf16", x, value - want, allowed);
    }
  }
}

void checkBF16Sizes() {
  const int64_t sizes[] = {0, 1, 2, 3, 15, 16, 17, 31, 32, 33, 64, 100, 193, 300};
  for (int i = 0; i < 160; i++) {
    const auto size = [&] { return sizes[pick(0, 13)]; };
    Case x(size(), size(), i % 6 == 0 ? pick(700, 2300) : size(), i % 2, i / 2 % 2, float(i % 3) / 2, i % 7 < 3);
    checkBF16(std::move(x), i / 4 % 2);
  }
  // Each product of a batch against the single one.
  const int64_t m = 20, n = 24, k = 40, batch = 9;
  std::vector<ops::BF16> a(m * k), b(batch * k * n), got(batch * m * n), one(m * n);
  for (auto* values : {&a, &b}) std::generate(values->begin(), values->end(), [] { return ops::toBF16(uniform()); });
  GemmBF16Args args{false, false, m, n, k, a.data(), k, b.data(), n, nullptr, got.data(), n, 0.0f, nullptr};
  gemmBF16Batched(args, batch, 0, k * n, m * n);
  args.cRounded = one.data();
  for (int64_t i = 0; i < batch; i++, args.b += k * n) {
    gemmBF16(args);
    if (std::memcmp(one.data(), got.data() + i * m * n, one.size() * sizeof one[0]) == 0) continue;
    failures++;
    std::printf("  FAILED gemmBF16Batched\n");
  }
}

/** The bf16 convolutions against the float32 ones, over strides, dilations, padding and odd sizes. */
void checkBF16Convs() {
  const auto fill = [](std::vector<float>& values, int64_t count) {
    std::vector<ops::BF16> bits(count);
    values.resize(count);
    for (int64_t i = 0; i < count; i++) values[i] = ops::fromBF16(bits[i] = ops::toBF16(uniform()));
    return bits;
  };
  for (int i = 0; i < 150; i++) {
    ConvShape s{};
    s.groups = 1;
    for (int64_t* size : {&s.kh, &s.kw}) *size = pick(1, 5);
    for (int64_t* size : {&s.c, &s.k}) *size = pick(1, 40);
    for (int64_t* size : {&s.strideH, &s.strideW}) *size = pick(1, 3);
    s.n = i % 3 == 0 ? pick(1, 3) : pick(14, 40);  // tiles of neighbouring pixels, or of images
    for (int64_t* size : {&s.dilationH, &s.dilationW}) *size = pick(1, 2);
    for (int64_t* size : {&s.h, &s.w}) *size = pick(1, 14);
    for (int64_t* size : {&s.padTop, &s.padLeft}) *size = pick(0, 3);
    s.oh = std::max<int64_t>(1, (s.h + s.padTop + pick(0, 3) - (s.kh - 1) * s.dilationH - 1) / s.strideH + 1);
    s.ow = std::max<int64_t>(1, (s.w + s.padLeft + pick(0, 3) - (s.kw - 1) * s.dilationW - 1) / s.strideW + 1);
    std::vector<float> x, w, dy;
    const auto x16 = fill(x, s.n * s.h * s.w * s.c), w16 = fill(w, s.k * s.kh * s.kw * s.c);
    const auto dy16 = fill(dy, s.n * s.oh * s.ow * s.k);
    std::vector<float> y(dy.size()), dx(x.size()), dw(w.size()), got(w.size(), std::nanf(""));
    convForward(s, x.data(), w.data(), nullptr, y.data(), ConvPrecision::Accurate);
    convInputGrad(s, dy.data(), w.data(), dx.data(), ConvPrecision::Accurate);
    convWeightGrad(s, x.data(), dy.data(), dw.data(), ConvPrecision::Accurate);
    const auto compare = [&](const char* what, const std::vector<float>& want, const std::vector<float>& have, float part) {
      for (size_t j = 0; j < want.size(); j++) {
        if (std::abs(have[j] - want[j]) <= 2e-5f + part * std::abs(want[j])) continue;
        failures++;
        std::printf("  FAILED bf16 convolution %d, %s: %g, not %g\n", i, what, have[j], want[j]);
        return;
      }
    };
    const auto widened = [](const std::vector<ops::BF16>& bits) {
      std::vector<float> values(bits.size());
      std::transform(bits.begin(), bits.end(), values.begin(), ops::fromBF16);
      return values;
    };
    std::vector<ops::BF16> y16(y.size(), ops::BF16{0x7fc0}), dx16(dx.size(), ops::BF16{0x7fc0});
    constexpr float kRounding = 1.0f / 256;
    if (convForwardBF16(s, x16.data(), w16.data(), y16.data())) compare("forward", y, widened(y16), kRounding);
    if (convInputGradBF16(s, dy16.data(), w16.data(), dx16.data())) compare("input gradient", dx, widened(dx16), kRounding);
    if (convWeightGradBF16(s, x16.data(), dy16.data(), got.data())) compare("weight gradient", dw, got, 3e-5f);
  }
}

}  // namespace

int checkMatrixUnit() {
  failures = 0;
  for (const bool allow : {false, true}) {
    allowAmx(allow);
    checkBF16Sizes();
  }
  checkBF16Convs();
  if (amxAvailable()) {
    checkSizes();
    checkCancellation();
    checkMagnitudes();
    checkSpecials();
    checkThreads();
  }
  std::printf("AMX%s: %d failures\n", amxAvailable() ? "" : " (not here)", failures);
  return failures;
}

}  // namespace gv::cpu
