// Elementwise functions of two tensors (broadcast as in broadcast.h) or of a tensor and a number.
//
//   add sub mul pow maximum minimum         result of promote(a, b); integers wrap around
//   div                                     bf16 where that is promote(a, b), else f32
//   equal notEqual less lessEqual greater greaterEqual   u8, 0 or 1
//     attrs [mode, scalar]: mode 0 = inputs a, b; 1 = input a, the number on the right; 2 = input b, the number on
//     the left. A number does not widen a bf16 tensor, nor an integer one when it is whole and in the tensor's range;
//     otherwise the tensor is converted to f32.
//   tanhGrad(gy, y)     = gy (1 - y^2)            inputs: two f32 or bf16 tensors; result of promote(gy, y)
//   sigmoidGrad(gy, y)  = gy y (1 - y)
//   softplusGrad(gy, x) = gy sigmoid(x)
//   reluGrad(gy, y)     = y <= 0 ? 0 : gy         x or y in second place, they have the same sign;
//   leakyReluGrad(gy, y) = y <= 0 ? alpha gy : gy attrs [alpha]; where it is NaN gy passes
//   where(c, a, b)      = c != 0 ? a : b          c: any type; result of promote(a, b)
//
// bf16 is computed in f32 and rounded once.
// pow has the NaN rules of C's pow; on integers a negative exponent truncates (2^-1 = 0) and 0^-1 = 0.
// maximum and minimum give NaN when either is NaN.
#pragma once
#include <cmath>
#include <type_traits>

#include "broadcast.h"
#include "engine/philox.h"

namespace gv::ops {

enum class BinaryOp {
  Add, Sub, Mul, Div, Pow, Maximum, Minimum, Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual, TanhGrad,
  SigmoidGrad, SoftplusGrad, ReluGrad, LeakyReluGrad,
};

struct BinaryArgs {
  int mode;
  double scalar;
  // The type in which the operation is carried out; bf16 stands for f32 arithmetic with a bf16 result.
  DType compute;

  BinaryArgs(const Call& call, bool alwaysFloat)
      : mode(int(call.integer(0))), scalar(mode == 0 ? 0.0 : call.number(1)) {
    if (mode < 0 || mode > 2) fail("ERR_INTERNAL", "%s: there is no mode %d", call.name(), mode);
    call.expectInputs(mode == 0 ? 2 : 1);
    const DType a = call.in[0].dtype;
    if (mode == 0)
      compute = promote(a, call.in[1].dtype);
    else
      compute = fits(scalar, a) ? a : DType::F32;
    if (alwaysFloat && compute != DType::BF16) compute = DType::F32;
  }

 private:
  static bool fits(double v, DType t) {
    if (t == DType::I32) return v >= -2147483648.0 && v <= 2147483647.0 && v == std::floor(v);
    if (t == DType::U8) return v >= 0 && v <= 255 && v == std::floor(v);
    return true;
  }
};

// Integers wrap: the arithmetic is done unsigned, where that is defined.
template <class T> using Wrapping = std::conditional_t<std::is_same_v<T, float>, float, uint32_t>;

struct Add {
  template <class T> GV_HD T operator()(T a, T b) const { return T(Wrapping<T>(a) + Wrapping<T>(b)); }
};
struct Sub {
  template <class T> GV_HD T operator()(T a, T b) const { return T(Wrapping<T>(a) - Wrapping<T>(b)); }
};
struct Mul {
  template <class T> GV_HD T operator()(T a, T b) const { return T(Wrapping<T>(a) * Wrapping<T>(b)); }
};
struct Div {
  GV_HD float operator()(float a, float b) const { return a / b; }
};
struct Maximum {  // two plain selections, which compilers vectorise
  template <class T> GV_HD T operator()(T a, T b) const {
    const T m = a > b ? a : b;
    return a == a ? m : a;
  }
};
struct Minimum {
  template <class T> GV_HD T operator()(T a, T b) const {
    const T m = a < b ? a : b;
    return a == a ? m : a;
  }
};
struct Equal {
  template <class T> GV_HD uint8_t operator()(T a, T b) const { return a == b; }
};
struct NotEqual {
  template <class T> GV_HD uint8_t operator()(T a, T b) const { return a != b; }
};
struct Less {
  template <class T> GV_HD uint8_t operator()(T a, T b) const { return a < b; }
};
struct LessEqual {
  template <class T> GV_HD uint8_t operator()(T a, T b) const { return a <= b; }
};
struct Greater {
  template <class T> GV_HD uint8_t operator()(T a, T b) const { return a > b; }
};
struct GreaterEqual {
  template <class T> GV_HD uint8_t operator()(T a, T b) const { return a >= b; }
};
struct Pow {
  GV_HD float operator()(float a, float b) const { return powf(a, b); }
  template <class T> GV_HD T operator()(T a, T b) const {
    if (int32_t(b) < 0) return T(a == 1 ? 1 : int32_t(a) == -1 ? (b % 2 == 0 ? 1 : -1) : 0);
    uint32_t base = uint32_t(a), result = 1;
    for (uint32_t e = uint32_t(b); e; e >>= 1, base *= base)
      if (e & 1) result *= base;
    return T(result);
  }
};
struct TanhGrad {
  GV_HD float operator()(float gy, float y) const { return gy * (1.0f - y * y); }
};
struct SigmoidGrad {
  GV_HD float operator()(float gy, float y) const { return gy * (y * (1.0f - y)); }
};
struct ReluGrad {
  GV_HD float operator()(float gy, float y) const { return y <= 0.0f ? 0.0f : gy; }
};

}  // namespace gv::ops
