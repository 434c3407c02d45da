#include "ops/matmul.h"

#include <algorithm>

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
    fail("ERR_SHAPE", "matmul: cannot multiply a %s%s by b %s%s", a.str().c_str(),
         args.transA ? " (transposed)" : "", b.str().c_str(), args.transB ? " (transposed)" : "");
  return args;
}

void inferMatmul(Call& call) {
  call.expectInputs(2);
  for (size_t i = 0; i < 2; i++) {
    const char* what = i ? "b" : "a";
    call.expectDType(i, DType::F32, what);
    if (call.in[i].shape.rank() < 2)
      fail("ERR_SHAPE", "matmul: %s must have at least 2 dimensions, got %s", what, call.in[i].shape.str().c_str());
  }
  const MatmulArgs args = MatmulArgs::of(call);
  Shape out = args.batch;
  out.push(args.m);
  out.push(args.n);
  call.emit(out, DType::F32);
}

}  // namespace gv::ops
