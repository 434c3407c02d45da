// Reading an operand as if it had been stretched to the output's shape. A kernel asks for short pieces of the output
// and gets a contiguous pointer: into the operand itself where it is dense there, else into a small buffer that
// stays in the first-level cache. So every elementwise kernel is one loop over contiguous memory, whatever the
// shapes and types. The types are converted on the way (as in ops/unary.h's cast).
#pragma once
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "cpu/cast.h"
#include "engine/tensor.h"
#include "ops/unary.h"

namespace gv::cpu {

/** Elements that a kernel asks for at a time when an operand is not dense. */
constexpr int64_t kPiece = 1024;

/** Where the operand's element for each output position lies: output dimensions, merged as far as possible. */
struct BroadcastView {
  int rank = 0;
  int64_t size[kMaxRank] = {};
  int64_t stride[kMaxRank] = {};  // 0 where the operand is stretched

  BroadcastView(const Shape& operand, const Shape& out) {
    const int missing = out.rank() - operand.rank();
    int64_t step = 1;
    // From the last dimension outwards, then reversed: merging wants to see the inner neighbour.
    for (int i = out.rank() - 1; i >= 0; i--) {
      const int64_t d = i < missing ? 1 : operand[i - missing];
      const int64_t s = d == 1 ? 0 : step;
      step *= d;
      if (out[i] == 1) continue;
      const bool merges = rank > 0 && (s == 0 ? stride[rank - 1] == 0 : s == stride[rank - 1] * size[rank - 1]);
      if (merges) {
        size[rank - 1] *= out[i];
      } else {
        size[rank] = out[i];
        stride[rank++] = s;
      }
    }
    std::reverse(size, size + rank);
    std::reverse(stride, stride + rank);
  }

  bool dense() const { return rank == 0 || (rank == 1 && stride[0] == 1); }
  bool constant() const { return rank == 0 || (rank == 1 && stride[0] == 0); }
  /** [..., C] against [C]: the operand repeats every C elements. */
  bool periodic() const { return rank == 2 && stride[0] == 0 && stride[1] == 1; }
};

template <class T>
class Operand {
 public:
  Operand(const Tensor& t, const Shape& out) : view_(t.shape, out), dtype_(t.dtype), data_(t.data<void>()) {}

  /** A number in place of a tensor. */
  Operand(T value, const Shape& out) : view_(Shape(), out), dtype_(dtypeOf<T>()), value_(value), data_(nullptr) {}

  /** Whether pieces of any length can be had without a copy. */
  bool dense() const { return view_.dense() && dtype_ == dtypeOf<T>(); }

  /** The state of one chunk of work; not shared between threads. */
  class Reader {
   public:
    explicit Reader(const Operand& operand) : operand_(operand) {}

    /** Elements [begin, begin + n) of the stretched operand; n <= kPiece unless it is dense. Valid until the next. */
    const T* at(int64_t begin, int64_t n) {
      const BroadcastView& view = operand_.view_;
      if (operand_.dense()) return static_cast<const T*>(operand_.data()) + begin;
      if (view.constant()) {
        if (!filled_) fill(0, kPiece);
        return buffer_;
      }
      if (view.periodic() && view.size[1] <= kPiece) {
        if (!filled_) fill(0, std::min(kPiece + view.size[1], view.size[0] * view.size[1]));
        return buffer_ + begin % view.size[1];
      }
      fill(begin, n);
      return buffer_;
    }

   private:
    void fill(int64_t begin, int64_t n) {
      filled_ = true;
      switch (operand_.dtype_) {
        case DType::F32: return fillFrom<float>(begin, n);
        case DType::I32: return fillFrom<int32_t>(begin, n);
        case DType::U8: return fillFrom<uint8_t>(begin, n);
        case DType::BF16: return fillFrom<ops::BF16>(begin, n);
      }
    }

    template <class S>
    void fillFrom(int64_t begin, int64_t n) {
      const BroadcastView& view = operand_.view_;
      const S* const data = static_cast<const S*>(operand_.data());
      const ops::Cast<T> cast;
      if (view.constant()) {
        std::fill_n(buffer_, n, cast(data[0]));
        return;
      }
      const int last = view.rank - 1;
      int64_t index[kMaxRank], offset = 0, rest = begin;
      for (int i = last; i >= 0; i--) {
        index[i] = rest % view.size[i];
        rest /= view.size[i];
        offset += index[i] * view.stride[i];
      }
      T* to = buffer_;
      for (;;) {
        const int64_t run = std::min(n, view.size[last] - index[last]);
        const S* const from = data + offset;
        if (view.stride[last] == 0) {
          const T value = cast(from[0]);
          for (int64_t i = 0; i < run; i++) to[i] = value;
        } else if constexpr (std::is_same_v<S, T>) {
          std::memcpy(to, from, size_t(run) * sizeof(T));
        } else if constexpr (std::is_same_v<S, ops::BF16> && std::is_same_v<T, float>) {
          widen(from, run, to);
        } else {
          for (int64_t i = 0; i < run; i++) to[i] = cast(from[i]);
        }
        to += run;
        n -= run;
        if (n == 0) return;
        offset -= index[last] * view.stride[last];
        index[last] = 0;
        for (int i = last - 1; i >= 0; i--) {
          offset += view.stride[i];
          if (++index[i] < view.size[i]) break;
          offset -= view.size[i] * view.stride[i];
          index[i] = 0;
        }
      }
    }

    const Operand& operand_;
    bool filled_ = false;
    alignas(64) T buffer_[2 * kPiece];
  };

 private:
  const void* data() const { return data_ ? data_ : &value_; }

  BroadcastView view_;
  DType dtype_;
  T value_{};
  const void* data_;
};

}  // namespace gv::cpu
