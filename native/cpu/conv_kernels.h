// The convolution algorithms, one file each; conv.cpp chooses among them. Internal to cpu/conv*.cpp.
#pragma once

#include "cpu/conv.h"

namespace gv::cpu {

/** Forward pass (source x, dest y) or input gradient (source dy, dest dx) as a matrix product over gathered patches. */
void convGatherGemm(ConvPass pass, const ConvShape& shape, const float* source, const float* w, const Epilogue& end,
                    float* dest);

/** The same for at most kNarrowColumns result channels, as dot products. One group only. */
void convNarrow(ConvPass pass, const ConvShape& shape, const float* source, const float* w, const Epilogue& end,
                float* dest);
constexpr int64_t kNarrowColumns = 4;

/**
 * For 1 to 4 channels on one side, without patches: the forward pass from few channels, the input gradient (stride 1)
 * where the gradients have few, and the weight gradient where either has. convThinSupports: one group, no dilation.
 */
bool convThinSupports(ConvPass pass, const ConvShape& shape);
void convThin(ConvPass pass, const ConvShape& shape, const float* source, const float* w, const Epilogue& end,
              float* dest);
void convThinWeight(const ConvShape& shape, const float* x, const float* dy, float* dw);

/** The weight gradient as a matrix product over pixels. */
void convWeightGemm(const ConvShape& shape, const float* x, const float* dy, float* dw);

/** Several groups of more than one channel: the passes as above, without patches. */
void convGrouped(ConvPass pass, const ConvShape& shape, const float* source, const float* w, const float* bias,
                 float* dest);
void convGroupedWeight(const ConvShape& shape, const float* x, const float* dy, float* dw);

/** groups == c == k: each channel by itself. */
void convDepthwiseForward(const ConvShape& shape, const float* x, const float* w, const float* bias, float* y);
void convDepthwiseInputGrad(const ConvShape& shape, const float* dy, const float* w, float* dx);
void convDepthwiseWeightGrad(const ConvShape& shape, const float* x, const float* dy, float* dw);

}  // namespace gv::cpu
