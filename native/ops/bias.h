// Bias and activation over the last dimension; ops/activation.h lists the activations. x, y, gy and dx are f32 or bf16
// alike, b and db are f32.
//
//   biasAct      x, b [C]  attrs [act, slope, gain, clamp]  -> y = clamp(gain act(x + b))
//   biasActGrad  gy, y     same attrs  -> dx [..., C], db [C] = the sum of dx over all other dimensions
#pragma once
#include "activation.h"
