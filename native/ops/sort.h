// The first k elements of each row along the last axis in ascending or descending order, with their positions; k = the
// row's length is a full sort. Stable: equal elements stay in order (-0 and 0 are equal). NaN comes last either way.
//
//   sort(x)  attrs [descending, k]   x f32, bf16, i32 or u8, rank at least 1 -> values (x's dtype), positions (i32)
#pragma once
#include "../engine/call.h"
