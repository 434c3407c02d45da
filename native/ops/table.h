// The op table made from ops.def. An op's number is its line; JavaScript asks for the names once and keeps the map.
#pragma once
#include "../engine/call.h"

namespace gv {

extern const Op kOps[];
extern const int kOpCount;

}  // namespace gv
