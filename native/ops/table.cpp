#include "table.h"

#include "cpu/cast.h"
#include "cpu/chain.h"
#include "widen.h"

namespace gv {

namespace ops {
#define GV_OP(name, Rule) void infer##Rule(Call&);
#define GV_OP_TYPED(name, Rule) GV_OP(name, Rule)
#include "ops.def"
#undef GV_OP
#undef GV_OP_TYPED
}  // namespace ops

namespace cpu::run {
#define GV_OP(name, Rule) void name(const Call&);
#define GV_OP_TYPED(name, Rule) GV_OP(name, Rule)
#include "ops.def"
#undef GV_OP
#undef GV_OP_TYPED
}  // namespace cpu::run

namespace {

// The shape rules that only elementwise ops have.
template <void (*rule)(Call&)>
constexpr bool elementwise() {
  return rule == ops::inferUnary || rule == ops::inferUnaryStep || rule == ops::inferUnaryFloat ||
         rule == ops::inferCast || rule == ops::inferBinary || rule == ops::inferBinaryFloat ||
         rule == ops::inferCompare || rule == ops::inferActivationGrad || rule == ops::inferWhere;
}

}  // namespace

const Op kOps[] = {
#define GV_OP(name, Rule) {#name, ops::infer##Rule, widened<cpu::run::name, cpu::convert>, elementwise<ops::infer##Rule>()},
#define GV_OP_TYPED(name, Rule) {#name, ops::infer##Rule, cpu::run::name, elementwise<ops::infer##Rule>()},
#include "ops.def"
#undef GV_OP
#undef GV_OP_TYPED
};
const Op kChainOp = {"chain", nullptr, cpu::runChain, false};
const int kOpCount = int(sizeof kOps / sizeof kOps[0]);

}  // namespace gv
