// Bias and activation over the last dimension. All f32; ops/activation.h lists the activations.
//
//   biasAct      x, b [C]  attrs [act, slope]  -> y = act(x + b)
//   biasActGrad  gy, y     attrs [act, slope]  -> dx = gy act'(y), db [C] = the sum of dx over all other dimensions
#pragma once
#include "activation.h"
