// Shape rules of attention.h.
#include "ops/attention.h"

namespace gv::ops {
namespace {

void expectMask(const Call& call, size_t k, const AttentionArgs& args) {
  const Tensor& mask = call.in[k];
  if (mask.dtype != DType::U8 && mask.dtype != DType::F32)
    fail("ERR_DTYPE", "%s: mask must be u8 or f32, got %s", call.name(), name(mask.dtype));
  Shape full = call.in[k == 3 ? 0 : 1].shape;
  full[full.rank() - 1] = args.keys;
  const int skip = full.rank() - mask.shape.rank();
  bool fits = skip >= 0;
  for (int i = 0; fits && i < mask.shape.rank(); i++)
    fits = mask.shape[i] == 1 || mask.shape[i] == full[skip + i];
  if (!fits)
    fail("ERR_SHAPE", "%s: mask %s does not broadcast to %s", call.name(), mask.shape.str().c_str(),
         full.str().c_str());
}

}  // namespace

AttentionArgs AttentionArgs::of(const Call& call, size_t first) {
  const Shape &q = call.in[first].shape, &k = call.in[first + 1].shape, &v = call.in[first + 2].shape;
  const int rank = q.rank();
  bool fits = rank >= 2 && k.rank() == rank && v.rank() == rank;
  for (int i = 0; fits && i + 2 < rank; i++) fits = k[i] == q[i] && v[i] == q[i];
  if (!fits || k[rank - 1] != q[rank - 1] || v[rank - 2] != k[rank - 2])
    fail("ERR_SHAPE", "%s: expected q [..., Nq, d], k [..., Nk, d] and v [..., Nk, dv], got %s, %s and %s",
         call.name(), q.str().c_str(), k.str().c_str(), v.str().c_str());
  return {float(call.number(0)), call.integer(1) != 0,     q.count(0, rank - 2), q[rank - 2],
          k[rank - 2],           q[rank - 1], v[rank - 1]};
}

void inferAttention(Call& call) {
  if (call.in.size() != 4) call.expectInputs(3);
  call.expectFloat(0, "q");
  call.expectFloat(1, "k");
  call.expectFloat(2, "v");
  const AttentionArgs args = AttentionArgs::of(call, 0);
  if (call.in.size() == 4) expectMask(call, 3, args);
  Shape rows = call.in[0].shape, y;
  for (int i = 0; i + 1 < rows.rank(); i++) y.push(rows[i]);
  rows = y;
  y.push(args.valueDepth);
  call.emit(y, call.in[0].dtype);
  call.emit(rows, DType::F32);
}

void inferAttentionGrad(Call& call) {
  if (call.in.size() != 7) call.expectInputs(6);
  call.expectFloat(0, "the gradient");
  call.expectFloat(1, "q");
  call.expectFloat(2, "k");
  call.expectFloat(3, "v");
  call.expectFloat(4, "y");
  call.expectDType(5, DType::F32, "lse");
  const AttentionArgs args = AttentionArgs::of(call, 1);
  Shape rows, y;
  for (int i = 0; i + 1 < call.in[1].shape.rank(); i++) rows.push(call.in[1].shape[i]);
  y = rows;
  y.push(args.valueDepth);
  call.expectShape(0, y, "the gradient");
  call.expectShape(4, y, "y");
  call.expectShape(5, rows, "lse");
  if (call.in.size() == 7) expectMask(call, 6, args);
  for (size_t k = 1; k < 4; k++) call.emit(call.in[k].shape, call.in[k].dtype);
}

}  // namespace gv::ops
