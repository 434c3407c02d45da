// What ends a product or convolution in the same op, as ../cpu/epilogue.h: y = min(max(gain act(z + bias), -clamp),
// clamp), with the bias along the channels. Kernels of our own apply it as they store their sums; the vendor's know a
// bias and relu at most, and for the rest finishRows follows.
#pragma once
#include <limits>

#include "../engine/dtype.h"
#include "../ops/activation.h"

namespace gv::cuda {

struct Epilogue {
  const float* bias = nullptr;  // one number for each channel of the result
  FinishArgs finish{{}, 1.0f, std::numeric_limits<float>::infinity()};

  // A bare bias, or nullptr for nothing, is the most common epilogue.
  explicit Epilogue(const float* b = nullptr) : bias(b) {}
  Epilogue(const float* b, const FinishArgs& f) : bias(b), finish(f) {}

  bool unscaled() const { return finish.gain == 1.0f && finish.clamp == std::numeric_limits<float>::infinity(); }
  /** Whether anything follows the bias. */
  bool finishes() const { return finish.activation.kind != Activation::None || !unscaled(); }
  bool relu() const { return finish.activation.kind == Activation::Relu && unscaled(); }
  bool empty() const { return !bias && !finishes(); }
};

/**
 * to = the epilogue of `from`, n numbers in rows of `channels`, f32 or bf16 (from bf16 to bf16 only); they may be the
 * same memory.
 */
void finishRows(const Epilogue& end, const void* from, DType fromType, void* to, DType toType, int64_t n,
                int64_t channels);

}  // namespace gv::cuda
