#include "table.h"

namespace gv {

namespace ops {
#define GV_OP(name, Rule) void infer##Rule(Call&);
#include "ops.def"
#undef GV_OP
}  // namespace ops

namespace cpu::run {
#define GV_OP(name, Rule) void name(const Call&);
#include "ops.def"
#undef GV_OP
}  // namespace cpu::run

const Op kOps[] = {
#define GV_OP(name, Rule) {#name, ops::infer##Rule, cpu::run::name},
#include "ops.def"
#undef GV_OP
};
const int kOpCount = int(sizeof kOps / sizeof kOps[0]);

}  // namespace gv
