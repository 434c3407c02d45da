#include "ops/matmul.h"

#include <algorithm>

#include "ops/activation.h"
#include "ops/attrs.h"

namespace gv::ops {

MatmulArgs MatmulArgs::of(const Call& call) {
  const Shape &a = call.in[0].shape, &b = call.in[1].shape;
  MatmulArgs args{};
  args.transA = call.integer(0) != 0;
  args.transB = call.integer(1) != 0;
  const int ra = a.rank(), rb = b.rank();
  const int64_t inner = b[rb - (args.transB ? 1 : 2)];
  args.m = a[ra - (args.transA ? 1 : 2)];
  args.k = a[ra - (args.transA ? 2 : 1)];
  args.n = b[rb - (args.transB ? 2 : 1)];
  const int rank = std::max(ra, rb) - 2;
  bool agree = args.k == inner;
  for (int i = 0; i < rank; i++) {
    const int ia = i - (rank - (ra - 2)), ib = i - (rank - (rb - 2));
    const int64_t da = ia < 0 ? 1 : a[ia], db = ib < 0 ? 1 : b[ib];
    agree = agree && (da == db || da == 1 || db == 1);
    args.batch.push(da == 1 ? db : da);
  }
  if (!agree)
    fail("ERR_SHAPE", "%s: cannot multiply a %s%s by b %s%s", call.name(), a.str().c_str(),
         args.transA ? " (transposed)" : "", b.str().c_str(), args.transB ? " (transposed)" : "");
  return args;
}

/** Checks both operands and emits the result; returns its shape. */
static Shape inferProduct(Call& call) {
  for (size_t i = 0; i < 2; i++) {
    const char* what = i ? "b" : "a";
    call.expectFloat(i, what);
    call.expectDType(i, call.in[0].dtype, what);
    if (call.in[i].shape.rank() < 2)
      fail("ERR_SHAPE", "%s: %s must have at least 2 dimensions, got %s", call.name(), what, call.in[i].shape.str().c_str());
  }
  const MatmulArgs args = MatmulArgs::of(call);
  Shape out = args.batch;
  out.push(args.m);
  out.push(args.n);
  const DType dtype = dtypeAttr(call, 2);
  if (dtype != DType::F32 && dtype != DType::BF16)
    fail("ERR_DTYPE", "%s: the result must be f32 or bf16, got %s", call.name(), name(dtype));
  call.emit(out, dtype);
  return out;
}

void inferMatmul(Call& call) {
  call.expectInputs(2);
  inferProduct(call);
}

void inferMatmulAct(Call& call) {
  call.expectInputs(3);
  const Shape y = inferProduct(call);
  call.expectDType(2, DType::F32, "bias");
  call.expectShape(2, {y.last()}, "bias");
  FinishArgs::decode(call, 3);
}

}  // namespace gv::ops
