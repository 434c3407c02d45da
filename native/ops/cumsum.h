// Running sums (accumulated in f64) and recurrences along an axis, f32 or bf16; cumsum also i32, which wraps around.
//
//   cumsum(x)         attrs [axis, reverse]   y_i = x_0 + ... + x_i; from the other end where reverse is 1
//   recurrence(a, b)  attrs [axis, reverse]   y_i = a_i y_(i-1) + b_i, y_first = b_first (a_first is not used); with
//                                             y_(i+1) where reverse is 1
#pragma once
#include "../engine/call.h"
