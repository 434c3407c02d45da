// Elements taken and put by position along an axis, each element having an index of its own (PyTorch's gather and
// scatter). The indices (i32 or u8) have the rank of x and at most its size in every dimension but the axis.
//
//   takeAlongAxis(x, indices)               attrs [axis]            y[i, j, k] = x[i, indices[i, j, k], k] for axis 1
//   scatterAlongAxis(x, indices, updates)   attrs [axis]            x with the updates in those places; of equal
//                                                                   places the last in index order stays
//   scatterAddAlongAxis(indices, updates)   attrs [axis, rank, dims...]   zeros of that shape with the updates (f32,
//                                                                   bf16 or i32) added; equal places add up
//
// An index outside [0, size), negative ones included, is an error the kernel reports (ERR_INDEX).
#pragma once
#include "attrs.h"
