// Shape rules of create.h.
#include "create.h"

namespace gv::ops {
namespace {

void expectWhole(const Call& call, DType dtype, double value) {
  if (dtype != DType::I32 && dtype != DType::U8) return;
  const double lo = dtype == DType::U8 ? 0 : -2147483648.0, hi = dtype == DType::U8 ? 255 : 2147483647.0;
  if (!(value >= lo && value <= hi) || value != std::floor(value))
    fail("ERR_ARGUMENT", "%s: %s holds whole numbers from %.0f to %.0f, got %g", call.name(), name(dtype), lo, hi,
         value);
}

}  // namespace

void inferCreate(Call& call) {
  call.expectInputs(0);
  const FillArgs args(call);
  expectWhole(call, args.dtype, args.value);
  call.emit(args.shape, args.dtype);
}

void inferArange(Call& call) {
  call.expectInputs(0);
  const ArangeArgs args(call);
  if (!std::isfinite(args.start) || !std::isfinite(args.step))
    fail("ERR_ARGUMENT", "%s: start and step must be finite, got %g and %g", call.name(), args.start, args.step);
  if (args.n > 0) {
    expectWhole(call, args.dtype, args.start);
    expectWhole(call, args.dtype, args.start + double(args.n - 1) * args.step);
    if (args.n > 1) expectWhole(call, args.dtype, args.start + args.step);
  }
  call.emit(Shape{args.n}, args.dtype);
}

}  // namespace gv::ops
