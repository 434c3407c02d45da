// bf16, the upper half of an f32: the storage of activations in mixed precision. Only conversions are defined; every
// kernel computes in f32 and rounds its results once, to nearest even.
#pragma once
#include <cstdint>
#include <cstring>

#include "engine/dtype.h"
#include "engine/philox.h"

namespace gv {
namespace ops {

struct BF16 {
  uint16_t bits;
};

GV_HD inline float fromBF16(BF16 x) {
  const uint32_t bits = uint32_t(x.bits) << 16;
  float y;
  memcpy(&y, &bits, sizeof y);
  return y;
}

GV_HD inline BF16 toBF16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  // Rounding could carry a NaN into infinity, so NaNs keep their upper half and become quiet.
  const uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  return {uint16_t(x != x ? (bits >> 16) | 0x40u : rounded)};
}

}  // namespace ops

template <> constexpr DType dtypeOf<ops::BF16>() { return DType::BF16; }

}  // namespace gv
