// Where an operand's element for a position of the output lies, when it is stretched as NumPy does or read with other
// strides. Small enough to be a kernel's argument.
#pragma once
#include "../engine/philox.h"
#include "../engine/tensor.h"
#include "launch.h"

namespace gv::cuda {

struct Strided {
  int rank = 0;
  int64_t size[kMaxRank] = {};    // the output's dimensions
  int64_t stride[kMaxRank] = {};  // of the operand, in elements

  /** The operand's offset for element i of the output, in row-major order. */
  GV_HD int64_t at(int64_t i) const {
    int64_t offset = 0;
    for (int d = rank - 1; d > 0; d--) {
      const int64_t q = i / size[d];
      offset += (i - q * size[d]) * stride[d];
      i = q;
    }
    return rank ? offset + i * stride[0] : 0;
  }

  void push(int64_t n, int64_t step) {
    size[rank] = n;
    stride[rank++] = step;
  }

  /** Operand stretched to out; neighbouring dimensions are merged where that changes nothing. */
  static Strided broadcast(const Shape& operand, const Shape& out) {
    const int missing = out.rank() - operand.rank();
    Strided reversed;
    int64_t step = 1;
    for (int i = out.rank() - 1; i >= 0; i--) {
      const int64_t d = i < missing ? 1 : operand[i - missing], s = d == 1 ? 0 : step;
      step *= d;
      if (out[i] == 1) continue;
      const int k = reversed.rank - 1;
      if (k >= 0 && (s == 0 ? reversed.stride[k] == 0 : s == reversed.stride[k] * reversed.size[k]))
        reversed.size[k] *= out[i];
      else
        reversed.push(out[i], s);
    }
    Strided result;
    for (int k = reversed.rank - 1; k >= 0; k--) result.push(reversed.size[k], reversed.stride[k]);
    return result;
  }

  bool dense() const { return rank == 0 || (rank == 1 && stride[0] == 1); }
};

}  // namespace gv::cuda
