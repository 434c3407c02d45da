// Compares the kernels with naive double loops over random odd shapes, on every instruction set that was built.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "cpu/amx.h"
#include "cpu/conv.h"
#include "cpu/gemm.h"
#include "cpu/pool.h"
#include "hwy/highway.h"
#include "kernels.h"

namespace gv::cpu {
namespace {

std::mt19937 random32(7);
int failures = 0;

int64_t pick(int64_t low, int64_t high) { return low + static_cast<int64_t>(random32() % (high - low + 1)); }

std::vector<float> randomFloats(int64_t count) {
  std::vector<float> values(count);
  for (float& v : values) v = static_cast<float>(random32() >> 8) / (1 << 23) - 1.0f;
  return values;
}

void compare(const std::string& what, const std::vector<float>& got, const std::vector<double>& want, double scale) {
  double worst = 0;
  for (size_t i = 0; i < want.size(); i++) {
    const double error = std::abs(got[i] - want[i]);
    worst = std::isnan(error) ? std::numeric_limits<double>::infinity() : std::max(worst, error);
  }
  if (worst > 1.5e-6 * scale + 1e-30) {
    failures++;
    std::printf("  FAILED %s: error %.2e, allowed %.2e\n", what.c_str(), worst, 1.5e-6 * scale);
  }
}

void checkGemm(int64_t m, int64_t n, int64_t k, bool transA, bool transB, float beta, bool withBias) {
  const int64_t lda = (transA ? m : k) + pick(0, 3), ldb = (transB ? k : n) + pick(0, 3), ldc = n + pick(0, 3);
  // Exactly as many floats as the rows need, so that a sanitizer sees a read behind the last one.
  const auto size = [](int64_t rows, int64_t columns, int64_t ld) { return rows == 0 ? 0 : (rows - 1) * ld + columns; };
  const auto a = randomFloats(size(transA ? k : m, transA ? m : k, lda));
  const auto b = randomFloats(size(transB ? n : k, transB ? k : n, ldb));
  const auto bias = randomFloats(n);
  auto c = randomFloats(size(m, n, ldc));
  std::vector<double> want(c.begin(), c.end());
  if (beta == 0.0f) {
    for (int64_t i = 0; i < m; i++) std::fill_n(c.begin() + i * ldc, n, std::nanf(""));
  }
  for (int64_t i = 0; i < m; i++) {
    for (int64_t j = 0; j < n; j++) {
      double sum = withBias ? bias[j] : 0.0;
      for (int64_t p = 0; p < k; p++) {
        sum += static_cast<double>(a[transA ? p * lda + i : i * lda + p]) * b[transB ? j * ldb + p : p * ldb + j];
      }
      want[i * ldc + j] = beta == 0.0f ? sum : sum + beta * want[i * ldc + j];
    }
  }
  gemm({transA, transB, m, n, k, a.data(), lda, b.data(), ldb, c.data(), ldc, beta, withBias ? bias.data() : nullptr});
  const std::string sizes = "m " + std::to_string(m) + " n " + std::to_string(n) + " k " + std::to_string(k);
  compare("gemm " + sizes + (transA ? " TA" : "") + (transB ? " TB" : "") + " beta " + std::to_string(beta), c, want,
          4.0 + std::sqrt(static_cast<double>(k)));
}

void checkGemms() {
  const int64_t sizes[] = {0, 1, 2, 3, 5, 12, 13, 16, 17, 31, 33, 64, 100, 193};
  for (int i = 0; i < 220; i++) {
    const auto size = [&] { return sizes[pick(0, 13)]; };
    const float beta = i % 3 == 0 ? 0.0f : i % 3 == 1 ? 1.0f : 0.5f;
    checkGemm(size(), size(), i % 5 == 0 ? pick(300, 900) : size(), i % 2, i / 2 % 2, beta, i % 7 < 3);
  }
  checkGemm(400, 700, 650, false, true, 0.0f, true);
  checkGemm(700, 400, 650, true, false, 1.0f, false);
  checkGemm(1, 3000, 500, false, false, 0.0f, true);
  checkGemm(3000, 1, 500, false, true, 0.0f, true);
  checkGemm(1, 3000, 500, true, true, 0.0f, true);
  checkGemm(3000, 1, 500, true, false, 1.0f, true);

  // Each product of a batch is checked against the single one, with a repeated left operand.
  const int64_t m = 9, n = 21, k = 17, batch = 13;
  const auto a = randomFloats(m * k), b = randomFloats(batch * k * n);
  std::vector<float> got(batch * m * n), one(m * n);
  gemmBatched({false, false, m, n, k, a.data(), k, b.data(), n, got.data(), n, 0.0f, nullptr}, batch, 0, k * n, m * n);
  for (int64_t i = 0; i < batch; i++) {
    gemm({false, false, m, n, k, a.data(), k, b.data() + i * k * n, n, one.data(), n, 0.0f, nullptr});
    compare("gemmBatched", std::vector<float>(got.begin() + i * m * n, got.begin() + (i + 1) * m * n),
            std::vector<double>(one.begin(), one.end()), 0.0);
  }

  std::vector<float> x(40 * 40, 1.0f), y(40 * 40, 1.0f), z(40 * 40);
  x[3 * 40 + 5] = std::nanf("");
  y[7] = std::numeric_limits<float>::infinity();
  gemm({false, false, 40, 40, 40, x.data(), 40, y.data(), 40, z.data(), 40, 0.0f, nullptr});
  int bad = 0;
  for (int i = 0; i < 40; i++) {
    for (int j = 0; j < 40; j++) {
      const float v = z[i * 40 + j];
      const bool right = i == 3 ? std::isnan(v) : j == 7 ? std::isinf(v) : v == 40.0f;
      bad += right ? 0 : 1;
    }
  }
  if (bad > 0) {
    failures++;
    std::printf("  FAILED gemm: NaN or infinity went astray in %d places\n", bad);
  }
}

/** All three passes of one shape, against the sums as the definition has them. */
void checkConv(const ConvShape& s) {
  const int64_t inC = s.c / std::max<int64_t>(s.groups, 1), outC = s.k / s.groups;
  const auto x = randomFloats(s.n * s.h * s.w * s.c), w = randomFloats(s.k * s.kh * s.kw * inC);
  const auto bias = randomFloats(s.k);
  const auto dy = randomFloats(s.n * s.oh * s.ow * s.k);
  const bool withBias = random32() % 2 == 0;
  std::vector<double> y(dy.size(), 0.0), dx(x.size(), 0.0), dw(w.size(), 0.0);
  for (int64_t n = 0; n < s.n; n++) {
    for (int64_t oy = 0; oy < s.oh; oy++) {
      for (int64_t ox = 0; ox < s.ow; ox++) {
        for (int64_t o = 0; o < s.k; o++) {
          const int64_t out = ((n * s.oh + oy) * s.ow + ox) * s.k + o;
          if (withBias) y[out] = bias[o];
          for (int64_t ky = 0; ky < s.kh; ky++) {
            for (int64_t kx = 0; kx < s.kw; kx++) {
              const int64_t iy = oy * s.strideH - s.padTop + ky * s.dilationH;
              const int64_t ix = ox * s.strideW - s.padLeft + kx * s.dilationW;
              if (iy < 0 || iy >= s.h || ix < 0 || ix >= s.w) continue;
              for (int64_t i = 0; i < inC; i++) {
                const int64_t in = ((n * s.h + iy) * s.w + ix) * s.c + o / outC * inC + i;
                const int64_t weight = ((o * s.kh + ky) * s.kw + kx) * inC + i;
                y[out] += static_cast<double>(x[in]) * w[weight];
                dx[in] += static_cast<double>(dy[out]) * w[weight];
                dw[weight] += static_cast<double>(dy[out]) * x[in];
              }
            }
          }
        }
      }
    }
  }
  std::string name = "conv";
  for (const int64_t value : {s.n, s.h, s.w, s.c, s.oh, s.ow, s.k, s.kh, s.kw, s.strideH, s.strideW, s.padTop, s.padLeft,
                              s.dilationH, s.dilationW, s.groups}) {
    name += " " + std::to_string(value);
  }
  const double window = static_cast<double>(s.kh * s.kw * inC), pixels = static_cast<double>(s.n * s.oh * s.ow);
  std::vector<float> got(y.size(), std::nanf(""));
  // The tolerance is that of plain summation; what Fast may add is checked by the winograd target.
  convForward(s, x.data(), w.data(), withBias ? bias.data() : nullptr, got.data(), ConvPrecision::Accurate);
  compare(name + " forward", got, y, 4 + std::sqrt(window));
  got.assign(dx.size(), std::nanf(""));
  convInputGrad(s, dy.data(), w.data(), got.data(), ConvPrecision::Accurate);
  compare(name + " input gradient", got, dx, 4 + std::sqrt(static_cast<double>(s.kh * s.kw * outC)));
  got.assign(dw.size(), std::nanf(""));
  convWeightGrad(s, x.data(), dy.data(), got.data(), ConvPrecision::Accurate);
  compare(name + " weight gradient", got, dw, 4 + std::sqrt(pixels));
}

void checkConvs() {
  const int64_t channels[] = {1, 2, 3, 4, 5, 8, 15, 16, 17, 20, 32, 33, 48};
  for (int i = 0; i < 260; i++) {
    ConvShape s{};
    s.groups = i % 4 == 3 ? pick(2, 5) : 1;
    const bool depthwise = s.groups > 1 && i % 8 == 3;
    if (depthwise) s.groups = channels[pick(1, 12)];
    s.c = depthwise ? s.groups : s.groups * (s.groups > 1 ? pick(1, 9) : channels[pick(0, 12)]);
    s.k = depthwise ? s.groups : s.groups * (s.groups > 1 ? pick(1, 9) : channels[pick(0, 12)]);
    s.n = i % 37 == 0 ? 0 : i % 5 == 0 ? 13 : pick(1, 3);
    s.h = pick(1, 11);
    s.w = pick(1, 11);
    s.strideH = pick(1, 3);
    s.strideW = pick(1, 3);
    s.dilationH = i % 3 == 0 ? pick(1, 3) : 1;
    s.dilationW = i % 3 == 0 ? pick(1, 4) : 1;
    s.padTop = pick(0, 3);
    s.padLeft = pick(0, 3);
    s.kh = pick(1, 5);
    s.kw = pick(1, 5);
    const int64_t spanH = (s.kh - 1) * s.dilationH + 1, spanW = (s.kw - 1) * s.dilationW + 1;
    const int64_t roomH = s.h + s.padTop + pick(0, 2), roomW = s.w + s.padLeft + pick(0, 2);
    if (spanH > roomH || spanW > roomW) continue;
    s.oh = (roomH - spanH) / s.strideH + 1;
    s.ow = (roomW - spanW) / s.strideW + 1;
    checkConv(s);
  }
  // The layers of DCGAN-64 with fewer channels and images, both dense kinds, and a window larger than the image.
  checkConv({6, 64, 64, 3, 32, 32, 20, 4, 4, 2, 2, 1, 1, 1, 1, 1});
  checkConv({5, 16, 16, 32, 8, 8, 48, 4, 4, 2, 2, 1, 1, 1, 1, 1});
  checkConv({13, 8, 8, 48, 4, 4, 80, 4, 4, 2, 2, 1, 1, 1, 1, 1});
  checkConv({9, 4, 4, 64, 1, 1, 1, 4, 4, 1, 1, 0, 0, 1, 1, 1});
  checkConv({9, 4, 4, 64, 1, 1, 50, 4, 4, 1, 1, 0, 0, 1, 1, 1});
  checkConv({3, 7, 9, 33, 7, 9, 40, 1, 1, 1, 1, 0, 0, 1, 1, 1});
  checkConv({2, 2, 2, 40, 3, 3, 24, 5, 5, 1, 1, 3, 3, 1, 1, 1});
  checkConv({1, 20, 20, 16, 20, 20, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1});
  checkConv({2, 40, 40, 3, 40, 40, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1});
}

/** The same bits whatever the number of threads. */
void checkThreads() {
  const ConvShape shapes[] = {{7, 32, 32, 3, 16, 16, 40, 4, 4, 2, 2, 1, 1, 1, 1, 1},
                              {7, 16, 16, 48, 8, 8, 64, 4, 4, 2, 2, 1, 1, 1, 1, 1},
                              {7, 12, 12, 40, 12, 12, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1},
                              {7, 12, 12, 40, 12, 12, 40, 3, 3, 1, 1, 1, 1, 1, 1, 40}};
  std::vector<std::vector<float>> results[3];
  const int threads[] = {1, 2, 5};
  for (int run = 0; run < 3; run++) {
    setThreadCount(threads[run]);
    random32.seed(11);
    for (const ConvShape& s : shapes) {
      const auto x = randomFloats(s.n * s.h * s.w * s.c), w = randomFloats(s.k * s.kh * s.kw * s.c / s.groups);
      const auto dy = randomFloats(s.n * s.oh * s.ow * s.k);
      std::vector<float> y(dy.size()), dx(x.size()), dw(w.size());
      convForward(s, x.data(), w.data(), nullptr, y.data());
      convInputGrad(s, dy.data(), w.data(), dx.data());
      convWeightGrad(s, x.data(), dy.data(), dw.data());
      for (auto* result : {&y, &dx, &dw}) results[run].push_back(std::move(*result));
    }
    for (const int64_t m : {1, 130, 400}) {
      const auto a = randomFloats(m * 500), b = randomFloats(500 * 300);
      std::vector<float> c(m * 300);
      gemm({false, false, m, 300, 500, a.data(), 500, b.data(), 300, c.data(), 300, 0.0f, nullptr});
      results[run].push_back(std::move(c));
    }
  }
  setThreadCount(0);
  if (results[0] != results[1] || results[0] != results[2]) {
    failures++;
    std::printf("  FAILED threads: results depend on their number\n");
  }
}

void checkPool() {
  std::vector<int> hits(1000, 0);
  for (int round = 0; round < 200; round++) parallelFor(1000, [&](int64_t i) { hits[i]++; });
  parallelFor(10, [&](int64_t) { parallelFor(100, [](int64_t) {}); });
  if (!std::all_of(hits.begin(), hits.end(), [](int h) { return h == 200; })) {
    failures++;
    std::printf("  FAILED pool: a chunk ran twice or never\n");
  }
  bool caught = false;
  try {
    parallelFor(100, [](int64_t i) { if (i == 57) throw 1; });
  } catch (int) {
    caught = true;
  }
  if (!caught) {
    failures++;
    std::printf("  FAILED pool: an exception did not reach the caller\n");
  }
}

}  // namespace

int checkKernels() {
  checkPool();
  checkThreads();
  allowAmx(false);
  for (const int64_t target : builtTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    random32.seed(7);
    const int before = failures;
    checkGemms();
    checkConvs();
    std::printf("%s: %d failures\n", hwy::TargetName(target), failures - before);
  }
  hwy::SetSupportedTargetsForTest(0);
  allowAmx(true);
  return failures + checkMatrixUnit();
}

}  // namespace gv::cpu
