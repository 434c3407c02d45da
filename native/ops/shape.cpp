// Shape rules of ops/shape.h.
#include "shape.h"

namespace gv {

static void expectAttrs(const Call& call, size_t n) {
  if (call.attrs.size() != n)
    fail("ERR_SHAPE", "%s: expected %zu numbers for x %s, got %zu", call.name(), n, call.in[0].shape.str().c_str(),
         call.attrs.size());
}

TransposeArgs TransposeArgs::decode(const Call& call) {
  const int rank = call.in[0].shape.rank();
  TransposeArgs a{};
  bool seen[kMaxRank] = {};
  for (int i = 0; i < rank; i++) {
    const int64_t p = call.integer(i);
    if (p < 0 || p >= rank || seen[p])
      fail("ERR_ARGUMENT", "%s: perm must hold each of 0..%d once for x %s", call.name(), rank - 1,
           call.in[0].shape.str().c_str());
    seen[p] = true;
    a.perm[i] = int(p);
  }
  return a;
}

SliceArgs SliceArgs::decode(const Call& call) {
  const int rank = call.in[0].shape.rank();
  SliceArgs a{};
  for (int i = 0; i < rank; i++) {
    a.begin[i] = call.integer(1 + i);
    a.size[i] = call.integer(1 + rank + i);
    a.step[i] = call.integer(1 + 2 * rank + i);
  }
  return a;
}

ConcatArgs ConcatArgs::decode(const Call& call) { return {int(call.integer(0))}; }

PadArgs PadArgs::decode(const Call& call) {
  PadArgs a{};
  a.value = call.number(0);
  for (int i = 0; i < call.in[0].shape.rank(); i++) {
    a.before[i] = call.integer(1 + 2 * i);
    a.after[i] = call.integer(2 + 2 * i);
  }
  return a;
}

BroadcastToArgs BroadcastToArgs::decode(const Call& call) {
  BroadcastToArgs a;
  for (size_t i = 0; i < call.attrs.size(); i++) a.shape.push(call.integer(i));
  return a;
}

namespace ops {

void inferTranspose(Call& call) {
  call.expectInputs(1);
  const Shape x = call.in[0].shape;
  expectAttrs(call, x.rank());
  const TransposeArgs a = TransposeArgs::decode(call);
  Shape y;
  for (int i = 0; i < x.rank(); i++) y.push(x[a.perm[i]]);
  call.emit(y, call.in[0].dtype);
}

void inferSlice(Call& call) {
  call.expectInputs(1);
  const Shape x = call.in[0].shape;
  expectAttrs(call, 1 + 3 * x.rank());
  if (call.integer(0) != x.rank())
    fail("ERR_SHAPE", "%s: begin and size must have %d entries for x %s, got %lld", call.name(), x.rank(),
         x.str().c_str(), (long long)call.integer(0));
  const SliceArgs a = SliceArgs::decode(call);
  Shape y;
  for (int i = 0; i < x.rank(); i++) {
    const int64_t begin = a.begin[i], size = a.size[i], step = a.step[i];
    if (step == 0) fail("ERR_ARGUMENT", "%s: a step must not be 0 (axis %d)", call.name(), i);
    // A step longer than the dimension can only serve one element, and would overflow the product below.
    const bool far = size > 1 && (step > x[i] || step < -x[i]);
    const int64_t last = far ? -1 : begin + (size - 1) * step;
    const bool fits = size == 0 ? begin >= 0 && begin <= x[i]
                                : size > 0 && size <= x[i] && begin >= 0 && begin < x[i] && last >= 0 && last < x[i];
    if (!fits)
      fail("ERR_ARGUMENT", "%s: begin %lld, size %lld, step %lld leave axis %d of x %s", call.name(),
           (long long)begin, (long long)size, (long long)step, i, x.str().c_str());
    y.push(size);
  }
  call.emit(y, call.in[0].dtype);
}

void inferConcat(Call& call) {
  if (call.in.empty()) fail("ERR_ARGUMENT", "%s: expected at least one tensor", call.name());
  expectAttrs(call, 1);
  const Shape first = call.in[0].shape;
  const int64_t axis = call.integer(0);
  if (axis < 0 || axis >= first.rank())
    fail("ERR_ARGUMENT", "%s: axis %lld is not one of %s", call.name(), (long long)axis, first.str().c_str());
  Shape y = first;
  for (size_t k = 1; k < call.in.size(); k++) {
    call.expectDType(k, call.in[0].dtype, "every part");
    Shape part = call.in[k].shape;
    if (part.rank() == first.rank()) {
      y[int(axis)] += part[int(axis)];
      part[int(axis)] = first[int(axis)];
    }
    if (part != first)
      fail("ERR_SHAPE", "%s: part %zu %s does not fit part 0 %s along axis %lld", call.name(), k,
           call.in[k].shape.str().c_str(), first.str().c_str(), (long long)axis);
  }
  call.emit(y, call.in[0].dtype);
}

void inferPad(Call& call) {
  call.expectInputs(1);
  const Shape x = call.in[0].shape;
  const DType dtype = call.in[0].dtype;
  expectAttrs(call, 1 + 2 * x.rank());
  const PadArgs a = PadArgs::decode(call);
  const bool integral = dtype == DType::I32 || dtype == DType::U8;
  const double low = dtype == DType::U8 ? 0 : -2147483648.0, high = dtype == DType::U8 ? 255 : 2147483647.0;
  if (integral && !(a.value >= low && a.value <= high && a.value == std::floor(a.value)))
    fail("ERR_ARGUMENT", "%s: value %g does not fit %s", call.name(), a.value, name(dtype));
  Shape y;
  for (int i = 0; i < x.rank(); i++) {
    const int64_t before = a.before[i], after = a.after[i];
    if (before < 0 || after < 0 || before > kMaxElements || after > kMaxElements)
      fail("ERR_ARGUMENT", "%s: padding [%lld, %lld] of axis %d is negative or too large", call.name(),
           (long long)before, (long long)after, i);
    y.push(x[i] + before + after);
  }
  call.emit(y, dtype);
}

void inferBroadcastTo(Call& call) {
  call.expectInputs(1);
  const Shape x = call.in[0].shape;
  const Shape y = BroadcastToArgs::decode(call).shape;
  const int missing = y.rank() - x.rank();
  bool fits = missing >= 0;
  for (int i = 0; fits && i < x.rank(); i++) fits = x[i] == y[i + missing] || x[i] == 1;
  if (!fits)
    fail("ERR_SHAPE", "%s: x %s does not broadcast to %s", call.name(), x.str().c_str(), y.str().c_str());
  call.emit(y, call.in[0].dtype);
}

}  // namespace ops
}  // namespace gv
