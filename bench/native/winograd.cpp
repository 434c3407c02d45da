// Times the Winograd convolutions on the layers of DCGAN and of a ResNet GAN, all passes and both tiles, in turn with
// the implicit GEMM. GFLOP/s count the operations of the definition, so they may exceed the processor's peak.
// --one: one thread's processor time instead of wall time, for a machine that others use too.
// --check: compares with double-precision loops instead, on every instruction set.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "cpu/conv_kernels.h"
#include "cpu/pool.h"
#include "cpu/winograd.h"
#include "hwy/targets.h"

namespace gv::cpu {
namespace {

constexpr ConvPass kPasses[] = {ConvPass::Forward, ConvPass::InputGrad, ConvPass::WeightGrad};
const char* const kPassNames[] = {"forward", "input gradient", "weight gradient"};

struct Tensors {
  std::vector<float> x, w, y, bias;

  Tensors(const ConvShape& s, unsigned seed)
      : x(s.n * s.h * s.w * s.c), w(s.k * s.kh * s.kw * s.c), y(s.n * s.oh * s.ow * s.k), bias(s.k) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (auto* t : {&x, &w, &y, &bias}) {
      for (float& v : *t) v = normal(random);
    }
  }
};

/** Calls f(index of x, index of w, index of y) for each product of the convolution. */
template <class F>
void forEachProduct(const ConvShape& s, const F& f) {
  for (int64_t n = 0; n < s.n; n++)
    for (int64_t i = 0; i < s.oh; i++)
      for (int64_t j = 0; j < s.ow; j++)
        for (int64_t ky = 0; ky < s.kh; ky++)
          for (int64_t kx = 0; kx < s.kw; kx++) {
            const int64_t y = i * s.strideH + ky - s.padTop, x = j * s.strideW + kx - s.padLeft;
            if (y < 0 || y >= s.h || x < 0 || x >= s.w) continue;
            for (int64_t k = 0; k < s.k; k++) {
              const int64_t pixel = ((n * s.h + y) * s.w + x) * s.c, tap = ((k * s.kh + ky) * s.kw + kx) * s.c;
              const int64_t result = ((n * s.oh + i) * s.ow + j) * s.k + k;
              for (int64_t c = 0; c < s.c; c++) f(pixel + c, tap + c, result);
            }
          }
}

void runWinograd(ConvPass pass, const ConvShape& s, const Tensors& t, float* out, WinogradTile tile) {
  if (pass == ConvPass::Forward) winogradForward(s, t.x.data(), t.w.data(), t.bias.data(), out, tile);
  if (pass == ConvPass::InputGrad) winogradInputGrad(s, t.y.data(), t.w.data(), out, tile);
  if (pass == ConvPass::WeightGrad) winogradWeightGrad(s, t.x.data(), t.y.data(), out, tile);
}

/** What winograd.h competes with: the implicit matrix product, or dot products where those are taken. */
void runDirect(ConvPass pass, const ConvShape& s, const Tensors& t, float* out) {
  if (pass == ConvPass::WeightGrad) return convWeightGemm(s, t.x.data(), t.y.data(), out);
  const bool forward = pass == ConvPass::Forward;
  const auto run = (forward ? s.k : s.c) <= kNarrowColumns ? convNarrow : convGatherGemm;
  run(pass, s, forward ? t.x.data() : t.y.data(), t.w.data(), forward ? t.bias.data() : nullptr, out);
}

int64_t outputSize(ConvPass pass, const Tensors& t) {
  return pass == ConvPass::Forward ? t.y.size() : pass == ConvPass::InputGrad ? t.x.size() : t.w.size();
}

/** The pass by its definition, in double precision. */
std::vector<double> reference(ConvPass pass, const ConvShape& s, const Tensors& t) {
  std::vector<double> out(outputSize(pass, t));
  if (pass == ConvPass::Forward) {
    for (size_t i = 0; i < out.size(); i++) out[i] = t.bias[i % s.k];
    forEachProduct(s, [&](int64_t x, int64_t w, int64_t y) { out[y] += double(t.x[x]) * t.w[w]; });
  } else if (pass == ConvPass::InputGrad) {
    forEachProduct(s, [&](int64_t x, int64_t w, int64_t y) { out[x] += double(t.y[y]) * t.w[w]; });
  } else {
    forEachProduct(s, [&](int64_t x, int64_t w, int64_t y) { out[w] += double(t.y[y]) * t.x[x]; });
  }
  return out;
}

/** Largest error relative to the largest value, of a run into memory that held NaN. */
double errorOf(ConvPass pass, const ConvShape& s, const Tensors& t, const std::vector<double>& expected,
               WinogradTile tile) {
  std::vector<float> out(expected.size(), std::nanf(""));
  runWinograd(pass, s, t, out.data(), tile);
  double error = 0, largest = 1e-30;
  for (size_t i = 0; i < out.size(); i++) {
    const double e = std::fabs(out[i] - expected[i]);
    error = e <= error ? error : e;  // a NaN stays
    largest = std::max(largest, std::fabs(expected[i]));
  }
  return error / largest;
}

ConvShape shapeOf(int64_t n, int64_t h, int64_t w, int64_t c, int64_t k, int64_t kernel, int64_t stride, int64_t pad) {
  return {n, h,      w,      c,   (h + 2 * pad - kernel) / stride + 1, (w + 2 * pad - kernel) / stride + 1, k, kernel,
          kernel, stride, stride, pad, pad, 1, 1, 1};
}

std::string nameOf(const ConvShape& s) {
  char text[128];
  std::snprintf(text, sizeof text, "%3d x %3dx%-3d %3d->%-3d k%d s%d p%d,%d", int(s.n), int(s.h), int(s.w), int(s.c),
                int(s.k), int(s.kh), int(s.strideH), int(s.padTop), int(s.padLeft));
  return text;
}

/** Shapes that leave something over everywhere: tiles, channels, images, padding on one side only. */
std::vector<ConvShape> oddShapes() {
  std::vector<ConvShape> shapes;
  std::mt19937 random(7);
  const auto pick = [&](int64_t low, int64_t high) { return low + int64_t(random() % unsigned(high - low + 1)); };
  const int64_t kernels[][2] = {{4, 2}, {3, 1}, {4, 2}, {3, 1}, {3, 2}, {5, 2}, {2, 1}, {6, 2}};
  for (int i = 0; i < 80; i++) {
    const auto [kernel, stride] = kernels[i % 8];
    ConvShape s = shapeOf(pick(1, 3), pick(kernel, 30), pick(kernel, 30), pick(1, 70), pick(1, 70), kernel, stride,
                          pick(0, kernel - 1));
    s.padLeft = pick(0, kernel - 1);
    s.oh = std::max<int64_t>((s.h + s.padTop + pick(0, 2) - kernel) / stride + 1, 1);
    s.ow = std::max<int64_t>((s.w + s.padLeft + pick(0, 2) - kernel) / stride + 1, 1);
    shapes.push_back(s);
  }
  for (const auto [kernel, stride] : kernels) {
    shapes.push_back(shapeOf(1, kernel, kernel, 5, 3, kernel, stride, 0));   // a single result
    shapes.push_back(shapeOf(1, 90, 70, 3, 17, kernel, stride, 1));          // an image of several groups
    shapes.push_back(shapeOf(5, 2 * stride, 3, 129, 33, kernel, stride, 2)); // more padding than image
    shapes.push_back(shapeOf(40, 9, 9, 20, 40, kernel, stride, 1));          // many images in several groups
  }
  shapes.push_back(shapeOf(2, 8, 8, 256, 512, 4, 2, 1));  // long sums
  shapes.push_back(shapeOf(1, 16, 16, 256, 256, 3, 1, 1));
  return shapes;
}

int check() {
  int failures = 0;
  double worst[2][2][3] = {};
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    if (!winogradSupports(ConvPass::Forward, shapeOf(1, 8, 8, 8, 8, 3, 1, 1))) continue;
    double targetWorst = 0;
    unsigned seed = 1;
    for (const ConvShape& s : oddShapes()) {
      const Tensors t(s, seed++);
      const int r = int((s.kh + s.strideH - 1) / s.strideH);
      for (int pass = 0; pass < 3; pass++) {
        const std::vector<double> expected = reference(kPasses[pass], s, t);
        for (int tile = 0; tile < 2; tile++) {
          const double bound = tile == 1 ? 2e-6 : 1e-5;
          const double error = errorOf(kPasses[pass], s, t, expected, WinogradTile(tile));
          double& most = worst[tile][r - 2][pass];
          most = std::max(most, error);
          targetWorst = std::max(targetWorst, error);
          if (error <= bound) continue;
          failures++;
          std::printf("FAIL %s %s, tile %d: error %.2e\n", nameOf(s).c_str(), kPassNames[pass], tile, error);
        }
      }
    }
    std::printf("%-8s worst error %.2e\n", hwy::TargetName(target), targetWorst);
  }
  hwy::SetSupportedTargetsForTest(0);
  for (int tile = 0; tile < 2; tile++)
    for (int r = 2; r < 4; r++)
      std::printf("%s F(%d x %d, %d x %d): %.1e %.1e %.1e\n", tile == 0 ? "fast    " : "accurate", tile == 0 ? 4 : 2,
                  tile == 0 ? 4 : 2, r, r, worst[tile][r - 2][0], worst[tile][r - 2][1], worst[tile][r - 2][2]);
  std::printf("%d failures\n", failures);
  return failures;
}

/** The same bits with 1, 2 and 4 threads. */
int checkThreads() {
  int failures = 0;
  for (const ConvShape& s : {shapeOf(16, 16, 16, 64, 96, 4, 2, 1), shapeOf(1, 64, 64, 40, 32, 3, 1, 1),
                             shapeOf(1, 128, 96, 20, 32, 4, 2, 1)}) {
    const Tensors t(s, 1);
    for (const ConvPass pass : kPasses) {
      std::vector<std::vector<float>> results;
      for (const int threads : {1, 2, 4}) {
        setThreadCount(threads);
        results.emplace_back(outputSize(pass, t));
        runWinograd(pass, s, t, results.back().data(), WinogradTile::Fast);
        if (results.back() != results.front()) failures++;
      }
    }
  }
  setThreadCount(0);
  std::printf("threads: %d failures\n", failures);
  return failures;
}

bool oneThread = false;

/** Wall time, or the time this thread was on a processor. */
double seconds() {
  if (oneThread) {
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/** Runs the candidates in turn for a while; the 10 % quantile of each, in milliseconds. */
std::vector<double> timeInTurn(const std::vector<std::function<void()>>& candidates) {
  std::vector<std::vector<double>> times(candidates.size());
  for (const auto& run : candidates) run();
  const double begin = seconds();
  while (times[0].size() < 12 || (seconds() - begin < 0.3 && times[0].size() < 500)) {
    for (size_t i = 0; i < candidates.size(); i++) {
      const double start = seconds();
      candidates[i]();
      times[i].push_back((seconds() - start) * 1e3);
    }
  }
  std::vector<double> result;
  for (auto& t : times) {
    std::sort(t.begin(), t.end());
    result.push_back(t[t.size() / 10]);
  }
  return result;
}

void timeShape(const ConvShape& s) {
  const Tensors t(s, 1);
  const double flops = 2.0 * double(s.n * s.oh * s.ow * s.k * s.kh * s.kw * s.c);
  for (int pass = 0; pass < 3; pass++) {
    std::vector<float> out(outputSize(kPasses[pass], t));
    const auto winograd = [&](WinogradTile tile) {
      return [&, tile] { runWinograd(kPasses[pass], s, t, out.data(), tile); };
    };
    const auto direct = [&] { runDirect(kPasses[pass], s, t, out.data()); };
    const std::vector<double> ms = timeInTurn({winograd(WinogradTile::Fast), winograd(WinogradTile::Accurate), direct});
    std::printf("%s  %-15s", nameOf(s).c_str(), kPassNames[pass]);
    for (const double time : ms) std::printf(" %8.3f ms %5.0f", time, flops / time * 1e-6);
    std::printf("  x%.2f x%.2f\n", ms[2] / ms[0], ms[2] / ms[1]);
    std::fflush(stdout);
  }
}

void timeShapes() {
  for (const int64_t n : {64, 16}) {
    timeShape(shapeOf(n, 32, 32, 64, 128, 4, 2, 1));
    timeShape(shapeOf(n, 16, 16, 128, 256, 4, 2, 1));
    timeShape(shapeOf(n, 8, 8, 256, 512, 4, 2, 1));
    timeShape(shapeOf(n, 64, 64, 32, 64, 4, 2, 1));
    timeShape(shapeOf(n, 14, 14, 64, 128, 4, 2, 1));
    timeShape(shapeOf(n, 64, 64, 3, 64, 4, 2, 1));
  }
  timeShape(shapeOf(32, 32, 32, 128, 128, 3, 1, 1));
  timeShape(shapeOf(32, 16, 16, 256, 256, 3, 1, 1));
}

}  // namespace
}  // namespace gv::cpu

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "--check") == 0) return gv::cpu::check() + gv::cpu::checkThreads() == 0 ? 0 : 1;
  if (argc > 1 && std::strcmp(argv[1], "--one") == 0) {
    gv::cpu::oneThread = true;
    gv::cpu::setThreadCount(1);
  }
  gv::cpu::bindCaller();
  std::printf("%d threads; columns: fast, accurate, implicit GEMM (ms and GFLOP/s); speed-up of both\n", gv::cpu::threadCount());
  gv::cpu::timeShapes();
  return 0;
}
