// Decompositions of ops/linalg.h, one matrix a thread (ops/linalg_host.h). Covariances: linalg_scatter.cpp.
#include "ops/linalg.h"

#include "cpu/pool.h"
#include "ops/linalg_host.h"

namespace gv::cpu::run {
namespace {

/** Calls f(i) for each of the [n, n] matrices that x holds. */
template <class F>
void eachMatrix(const Tensor& x, const F& f) {
  const int64_t n = x.shape.last();
  if (n > 0) parallelFor(x.size() / (n * n), f);
}

}  // namespace

void eigh(const Call& call) {
  const float* const x = call.in[0].data<float>();
  float *const values = call.out[0].data<float>(), *const vectors = call.out[1].data<float>();
  const int64_t n = call.in[0].shape.last();
  eachMatrix(call.in[0], [=](int64_t i) { ops::eighOf(x + i * n * n, n, values + i * n, vectors + i * n * n); });
}

void sqrtm(const Call& call) {
  const float* const x = call.in[0].data<float>();
  float* const y = call.out[0].data<float>();
  const int64_t n = call.in[0].shape.last();
  eachMatrix(call.in[0], [=](int64_t i) { ops::sqrtmOf(x + i * n * n, n, y + i * n * n); });
}

void traceSqrtProduct(const Call& call) {
  const auto matrix = [](const Tensor& t) { return reinterpret_cast<const double*>(t.data<int32_t>()); };
  *reinterpret_cast<double*>(call.out[0].data<int32_t>()) =
      ops::traceSqrtProductOf(matrix(call.in[0]), matrix(call.in[1]), call.in[0].shape[0]);
}

}  // namespace gv::cpu::run
