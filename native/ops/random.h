// Random tensors, f32. No inputs. Element i is made from word i % 4 of Philox::at(key, counter + i / 4), so a draw
// of n elements uses ceil(n / 4) counters and does not depend on the device or the number of threads.
//
//   uniform  attrs [keyHigh, keyLow, counterHigh, counterLow, lo, hi, rank, dims...]      in [lo, hi)
//   normal   attrs [keyHigh, keyLow, counterHigh, counterLow, mean, std, rank, dims...]
//   bernoulli attrs [keyHigh, keyLow, counterHigh, counterLow, p, value, rank, dims...]     value with probability p,
//                                                                                           else 0
//   gumbel   attrs [keyHigh, keyLow, counterHigh, counterLow, location, scale, rank, dims...]   location - scale
//                                                                                           log(-log u), u in (0, 1)
//
// The four 32-bit words arrive as doubles. Normals are Box-Muller pairs (Box, Muller 1958): four words w give
// r(w0) cos t(w1), r(w0) sin t(w1), r(w2) cos t(w3), r(w2) sin t(w3), with r(w) = sqrt(-2 ln u), t(w) = 2 pi u.
#pragma once
#include "attrs.h"
#include "engine/philox.h"

namespace gv::ops {

struct RandomArgs {
  uint64_t key, counter;
  float a, b;  // the two numbers after the counter
  Shape shape;
  explicit RandomArgs(const Call& call)
      : key(word(call, 0) << 32 | word(call, 1)),
        counter(word(call, 2) << 32 | word(call, 3)),
        a(float(call.number(4))),
        b(float(call.number(5))),
        shape(shapeAttr(call, 6)) {}

 private:
  static uint64_t word(const Call& call, size_t k) {
    const int64_t v = call.integer(k);
    if (v < 0 || v > 0xFFFFFFFFll)
      fail("ERR_ARGUMENT", "%s: a seed or counter word must lie in [0, 2^32), got %lld", call.name(), (long long)v);
    return uint64_t(v);
  }
};

}  // namespace gv::ops
