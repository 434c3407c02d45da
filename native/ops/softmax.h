// Softmax over the last axis, f32 or bf16 (computed in f32), rank at least 1. No attributes.
//
//   softmax(x)                = exp(x - max) / sum(exp(x - max))
//   logSoftmax(x)             = x - max - log(sum(exp(x - max)))
//   softmaxGrad(gy, y)        = y (gy - sum(gy y))       y = softmax(x)
//   logSoftmaxGrad(gy, y)     = gy - exp(y) sum(gy)      y = logSoftmax(x)
//
// A row with a NaN or +inf, or of -inf alone, becomes NaN (all of it, or where +inf - inf arises), as in PyTorch.
#pragma once
#include "../engine/call.h"

