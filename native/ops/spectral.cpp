// Shape rules of ops/spectral.h.
#include "spectral.h"

namespace gv::ops {
namespace {

void expectF32(const Call& call) {
  for (size_t k = 0; k < call.in.size(); k++) call.expectDType(k, DType::F32, "every input");
}

/** Inputs `k` and k + 1 are vectors whose product has as many elements as `weight`. */
void expectVectors(const Call& call, const Shape& weight, size_t k) {
  call.expectRank(k, 1, "a singular vector");
  call.expectRank(k + 1, 1, "a singular vector");
  // Compared by division: the product of two sizes may exceed every tensor.
  const int64_t a = call.in[k].shape[0], b = call.in[k + 1].shape[0], n = weight.size();
  if (a == 0 || b == 0 ? n != 0 : n % a != 0 || n / a != b)
    fail("ERR_SHAPE", "%s: a weight %s is not a matrix of %lld by %lld", call.name(), weight.str().c_str(),
         (long long)a, (long long)b);
}

}  // namespace

void inferPowerIteration(Call& call) {
  const size_t groups = call.in.size() / 3;
  call.expectInputs(3 * groups);
  expectF32(call);
  const int64_t iterations = call.integer(0);
  if (iterations < 0 || iterations > 10000)
    fail("ERR_ARGUMENT", "%s: iterations must be 0 to 10000, got %lld", call.name(), (long long)iterations);
  if (!(call.number(1) >= 0 && call.number(1) <= 1e30))
    fail("ERR_ARGUMENT", "%s: eps must be a number of at least 0, got %g", call.name(), call.number(1));
  for (size_t g = 0; g < groups; g++) {
    call.integer(2 + g);
    expectVectors(call, call.in[3 * g].shape, 3 * g + 1);
    call.emit(call.in[3 * g + 1].shape, DType::F32);
    call.emit(call.in[3 * g + 2].shape, DType::F32);
  }
}

void inferSpectralNorm(Call& call) {
  call.expectInputs(3);
  expectF32(call);
  expectVectors(call, call.in[0].shape, 1);
  call.emit(call.in[0].shape, DType::F32);
  call.emit({1}, DType::F32);
}

void inferSpectralNormGrad(Call& call) {
  call.expectInputs(5);
  expectF32(call);
  call.expectShape(1, call.in[0].shape, "y");
  call.expectShape(2, {1}, "sigma");
  expectVectors(call, call.in[0].shape, 3);
  call.emit(call.in[0].shape, DType::F32);
}

}  // namespace gv::ops
