// Kernels of ops/unary.h but cast. f32 and bf16 run on vectors, one function per op, type and target; integers are rare
// and take the compiler's baseline, and are converted in small pieces where the result is f32.
#include "ops/unary.h"

#include "cpu/floats.h"
#include "cpu/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/unary.cpp"
#include "cpu/simd.h"
#include "cpu/lanes-inl.h"
#include "cpu/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {
namespace {

using Kernel = void (*)(Floats x, Floats y, int64_t n, float alpha);

template <class F>
void Map(Floats x, Floats y, int64_t n, float alpha) {
  const V a = hn::Set(D(), alpha);
  const F f;
  x.visit([&](auto* px) HWY_ATTR {
    auto* const HWY_RESTRICT py = y.like(px);
    overLanes(n, [&](int64_t i, auto at) HWY_ATTR { at.store(f(at.load(px + i), a), py + i); });
  });
}

// clang-format off
struct NegF { HWY_INLINE V operator()(V x, V) const { return hn::Neg(x); } };
struct AbsF { HWY_INLINE V operator()(V x, V) const { return hn::Abs(x); } };
struct SquareF { HWY_INLINE V operator()(V x, V) const { return hn::Mul(x, x); } };
struct FloorF { HWY_INLINE V operator()(V x, V) const { return hn::Floor(x); } };
struct CeilF { HWY_INLINE V operator()(V x, V) const { return hn::Ceil(x); } };
struct RoundF { HWY_INLINE V operator()(V x, V) const { return hn::Round(x); } };
struct ExpF { HWY_INLINE V operator()(V x, V) const { return vm::Exp(x); } };
struct Expm1F { HWY_INLINE V operator()(V x, V) const { return vm::Expm1(x); } };
struct LogF { HWY_INLINE V operator()(V x, V) const { return vm::Log(x); } };
struct Log1pF { HWY_INLINE V operator()(V x, V) const { return vm::Log1p(x); } };
struct SqrtF { HWY_INLINE V operator()(V x, V) const { return hn::Sqrt(x); } };
struct RsqrtF { HWY_INLINE V operator()(V x, V) const { return hn::Div(vm::Constant(1.0f), hn::Sqrt(x)); } };
struct ReciprocalF { HWY_INLINE V operator()(V x, V) const { return hn::Div(vm::Constant(1.0f), x); } };
struct SinF { HWY_INLINE V operator()(V x, V) const { return vm::Sin(x); } };
struct CosF { HWY_INLINE V operator()(V x, V) const { return vm::Cos(x); } };
struct TanhF { HWY_INLINE V operator()(V x, V) const { return vm::Tanh(x); } };
struct SigmoidF { HWY_INLINE V operator()(V x, V) const { return vm::Sigmoid(x); } };
struct SoftplusF { HWY_INLINE V operator()(V x, V) const { return vm::Softplus(x); } };
// clang-format on

struct ReluF {
  HWY_INLINE V operator()(V x, V) const {
    const V zero = hn::Zero(D());
    return hn::IfThenElse(hn::Lt(x, zero), zero, x);
  }
};
struct SignF {
  HWY_INLINE V operator()(V x, V) const {
    const V one = hn::CopySign(vm::Constant(1.0f), x);
    return hn::IfThenElse(hn::Gt(hn::Abs(x), hn::Zero(D())), one, x);  // zeros and NaN stay
  }
};
struct LeakyReluF {
  HWY_INLINE V operator()(V x, V alpha) const {
    return hn::IfThenElse(hn::Gt(x, hn::Zero(D())), x, hn::Mul(x, alpha));
  }
};

Kernel PickUnary(ops::UnaryOp op) {
  using ops::UnaryOp;
  switch (op) {
    case UnaryOp::Neg: return Map<NegF>;
    case UnaryOp::Abs: return Map<AbsF>;
    case UnaryOp::Square: return Map<SquareF>;
    case UnaryOp::Relu: return Map<ReluF>;
    case UnaryOp::Sign: return Map<SignF>;
    case UnaryOp::Floor: return Map<FloorF>;
    case UnaryOp::Ceil: return Map<CeilF>;
    case UnaryOp::Round: return Map<RoundF>;
    case UnaryOp::Exp: return Map<ExpF>;
    case UnaryOp::Expm1: return Map<Expm1F>;
    case UnaryOp::Log: return Map<LogF>;
    case UnaryOp::Log1p: return Map<Log1pF>;
    case UnaryOp::Sqrt: return Map<SqrtF>;
    case UnaryOp::Rsqrt: return Map<RsqrtF>;
    case UnaryOp::Reciprocal: return Map<ReciprocalF>;
    case UnaryOp::Sin: return Map<SinF>;
    case UnaryOp::Cos: return Map<CosF>;
    case UnaryOp::Tanh: return Map<TanhF>;
    case UnaryOp::Sigmoid: return Map<SigmoidF>;
    case UnaryOp::Softplus: return Map<SoftplusF>;
    case UnaryOp::LeakyRelu: return Map<LeakyReluF>;
  }
  return nullptr;
}

}  // namespace
}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(PickUnary);

namespace {

using ops::UnaryOp;

constexpr int64_t kGrain = 16384;
constexpr int64_t kPiece = 1024;

void unaryFloat(const Call& call, UnaryOp op, float alpha) {
  const auto kernel = HWY_DYNAMIC_DISPATCH(PickUnary)(op);
  const Tensor& x = call.in[0];
  const Floats y(call.out[0]);
  if (x.dtype == DType::F32 || x.dtype == DType::BF16) {
    const Floats from(x);
    parallelRange(x.size(), kGrain, [=](int64_t b, int64_t e) { kernel(from + b, y + b, e - b, alpha); });
    return;
  }
  parallelRange(x.size(), kGrain, [&](int64_t begin, int64_t end) {
    float piece[kPiece];
    for (int64_t b = begin; b < end; b += kPiece) {
      const int64_t n = std::min(kPiece, end - b);
      for (int64_t i = 0; i < n; i++)
        piece[i] = x.dtype == DType::I32 ? float(x.data<int32_t>()[b + i]) : float(x.data<uint8_t>()[b + i]);
      kernel(Floats(piece), y + b, n, alpha);
    }
  });
}

template <class T>
void unaryInteger(const Call& call, UnaryOp op) {
  const T* const x = call.in[0].data<T>();
  T* const y = call.out[0].data<T>();
  const auto map = [&](auto f) {
    parallelRange(call.in[0].size(), kGrain, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) y[i] = T(f(x[i]));
    });
  };
  // Unsigned arithmetic wraps around where signed would be undefined.
  switch (op) {
    case UnaryOp::Neg: return map([](T v) { return 0u - uint32_t(v); });
    case UnaryOp::Abs: return map([](T v) { return v < T(0) ? 0u - uint32_t(v) : uint32_t(v); });
    case UnaryOp::Square: return map([](T v) { return uint32_t(v) * uint32_t(v); });
    case UnaryOp::Relu: return map([](T v) { return std::max(v, T(0)); });
    case UnaryOp::Sign: return map([](T v) { return (v > 0) - (v < T(0)); });
    default: return map([](T v) { return v; });  // floor, ceil and round of a whole number
  }
}

void unary(const Call& call, UnaryOp op) {
  const DType t = call.out[0].dtype;
  if (t == DType::I32) return unaryInteger<int32_t>(call, op);
  if (t == DType::U8) return unaryInteger<uint8_t>(call, op);
  unaryFloat(call, op, 0);
}

}  // namespace

namespace run {
void neg(const Call& call) { unary(call, UnaryOp::Neg); }
void abs(const Call& call) { unary(call, UnaryOp::Abs); }
void square(const Call& call) { unary(call, UnaryOp::Square); }
void relu(const Call& call) { unary(call, UnaryOp::Relu); }
void sign(const Call& call) { unary(call, UnaryOp::Sign); }
void floor(const Call& call) { unary(call, UnaryOp::Floor); }
void ceil(const Call& call) { unary(call, UnaryOp::Ceil); }
void round(const Call& call) { unary(call, UnaryOp::Round); }
void exp(const Call& call) { unary(call, UnaryOp::Exp); }
void expm1(const Call& call) { unary(call, UnaryOp::Expm1); }
void log(const Call& call) { unary(call, UnaryOp::Log); }
void log1p(const Call& call) { unary(call, UnaryOp::Log1p); }
void sqrt(const Call& call) { unary(call, UnaryOp::Sqrt); }
void rsqrt(const Call& call) { unary(call, UnaryOp::Rsqrt); }
void reciprocal(const Call& call) { unary(call, UnaryOp::Reciprocal); }
void sin(const Call& call) { unary(call, UnaryOp::Sin); }
void cos(const Call& call) { unary(call, UnaryOp::Cos); }
void tanh(const Call& call) { unary(call, UnaryOp::Tanh); }
void sigmoid(const Call& call) { unary(call, UnaryOp::Sigmoid); }
void softplus(const Call& call) { unary(call, UnaryOp::Softplus); }
void leakyRelu(const Call& call) { unaryFloat(call, UnaryOp::LeakyRelu, float(call.number(0))); }
}  // namespace run
}  // namespace gv::cpu
#endif
