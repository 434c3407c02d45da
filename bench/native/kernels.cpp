// Times the CPU kernels: matrix products and every convolution of DCGAN-64 at batch 64, in GFLOP/s and as a share of
// the register-only peak probed beside each one (the clock of a shared machine wanders). --check verifies instead;
// --cpu-time runs one thread and counts its processor time, which means something on a busy machine too.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "cpu/conv.h"
#include "cpu/gemm.h"
#include "cpu/pool.h"
#include "kernels.h"

namespace gv::cpu {
namespace {

bool cpuTime = false;

double seconds() {
  if (cpuTime) return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double peakGflops() {
  double best = 0;
  for (int i = 0; i < 3; i++) {
    const double start = seconds();
    best = std::max(best, benchPeak(200000) / (seconds() - start) * 1e-9);
  }
  return best;
}

void report(const std::string& name, double flops, const std::function<void()>& run) {
  run();
  std::vector<double> times;
  const double begin = seconds();
  while (times.size() < 5 || (seconds() - begin < 0.15 && times.size() < 2000)) {
    const double start = seconds();
    run();
    times.push_back(seconds() - start);
  }
  std::sort(times.begin(), times.end());
  const double median = times[times.size() / 2], best = times[0], peak = peakGflops();
  std::printf("%-36s %8.3f ms (best %8.3f) %7.1f GFLOP/s, %5.1f %% of %.0f (best %5.1f %%)\n", name.c_str(),
              median * 1e3, best * 1e3, flops / median * 1e-9, flops / median * 1e-7 / peak, peak, flops / best * 1e-7 / peak);
  std::fflush(stdout);
}

void timeGemm(int64_t m, int64_t n, int64_t k, bool transA, bool transB) {
  const std::vector<float> a(m * k, 0.5f), b(k * n, 0.25f);
  std::vector<float> c(m * n);
  const GemmArgs args{transA,   transB,             m,        n, k, a.data(), transA ? m : k, b.data(),
                      transB ? k : n, c.data(), n, 0.0f, nullptr};
  const std::string name = "gemm " + std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k) +
                           (transA ? " TN" : transB ? " NT" : " NN");
  report(name, 2.0 * static_cast<double>(m * n * k), [&] { gemm(args); });
}

void timeGemms() {
  for (const int64_t size : {256, 512, 1024, 2048}) timeGemm(size, size, size, false, false);
  timeGemm(1024, 1024, 1024, false, true);
  timeGemm(1024, 1024, 1024, true, false);
  const int64_t layers[][2] = {{100, 256}, {256, 512}, {512, 1024}, {1024, 784}, {784, 512}, {512, 256}, {256, 1}};
  for (const auto& [in, out] : layers) {
    timeGemm(128, out, in, false, true);
    timeGemm(128, in, out, false, false);
    timeGemm(out, in, 128, true, false);
  }
}

struct Layer {
  const char* name;
  ConvShape shape;
};

const Layer kLayers[] = {
    {"3->64 @64 (D1, G5)", {64, 64, 64, 3, 32, 32, 64, 4, 4, 2, 2, 1, 1, 1, 1, 1}},
    {"64->128 @32 (D2, G4)", {64, 32, 32, 64, 16, 16, 128, 4, 4, 2, 2, 1, 1, 1, 1, 1}},
    {"128->256 @16 (D3, G3)", {64, 16, 16, 128, 8, 8, 256, 4, 4, 2, 2, 1, 1, 1, 1, 1}},
    {"256->512 @8 (D4, G2)", {64, 8, 8, 256, 4, 4, 512, 4, 4, 2, 2, 1, 1, 1, 1, 1}},
    {"512->1 @4 (D5)", {64, 4, 4, 512, 1, 1, 1, 4, 4, 1, 1, 0, 0, 1, 1, 1}},
    {"512->100 @4 (G1)", {64, 4, 4, 512, 1, 1, 100, 4, 4, 1, 1, 0, 0, 1, 1, 1}},
    {"64->64 k3 s1 @32", {64, 32, 32, 64, 32, 32, 64, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"64->3 k3 s1 @32", {64, 32, 32, 64, 32, 32, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1}},
    {"64 depthwise k3 s1 @32", {64, 32, 32, 64, 32, 32, 64, 3, 3, 1, 1, 1, 1, 1, 1, 64}},
};

void timeConvs() {
  for (const auto& [name, s] : kLayers) {
    const int64_t weights = s.k * s.kh * s.kw * (s.c / s.groups);
    const std::vector<float> x(s.n * s.h * s.w * s.c, 0.5f), w(weights, 0.25f), dy(s.n * s.oh * s.ow * s.k, 0.5f);
    std::vector<float> y(dy.size()), dx(x.size()), dw(weights);
    const double flops = 2.0 * static_cast<double>(s.n * s.oh * s.ow * weights);
    report(std::string(name) + " forward", flops, [&] { convForward(s, x.data(), w.data(), nullptr, y.data()); });
    report(std::string(name) + " input grad", flops, [&] { convInputGrad(s, dy.data(), w.data(), dx.data()); });
    report(std::string(name) + " weight grad", flops, [&] { convWeightGrad(s, x.data(), dy.data(), dw.data()); });
  }
}

}  // namespace
}  // namespace gv::cpu

int main(int argc, char** argv) {
  gv::cpu::bindCaller();
  if (argc > 1 && std::strcmp(argv[1], "--check") == 0) return gv::cpu::checkKernels() == 0 ? 0 : 1;
  if (argc > 1 && std::strcmp(argv[1], "--cpu-time") == 0) {
    gv::cpu::cpuTime = true;
    gv::cpu::setThreadCount(1);
  }
  std::printf("%d threads, %.0f GFLOP/s in registers\n", gv::cpu::threadCount(), gv::cpu::peakGflops());
  gv::cpu::timeGemms();
  gv::cpu::timeConvs();
  return 0;
}
