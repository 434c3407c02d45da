// Kernels of ops/random.h: a thread makes the four numbers of one counter. The words and what is exact about the CPU's
// numbers are the CPU's; logarithms, sines and cosines are rounded as the device's library does.
#include "../ops/random.h"

#include <cmath>

#include "call.h"

namespace gv::cuda {
namespace {

/** a b rounded, which nvcc would otherwise not do before an addition. */
GV_HD inline float product(float a, float b) {
#ifdef __CUDA_ARCH__
  return __fmul_rn(a, b);
#else
  return a * b;
#endif
}

struct alignas(16) Four {
  float v[4];
};

struct UniformMap {
  float lo, range, below;
  GV_HD Four operator()(const Philox& w) const {
    Four y;
    // lo + range * u may round up to hi.
    for (int i = 0; i < 4; i++) y.v[i] = fminf(product(uniform01(w.v[i]), range) + lo, below);
    return y;
  }
};

struct NormalMap {
  float mean, deviation;
  GV_HD Four operator()(const Philox& w) const {
    Four y;
    for (int i = 0; i < 4; i += 2) {
      const float radius = product(sqrtf(-2.0f * logf(uniform01Open(w.v[i]))), deviation);
      const float angle = uniform01(w.v[i + 1]) * 6.28318530717958648f;
      y.v[i] = product(radius, cosf(angle)) + mean;
      y.v[i + 1] = product(radius, sinf(angle)) + mean;
    }
    return y;
  }
};

struct BernoulliMap {
  float probability, value;
  GV_HD Four operator()(const Philox& w) const {
    Four y;
    for (int i = 0; i < 4; i++) y.v[i] = uniform01(w.v[i]) < probability ? value : 0.0f;
    return y;
  }
};

struct GumbelMap {
  float location, scale;
  GV_HD Four operator()(const Philox& w) const {
    Four y;
    for (int i = 0; i < 4; i++) {
      // As on the CPU: -log(1 - v), v = 1 - u half a step above the grid.
      const float v = fminf(uniform01(w.v[i]) + 0x1p-25f, 1 - 0x1p-24f);
      y.v[i] = fmaf(-scale, logf(-log1pf(-v)), location);
    }
    return y;
  }
};

template <class Map>
void generate(const Call& call, const ops::RandomArgs& args, Map map) {
  const int64_t n = call.out[0].size();
  const uint64_t key = args.key, counter = args.counter;
  float* const y = call.out[0].data<float>();
  forEach((n + 3) / 4, [=] GV_DEVICE(int64_t i) {
    const Four four = map(Philox::at(key, counter + uint64_t(i)));
    if (4 * i + 4 <= n) {
      reinterpret_cast<Four*>(y)[i] = four;
    } else {
      for (int k = 0; k < 4; k++)
        if (4 * i + k < n) y[4 * i + k] = four.v[k];
    }
  });
}

}  // namespace

namespace run {

void uniform(const Call& call) {
  const ops::RandomArgs args(call);
  generate(call, args, UniformMap{args.a, args.b - args.a, args.a < args.b ? std::nextafter(args.b, args.a) : args.a});
}

void normal(const Call& call) {
  const ops::RandomArgs args(call);
  generate(call, args, NormalMap{args.a, args.b});
}

void bernoulli(const Call& call) {
  const ops::RandomArgs args(call);
  generate(call, args, BernoulliMap{args.a, args.b});
}

void gumbel(const Call& call) {
  const ops::RandomArgs args(call);
  generate(call, args, GumbelMap{args.a, args.b});
}

}  // namespace run
}  // namespace gv::cuda
