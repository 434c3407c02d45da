// A tensor's shape: up to 8 dimensions, row-major and always dense, so strides are never stored.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>

#include "error.h"

namespace gv {

constexpr int kMaxRank = 8;
constexpr int64_t kMaxElements = int64_t{1} << 40;
constexpr int64_t kMaxEmpty = int64_t{1} << 31;  // what the other dimensions of an empty tensor may multiply to

class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) {
    for (int64_t d : dims) push(d);
  }

  int rank() const { return rank_; }
  int64_t operator[](int i) const { return dims_[i]; }
  int64_t& operator[](int i) { return dims_[i]; }
  int64_t last() const { return rank_ ? dims_[rank_ - 1] : 1; }

  void push(int64_t d) {
    if (rank_ == kMaxRank) fail("ERR_SHAPE", "a tensor has at most %d dimensions", kMaxRank);
    dims_[rank_++] = d;
  }

  // Elements in dimensions [from, to); the empty product is 1.
  int64_t count(int from, int to) const {
    int64_t n = 1;
    for (int i = from; i < to; i++) n *= dims_[i];
    return n;
  }
  int64_t size() const { return count(0, rank_); }

  bool operator==(const Shape& o) const {
    if (rank_ != o.rank_) return false;
    for (int i = 0; i < rank_; i++)
      if (dims_[i] != o.dims_[i]) return false;
    return true;
  }
  bool operator!=(const Shape& o) const { return !(*this == o); }

  std::string str() const {
    std::string s = "[";
    for (int i = 0; i < rank_; i++) s += (i ? "," : "") + std::to_string(dims_[i]);
    return s + "]";
  }

  // Rejects negative sizes and products no machine can hold, before anything multiplies them unchecked. An empty tensor
  // takes no memory, but a kernel may still count through its other dimensions.
  void check(const char* op) const {
    int64_t n = 1;
    bool empty = false;
    for (int i = 0; i < rank_; i++) {
      if (dims_[i] < 0) fail("ERR_SHAPE", "%s: a dimension is negative in %s", op, str().c_str());
      empty = empty || dims_[i] == 0;
    }
    for (int i = 0; i < rank_; i++) {
      if (dims_[i] == 0) continue;
      if (dims_[i] > (empty ? kMaxEmpty : kMaxElements) / n)
        fail("ERR_SHAPE", empty ? "%s: the other dimensions of the empty shape %s multiply to more than 2^31"
                                : "%s: shape %s has more than 2^40 elements",
             op, str().c_str());
      n *= dims_[i];
    }
  }

 private:
  int rank_ = 0;
  int64_t dims_[kMaxRank] = {};
};

}  // namespace gv
