// Decoding of attributes that several op families share: element types and shapes sent as doubles.
#pragma once
#include "../engine/call.h"

namespace gv::ops {

// Attribute k as an element type.
inline DType dtypeAttr(const Call& call, size_t k) {
  const int64_t v = call.integer(k);
  if (v < 0 || v >= kDTypes) fail("ERR_DTYPE", "%s: there is no dtype number %lld", call.name(), (long long)v);
  return DType(v);
}

// Attributes k = rank, k+1.. = dimensions, as a checked shape.
inline Shape shapeAttr(const Call& call, size_t k) {
  const int64_t rank = call.integer(k);
  if (rank < 0 || rank > kMaxRank)
    fail("ERR_SHAPE", "%s: a shape has 0 to %d dimensions, got %lld", call.name(), kMaxRank, (long long)rank);
  Shape shape;
  for (int64_t i = 0; i < rank; i++) shape.push(call.integer(k + 1 + size_t(i)));
  shape.check(call.name());
  return shape;
}

}  // namespace gv::ops
