// Memory of f32 or bf16 elements, for kernels that are compiled for both: pointer arithmetic in elements, and a call
// with the pointer's real type. How vectors of either are loaded and stored: cpu/simd-inl.h.
#pragma once
#include <cstdint>

#include "engine/tensor.h"
#include "ops/bf16.h"

namespace gv::cpu {

class Floats {
 public:
  explicit Floats(const Tensor& t) : Floats(t.data<char>(), t.dtype == DType::BF16) {}
  explicit Floats(float* data) : Floats(reinterpret_cast<char*>(data), false) {}

  Floats operator+(int64_t elements) const { return {data_ + elements * (narrow_ ? 2 : 4), narrow_}; }

  /** f(pointer) with a float* or an ops::BF16*. */
  template <class F>
  void visit(const F& f) const {
    if (narrow_)
      f(reinterpret_cast<ops::BF16*>(data_));
    else
      f(reinterpret_cast<float*>(data_));
  }

  /** This memory, which has the type of the other one that `visit` gave. */
  template <class T> T* like(const T*) const { return reinterpret_cast<T*>(data_); }

 private:
  Floats(char* data, bool narrow) : data_(data), narrow_(narrow) {}

  char* data_;
  bool narrow_;
};

}  // namespace gv::cpu
