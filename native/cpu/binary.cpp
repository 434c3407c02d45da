// Kernels of ops/binary.h: loops over contiguous memory that the compiler vectorises, per target for f32 and bf16 (the
// functors are in ops/binary.h) and for the baseline for integers, which are rare. Broadcasting, and whatever a kernel
// cannot read itself, is in cpu/broadcast.h.
#include "ops/binary.h"

#include "cpu/broadcast.h"
#include "cpu/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/binary.cpp"
#include "cpu/simd.h"
#include "cpu/lanes-inl.h"
#include "cpu/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {
namespace {

// a and b hold T (float or BF16), y holds Y (T, uint8_t, or BF16 for float operands).
using Kernel = void (*)(const void* a, const void* b, void* y, int64_t n, float parameter);

template <class F, class T, class Y>
void Zip(const void* left, const void* right, void* out, int64_t n, float) {
  const T *const a = static_cast<const T*>(left), *const b = static_cast<const T*>(right);
  Y* const HWY_RESTRICT y = static_cast<Y*>(out);
  const F f;
  const ops::Cast<float> widen;
  const ops::Cast<Y> store;
  for (int64_t i = 0; i < n; i++) y[i] = store(f(widen(a[i]), widen(b[i])));
}

template <class T, class Y>
void LeakyReluGrad(const void* left, const void* right, void* out, int64_t n, float alpha) {
  const T *const gy = static_cast<const T*>(left), *const x = static_cast<const T*>(right);
  Y* const HWY_RESTRICT y = static_cast<Y*>(out);
  const ops::Cast<float> widen;
  const ops::Cast<Y> store;
  for (int64_t i = 0; i < n; i++) {
    const float g = widen(gy[i]);
    y[i] = store(widen(x[i]) <= 0.0f ? alpha * g : g);
  }
}

template <class T, class Y>
void SoftplusGrad(const void* left, const void* right, void* out, int64_t n, float) {
  const T *const gy = static_cast<const T*>(left), *const x = static_cast<const T*>(right);
  Y* const y = static_cast<Y*>(out);
  overLanes(n, [&](int64_t i, auto at) HWY_ATTR {
    at.store(hn::Mul(at.load(gy + i), vm::Sigmoid(at.load(x + i))), y + i);
  });
}

// Exponents that are worth a kernel of their own; they agree with C's pow, also at zeros and infinities.
template <class F, class Y>
void PowMap(const void* base, const void*, void* out, int64_t n, float) {
  const float* const a = static_cast<const float*>(base);
  Y* const HWY_RESTRICT y = static_cast<Y*>(out);
  const F f;
  const ops::Cast<Y> store;
  for (int64_t i = 0; i < n; i++) y[i] = store(f(a[i]));
}
// clang-format off
struct PowZero { float operator()(float) const { return 1.0f; } };
struct PowOne { float operator()(float x) const { return x; } };
struct PowTwo { float operator()(float x) const { return x * x; } };
struct PowThree { float operator()(float x) const { return x * x * x; } };
struct PowFour { float operator()(float x) const { return (x * x) * (x * x); } };
struct PowMinusOne { float operator()(float x) const { return 1.0f / x; } };
struct PowMinusTwo { float operator()(float x) const { return (1.0f / x) * (1.0f / x); } };
// clang-format on
struct PowHalf {  // sqrt, but pow(-0, 0.5) = 0 and pow(-inf, 0.5) = inf
  float operator()(float x) const {
    const float inf = std::numeric_limits<float>::infinity();
    return x == -inf ? inf : __builtin_sqrtf(x + 0.0f);
  }
};

template <class Y>
Kernel PickPowerTo(float exponent) {
  if (exponent == 0.0f) return PowMap<PowZero, Y>;
  if (exponent == 1.0f) return PowMap<PowOne, Y>;
  if (exponent == 2.0f) return PowMap<PowTwo, Y>;
  if (exponent == 3.0f) return PowMap<PowThree, Y>;
  if (exponent == 4.0f) return PowMap<PowFour, Y>;
  if (exponent == -1.0f) return PowMap<PowMinusOne, Y>;
  if (exponent == -2.0f) return PowMap<PowMinusTwo, Y>;
  if (exponent == 0.5f) return PowMap<PowHalf, Y>;
  return Zip<ops::Pow, float, Y>;
}

/** x to a fixed power; x is f32, the result f32 or bf16. */
Kernel PickPower(float exponent, DType y) {
  return y == DType::BF16 ? PickPowerTo<ops::BF16>(exponent) : PickPowerTo<float>(exponent);
}

template <class T, class Y>
Kernel PickBinaryOf(ops::BinaryOp op) {
  using ops::BinaryOp;
  switch (op) {
    case BinaryOp::Add: return Zip<ops::Add, T, Y>;
    case BinaryOp::Sub: return Zip<ops::Sub, T, Y>;
    case BinaryOp::Mul: return Zip<ops::Mul, T, Y>;
    case BinaryOp::Div: return Zip<ops::Div, T, Y>;
    case BinaryOp::Pow: return Zip<ops::Pow, T, Y>;
    case BinaryOp::Maximum: return Zip<ops::Maximum, T, Y>;
    case BinaryOp::Minimum: return Zip<ops::Minimum, T, Y>;
    case BinaryOp::Equal: return Zip<ops::Equal, T, uint8_t>;
    case BinaryOp::NotEqual: return Zip<ops::NotEqual, T, uint8_t>;
    case BinaryOp::Less: return Zip<ops::Less, T, uint8_t>;
    case BinaryOp::LessEqual: return Zip<ops::LessEqual, T, uint8_t>;
    case BinaryOp::Greater: return Zip<ops::Greater, T, uint8_t>;
    case BinaryOp::GreaterEqual: return Zip<ops::GreaterEqual, T, uint8_t>;
    case BinaryOp::TanhGrad: return Zip<ops::TanhGrad, T, Y>;
    case BinaryOp::SigmoidGrad: return Zip<ops::SigmoidGrad, T, Y>;
    case BinaryOp::SoftplusGrad: return SoftplusGrad<T, Y>;
    case BinaryOp::ReluGrad: return Zip<ops::ReluGrad, T, Y>;
    case BinaryOp::LeakyReluGrad: return LeakyReluGrad<T, Y>;
  }
  return nullptr;
}

/** The kernel from operands of type t (f32 or bf16) to results of type y (that of a comparison is its own). */
Kernel PickBinary(ops::BinaryOp op, DType t, DType y) {
  if (t == DType::BF16) return PickBinaryOf<ops::BF16, ops::BF16>(op);
  return y == DType::BF16 ? PickBinaryOf<float, ops::BF16>(op) : PickBinaryOf<float, float>(op);
}

}  // namespace
}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(PickPower);
HWY_EXPORT(PickBinary);

namespace {

using ops::BinaryOp;

constexpr int64_t kGrain = 16384;

/** Calls f(a, b, position, count) over the output, with pointers to `count` elements of each operand. */
template <class T, class F>
void eachPiece(const Operand<T>& a, const Operand<T>& b, int64_t size, const F& f) {
  const bool dense = a.dense() && b.dense();
  parallelRange(size, kGrain, [&](int64_t begin, int64_t end) {
    typename Operand<T>::Reader readA(a), readB(b);
    const int64_t step = dense ? end - begin : kPiece;
    for (int64_t i = begin; i < end; i += step) {
      const int64_t n = std::min(step, end - i);
      f(readA.at(i, n), readB.at(i, n), i, n);
    }
  });
}

template <class T, class Y, class F>
void integerZip(const Operand<T>& a, const Operand<T>& b, const Tensor& out, F f) {
  Y* const y = out.data<Y>();
  eachPiece(a, b, out.size(), [=](const T* pa, const T* pb, int64_t begin, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[begin + i] = f(pa[i], pb[i]);
  });
}

template <class T>
void integerBinary(const Operand<T>& a, const Operand<T>& b, const Tensor& y, BinaryOp op) {
  switch (op) {
    case BinaryOp::Add: return integerZip<T, T>(a, b, y, ops::Add());
    case BinaryOp::Sub: return integerZip<T, T>(a, b, y, ops::Sub());
    case BinaryOp::Mul: return integerZip<T, T>(a, b, y, ops::Mul());
    case BinaryOp::Pow: return integerZip<T, T>(a, b, y, ops::Pow());
    case BinaryOp::Maximum: return integerZip<T, T>(a, b, y, ops::Maximum());
    case BinaryOp::Minimum: return integerZip<T, T>(a, b, y, ops::Minimum());
    case BinaryOp::Equal: return integerZip<T, uint8_t>(a, b, y, ops::Equal());
    case BinaryOp::NotEqual: return integerZip<T, uint8_t>(a, b, y, ops::NotEqual());
    case BinaryOp::Less: return integerZip<T, uint8_t>(a, b, y, ops::Less());
    case BinaryOp::LessEqual: return integerZip<T, uint8_t>(a, b, y, ops::LessEqual());
    case BinaryOp::Greater: return integerZip<T, uint8_t>(a, b, y, ops::Greater());
    case BinaryOp::GreaterEqual: return integerZip<T, uint8_t>(a, b, y, ops::GreaterEqual());
    default: fail("ERR_INTERNAL", "this operation has no integer kernel");
  }
}

template <class T>
Operand<T> operand(const Call& call, const ops::BinaryArgs& args, int side) {
  const Shape& out = call.out[0].shape;
  if (args.mode == 0) return Operand<T>(call.in[size_t(side)], out);
  const bool isScalar = (args.mode == 1) == (side == 1);
  return isScalar ? Operand<T>(T(args.scalar), out) : Operand<T>(call.in[0], out);
}

/** `parameter` goes to the kernel; the operands have been converted to T. */
template <class T, class Kernel>
void floatBinary(const Operand<T>& a, const Operand<T>& b, const Tensor& out, Kernel kernel, float parameter) {
  char* const y = out.data<char>();
  const int64_t item = int64_t(itemSize(out.dtype));
  eachPiece(a, b, out.size(), [=](const T* pa, const T* pb, int64_t begin, int64_t n) {
    kernel(pa, pb, y + begin * item, n, parameter);
  });
}

void binary(const Call& call, BinaryOp op) {
  const ops::BinaryArgs args(call, op == BinaryOp::Div);
  const Tensor& y = call.out[0];
  if (args.compute == DType::I32)
    return integerBinary(operand<int32_t>(call, args, 0), operand<int32_t>(call, args, 1), y, op);
  if (args.compute == DType::U8)
    return integerBinary(operand<uint8_t>(call, args, 0), operand<uint8_t>(call, args, 1), y, op);
  // Two bf16 tensors are read as they are. Beside a number, which keeps its digits, or an integer tensor, they are
  // widened piece by piece.
  if (args.mode == 0 && call.in[0].dtype == DType::BF16 && call.in[1].dtype == DType::BF16) {
    const auto kernel = HWY_DYNAMIC_DISPATCH(PickBinary)(op, DType::BF16, y.dtype);
    return floatBinary<ops::BF16>({call.in[0], y.shape}, {call.in[1], y.shape}, y, kernel, 0);
  }
  const auto kernel = op == BinaryOp::Pow && args.mode == 1
                          ? HWY_DYNAMIC_DISPATCH(PickPower)(float(args.scalar), y.dtype)
                          : HWY_DYNAMIC_DISPATCH(PickBinary)(op, DType::F32, y.dtype);
  floatBinary(operand<float>(call, args, 0), operand<float>(call, args, 1), y, kernel, 0);
}

void activationGrad(const Call& call, BinaryOp op, float parameter) {
  const Tensor &gy = call.in[0], &x = call.in[1], &dx = call.out[0];
  const DType t = gy.dtype == DType::BF16 && x.dtype == DType::BF16 ? DType::BF16 : DType::F32;
  const auto kernel = HWY_DYNAMIC_DISPATCH(PickBinary)(op, t, dx.dtype);
  if (t == DType::BF16)
    floatBinary<ops::BF16>({gy, dx.shape}, {x, dx.shape}, dx, kernel, parameter);
  else
    floatBinary<float>({gy, dx.shape}, {x, dx.shape}, dx, kernel, parameter);
}

}  // namespace

namespace run {
void add(const Call& call) { binary(call, BinaryOp::Add); }
void sub(const Call& call) { binary(call, BinaryOp::Sub); }
void mul(const Call& call) { binary(call, BinaryOp::Mul); }
void div(const Call& call) { binary(call, BinaryOp::Div); }
void pow(const Call& call) { binary(call, BinaryOp::Pow); }
void maximum(const Call& call) { binary(call, BinaryOp::Maximum); }
void minimum(const Call& call) { binary(call, BinaryOp::Minimum); }
void equal(const Call& call) { binary(call, BinaryOp::Equal); }
void notEqual(const Call& call) { binary(call, BinaryOp::NotEqual); }
void less(const Call& call) { binary(call, BinaryOp::Less); }
void lessEqual(const Call& call) { binary(call, BinaryOp::LessEqual); }
void greater(const Call& call) { binary(call, BinaryOp::Greater); }
void greaterEqual(const Call& call) { binary(call, BinaryOp::GreaterEqual); }
void tanhGrad(const Call& call) { activationGrad(call, BinaryOp::TanhGrad, 0); }
void sigmoidGrad(const Call& call) { activationGrad(call, BinaryOp::SigmoidGrad, 0); }
void softplusGrad(const Call& call) { activationGrad(call, BinaryOp::SoftplusGrad, 0); }
void reluGrad(const Call& call) { activationGrad(call, BinaryOp::ReluGrad, 0); }
void leakyReluGrad(const Call& call) { activationGrad(call, BinaryOp::LeakyReluGrad, float(call.number(0))); }
}  // namespace run
}  // namespace gv::cpu
#endif
