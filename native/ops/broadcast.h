// The broadcasting rule of NumPy: shapes are aligned at their last dimension, and a dimension of 1 or a missing one
// stretches to the other's size.
#pragma once
#include "../engine/call.h"

namespace gv::ops {

inline Shape broadcastShapes(const Call& call, const Shape& a, const Shape& b) {
  const int rank = a.rank() > b.rank() ? a.rank() : b.rank();
  Shape out;
  for (int i = 0; i < rank; i++) {
    const int ia = i - (rank - a.rank()), ib = i - (rank - b.rank());
    const int64_t da = ia < 0 ? 1 : a[ia], db = ib < 0 ? 1 : b[ib];
    if (da != db && da != 1 && db != 1)
      fail("ERR_SHAPE", "%s: shapes %s and %s cannot be broadcast together (dimension %d is %lld against %lld)",
           call.name(), a.str().c_str(), b.str().c_str(), i, (long long)da, (long long)db);
    out.push(da == 1 ? db : da);
  }
  return out;
}

}  // namespace gv::ops
