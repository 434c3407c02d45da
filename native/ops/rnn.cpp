// Shape rules of rnn.h.
#include "ops/rnn.h"

namespace gv::ops {
namespace {

/** Checks the dtypes of all inputs, and that input 0 is [N, L, k H]. */
RnnArgs expectSequence(const Call& call, size_t inputs, int64_t k) {
  call.expectInputs(inputs);
  for (size_t i = 0; i < inputs; i++) call.expectDType(i, DType::F32, "every input");
  call.expectRank(0, 3, "the first input");
  if (call.in[0].shape[2] % k != 0)
    fail("ERR_SHAPE", "%s: the last dimension of %s must be a multiple of %d", call.name(),
         call.in[0].shape.str().c_str(), int(k));
  return RnnArgs::of(call.in[0], k);
}

}  // namespace

void inferGru(Call& call) {
  const RnnArgs a = expectSequence(call, 4, 3);
  call.expectShape(1, {a.batch, a.hidden}, "h0");
  call.expectShape(2, {3 * a.hidden, a.hidden}, "the recurrent weight");
  call.expectShape(3, {3 * a.hidden}, "the recurrent bias");
  call.emit({a.batch, a.steps, a.hidden}, DType::F32);
  call.emit({a.batch, a.steps, 4 * a.hidden}, DType::F32);
}

void inferGruGrad(Call& call) {
  const RnnArgs a = expectSequence(call, 5, 1);
  call.expectShape(1, {a.batch, a.steps, 4 * a.hidden}, "gates");
  call.expectShape(2, call.in[0].shape, "h");
  call.expectShape(3, {a.batch, a.hidden}, "h0");
  call.expectShape(4, {3 * a.hidden, a.hidden}, "the recurrent weight");
  call.emit({a.batch, a.steps, 3 * a.hidden}, DType::F32);
  call.emit(call.in[3].shape, DType::F32);
  call.emit(call.in[4].shape, DType::F32);
  call.emit({3 * a.hidden}, DType::F32);
}

void inferLstm(Call& call) {
  const RnnArgs a = expectSequence(call, 4, 4);
  call.expectShape(1, {a.batch, a.hidden}, "h0");
  call.expectShape(2, {a.batch, a.hidden}, "c0");
  call.expectShape(3, {4 * a.hidden, a.hidden}, "the recurrent weight");
  call.emit({a.batch, a.steps, 2 * a.hidden}, DType::F32);
  call.emit({a.batch, a.steps, 4 * a.hidden}, DType::F32);
}

void inferLstmGrad(Call& call) {
  const RnnArgs a = expectSequence(call, 6, 2);
  call.expectShape(1, {a.batch, a.steps, 4 * a.hidden}, "gates");
  call.expectShape(2, call.in[0].shape, "state");
  call.expectShape(3, {a.batch, a.hidden}, "h0");
  call.expectShape(4, {a.batch, a.hidden}, "c0");
  call.expectShape(5, {4 * a.hidden, a.hidden}, "the recurrent weight");
  call.emit({a.batch, a.steps, 4 * a.hidden}, DType::F32);
  call.emit(call.in[3].shape, DType::F32);
  call.emit(call.in[4].shape, DType::F32);
  call.emit(call.in[5].shape, DType::F32);
}

}  // namespace gv::ops
