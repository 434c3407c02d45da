// Shape rule of random.h.
#include "random.h"

#include <cstring>

namespace gv::ops {

void inferRandom(Call& call) {
  call.expectInputs(0);
  const RandomArgs args(call);
  if (!std::isfinite(args.a) || !std::isfinite(args.b))
    fail("ERR_ARGUMENT", "%s: the parameters must be finite f32 numbers, got %g and %g", call.name(), call.number(4),
         call.number(5));
  if (!std::strcmp(call.name(), "uniform")) {
    if (args.a > args.b)
      fail("ERR_ARGUMENT", "uniform: lo must not exceed hi, got lo = %g and hi = %g", call.number(4), call.number(5));
    if (!std::isfinite(args.b - args.a))
      fail("ERR_ARGUMENT", "uniform: hi - lo overflows f32, got lo = %g and hi = %g", call.number(4), call.number(5));
  } else if (args.b < 0) {
    fail("ERR_ARGUMENT", "%s: the scale must not be negative, got %g", call.name(), call.number(5));
  }
  call.emit(args.shape, DType::F32);
}

}  // namespace gv::ops
