// What ends a product or convolution in the same op: y = min(max(gain act(z + bias), -clamp), clamp), with the bias along
// the channels. Kernels add the bias where they store their sums; the rest follows while a block of results is still in
// the cache, in place. Not an op: biasAct is the same by itself.
#pragma once

#include <cstdint>
#include <limits>

#include "ops/activation.h"
#include "ops/bf16.h"

namespace gv::cpu {

struct Epilogue {
  const float* bias = nullptr;  // one number for each channel of the result
  FinishArgs finish{{}, 1.0f, std::numeric_limits<float>::infinity()};

  // A bare bias, or nullptr for nothing, is the most common epilogue.
  Epilogue(const float* bias = nullptr) : bias(bias) {}
  Epilogue(const float* bias, const FinishArgs& finish) : bias(bias), finish(finish) {}

  /** Whether anything follows the bias. */
  bool finishes() const {
    return finish.activation.kind != Activation::None || finish.gain != 1.0f ||
           finish.clamp < std::numeric_limits<float>::infinity();
  }

  /** Of the channels from `channel` on. */
  Epilogue from(int64_t channel) const { return {bias == nullptr ? nullptr : bias + channel, finish}; }
};

/** Rows of results, `width` numbers each that start `stride` apart, in place; for blocks that one thread has computed. */
void finishRows(const FinishArgs& finish, float* y, int64_t rows, int64_t stride, int64_t width);
void finishRows(const FinishArgs& finish, ops::BF16* y, int64_t rows, int64_t stride, int64_t width);

/** The whole epilogue over a compact result, on all threads: for kernels that know nothing of it. */
void applyEpilogue(const Epilogue& end, float* y, int64_t rows, int64_t channels);

}  // namespace gv::cpu
