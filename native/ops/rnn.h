// Recurrent layers over whole sequences: the products of the inputs with their weights come in, the recurrence runs
// here. No attributes. Gates in PyTorch's order; σ is the logistic function, · the product element by element.
//
//   gru   gi [N, L, 3H] (r, z, n), h0 [N, H], w [3H, H], b [3H] -> h [N, L, H], gates [N, L, 4H] (r, z, n, m)
//         gh = h' wᵀ + b, h' the state before; m = gh_n
//         r = σ(gi_r + gh_r)  z = σ(gi_z + gh_z)  n = tanh(gi_n + r · m)  h = (1 - z) · n + z · h'
//   lstm  gi [N, L, 4H] (i, f, g, o), h0 [N, H], c0 [N, H], w [4H, H] -> state [N, L, 2H] (h, c), gates [N, L, 4H]
//         i, f, o = σ(gi + h' wᵀ)  g = tanh(gi + h' wᵀ)  c = f · c' + i · g  h = o · tanh(c)
//
//   gruGrad   gy, gates, h, h0, w          -> by gi, h0, w, b
//   lstmGrad  gy, gates, state, h0, c0, w  -> by gi, h0, c0, w
//
// Sources: Cho et al. 2014; Hochreiter and Schmidhuber 1997; both as torch.nn.GRU and torch.nn.LSTM compute them.
#pragma once
#include "engine/call.h"

namespace gv::ops {

struct RnnArgs {
  int64_t batch, steps, hidden;
  /** From the shape [N, L, k H] of `gates`, where k is known. */
  static RnnArgs of(const Tensor& gates, int64_t k) {
    return {gates.shape[0], gates.shape[1], gates.shape[2] / k};
  }
};

}  // namespace gv::ops
