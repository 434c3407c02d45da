#include "table.h"

#include "cpu/widen.h"

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

const Op kOps[] = {
#define GV_OP(name, Rule) {#name, ops::infer##Rule, cpu::widened<cpu::run::name>},
#define GV_OP_TYPED(name, Rule) {#name, ops::infer##Rule, cpu::run::name},
#include "ops.def"
#undef GV_OP
#undef GV_OP_TYPED
};
const int kOpCount = int(sizeof kOps / sizeof kOps[0]);

}  // namespace gv
