// Kernels of ops/minibatch.h: a block for each sample i and feature b goes over the other samples j, some at a time.
// First a thread for each j finds how alike the pair is; then a thread for each of the C numbers adds up what the j's
// give it.
#include "../ops/minibatch.h"

#include <cmath>

#include "../engine/philox.h"
#include "call.h"

namespace gv::cuda {
namespace {

constexpr int kThreads = 128;

/** m, h and dm are [N, B, C], gy and y are [N, B]; what an op lacks is null. */
struct Similarity {
  int64_t samples, features, depth;
  const float *m, *gy, *h;
  float *y, *dm;
};

GV_HD inline float signOf(float x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x; }

/** kOrder: 1 for the similarity, 2 for its gradient, 3 for the gradient's. */
template <int kOrder>
struct OverPairs {
  Similarity s;

  GV_DEVICE void operator()(const Block& block) const {
    const int64_t i = block.index / s.features, f = block.index % s.features, own = block.index * s.depth;
    float* const weights = reinterpret_cast<float*>(block.shared);  // of the j's at hand
    float sum = 0;
    for (int64_t first = 0; first < s.samples; first += kThreads) {
      const int64_t j = first + block.thread, pair = j * s.features + f;
      float weight = 0;
      if (j < s.samples && j != i) weight = weigh(own, block.index, pair, sum);
      if (kOrder == 1) continue;
      weights[block.thread] = weight;
      block.sync();
      const int64_t count = s.samples - first < kThreads ? s.samples - first : kThreads;
      for (int64_t c = block.thread; c < s.depth; c += kThreads) {
        float total = first > 0 ? s.dm[own + c] : 0.0f;
        const float mine = s.m[own + c];
        for (int64_t k = 0; k < count; k++)
          if (first + k != i)
            total += weights[k] * signOf(mine - s.m[((first + k) * s.features + f) * s.depth + c]);
        s.dm[own + c] = total;
      }
      block.sync();
    }
    if (kOrder == 2) return;
    sum = block.sum(sum);
    if (block.thread == 0) s.y[block.index] = sum;
  }

  /** What sign(m_i - m_j) is multiplied with in dm; adds to `sum` what the pair gives to y. */
  GV_DEVICE float weigh(int64_t own, int64_t a, int64_t b, float& sum) const {
    float distance = 0, q = 0;
    for (int64_t c = 0; c < s.depth; c++) {
      const float difference = s.m[own + c] - s.m[b * s.depth + c];
      distance += fabsf(difference);
      if (kOrder == 3) q += signOf(difference) * (s.h[own + c] - s.h[b * s.depth + c]);
    }
    const float alike = expf(-distance);
    if (kOrder == 1) {
      sum += alike;
      return 0;
    }
    if (kOrder == 2) return -alike * (s.gy[a] + s.gy[b]);
    sum -= q * alike;
    return q * alike * (s.gy[a] + s.gy[b]);
  }
};

/** The inputs are h, gy and m, of which an op of lower order lacks the first; the outputs are y and dm. */
template <int kOrder>
void overPairs(const Call& call) {
  const Tensor& m = call.in.back();
  Similarity s{m.shape[0], m.shape[1], m.shape[2], m.data<float>(), nullptr, nullptr, nullptr, nullptr};
  if (kOrder > 1) {
    s.gy = call.in[call.in.size() - 2].data<float>();
    s.dm = call.out.back().data<float>();
  }
  if (kOrder > 2) s.h = call.in[0].data<float>();
  if (kOrder != 2) s.y = call.out[0].data<float>();
  forBlocks<kThreads>(s.samples * s.features, kThreads * sizeof(float), OverPairs<kOrder>{s});
}

}  // namespace

namespace run {
void minibatchSimilarity(const Call& call) { overPairs<1>(call); }
void minibatchSimilarityGrad(const Call& call) { overPairs<2>(call); }
void minibatchSimilarityGradGrad(const Call& call) { overPairs<3>(call); }
}  // namespace run
}  // namespace gv::cuda
