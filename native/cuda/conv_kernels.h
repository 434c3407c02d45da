// How a convolution is run: by cuDNN (conv_library.h), or, where that has no engine for it, by kernels of our own,
// which are right for every size. For conv.cu and conv3d.cu.
#pragma once
#include "call.h"
#include "conv_library.h"
#include "epilogue.h"

namespace gv::cuda {

/** y = the convolution of a and b (as Convolutions::run takes them) and what follows it. y is not empty. */
void convolve(const Call& call, const Convolution& convolution, const Tensor& a, const Tensor& b, const Tensor& y,
              const Epilogue& end = Epilogue());

}  // namespace gv::cuda
