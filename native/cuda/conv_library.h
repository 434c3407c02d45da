// Convolutions by cuDNN (conv_library.cpp): plans for shapes, tuned once and remembered. What it has no engine for is
// left to the caller (conv.cu, conv3d.cu).
#pragma once
#include "../engine/dtype.h"
#include "context.h"

namespace gv::cuda {

/**
 * A convolution of 2 or 3 spatial dimensions or one of its gradients, as ops/conv.h defines them. Images are
 * [n, size..., c], weights [k, kernel..., c / groups], results [n, result..., k]; arrays begin with the outermost
 * dimension.
 */
struct Convolution {
  enum class Kind { Forward, InputGrad, WeightGrad } kind = Kind::Forward;
  int dims = 2;
  int64_t n = 0, c = 0, k = 0, groups = 1;
  int64_t size[3] = {}, kernel[3] = {}, result[3] = {};
  int64_t stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1}, padBefore[3] = {}, padAfter[3] = {};
  DType dtype = DType::F32;  // of images and weights; a weight's gradient is always f32
  bool tf32 = false;
};

/** What follows a convolution in the same kernel: relu or nothing, after a bias [channels of the result]. */
struct Finish {
  const float* bias = nullptr;
  bool relu = false;
};

/**
 * The engines that cuDNN ranks first are timed when a convolution is first seen, and the fastest is noted for later
 * processes (plan_file.h). While a graph is recorded, or with GANVAS_CUDNN_TUNE=0, the first that works is taken.
 */
class Convolutions {
 public:
  explicit Convolutions(Context& context);
  ~Convolutions();
  Convolutions(const Convolutions&) = delete;
  Convolutions& operator=(const Convolutions&) = delete;

  /**
   * Enqueues it: Forward a = x, b = w, y; InputGrad a = dy, b = w, y = dx; WeightGrad a = x, b = dy, y = dw. False, and
   * nothing done, where the library has no engine for it (with this finish).
   */
  bool run(const Convolution& convolution, const void* a, const void* b, void* y, const Finish* finish = nullptr);

 private:
  struct Plans;
  std::unique_ptr<Plans> plans_;
};

}  // namespace gv::cuda
