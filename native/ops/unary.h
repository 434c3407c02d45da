// Elementwise functions of one tensor x; the output has x's shape.
//
//   neg abs square relu        keep the dtype (integers wrap around)
//   sign floor ceil round      keep the dtype; identity on integers but for sign; round takes halves to even;
//                              sign(NaN) = NaN
//   exp expm1 log log1p sqrt rsqrt reciprocal sin cos tanh sigmoid softplus
//                              keep f32 and bf16; i32 and u8 are converted to f32 first
//   leakyRelu                  attrs [alpha]: x > 0 ? x : alpha x; dtypes as above
//   cast                       attrs [dtype]; any of f32, bf16, i32, u8 to any other. Towards integers it truncates
//                              towards zero and saturates, NaN becomes 0; towards bf16 it rounds to nearest even.
//
// bf16 is computed in f32 and rounded once, to nearest even.
#pragma once
#include "attrs.h"
#include "bf16.h"

namespace gv::ops {

enum class UnaryOp {
  Neg, Abs, Square, Relu, Sign, Floor, Ceil, Round, Exp, Expm1, Log, Log1p, Sqrt, Rsqrt, Reciprocal, Sin, Cos, Tanh,
  Sigmoid, Softplus, LeakyRelu,
};

template <class To> struct Cast;

template <> struct Cast<float> {
  GV_HD float operator()(BF16 x) const { return fromBF16(x); }
  template <class T> GV_HD float operator()(T x) const { return float(x); }
};
template <> struct Cast<BF16> {
  GV_HD BF16 operator()(BF16 x) const { return x; }
  template <class T> GV_HD BF16 operator()(T x) const { return toBF16(float(x)); }
};
template <> struct Cast<int32_t> {
  GV_HD int32_t operator()(BF16 x) const { return (*this)(fromBF16(x)); }
  GV_HD int32_t operator()(float x) const {
    // The largest float below 2^31 is 2147483520; what lies above must still become 2147483647.
    float y = x == x ? x : 0.0f;
    y = y > -2147483648.0f ? y : -2147483648.0f;
    y = y < 2147483520.0f ? y : 2147483520.0f;
    return x >= 2147483648.0f ? 2147483647 : int32_t(y);
  }
  template <class T> GV_HD int32_t operator()(T x) const { return int32_t(x); }
};
template <> struct Cast<uint8_t> {
  GV_HD uint8_t operator()(BF16 x) const { return (*this)(fromBF16(x)); }
  GV_HD uint8_t operator()(float x) const {
    float y = x > 0.0f ? x : 0.0f;  // NaN too
    y = y < 255.0f ? y : 255.0f;
    return uint8_t(int32_t(y));
  }
  GV_HD uint8_t operator()(int32_t x) const { return uint8_t(x < 0 ? 0 : x > 255 ? 255 : x); }
  GV_HD uint8_t operator()(uint8_t x) const { return x; }
};

}  // namespace gv::ops
