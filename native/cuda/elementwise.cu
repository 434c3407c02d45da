#include "elementwise.h"

#include "../ops/binary.h"
#include "../ops/unary.h"
#include "activation.h"
#include "broadcast.h"
#include "call.h"
#include "table.h"

namespace gv::cuda {
namespace {

using ops::BF16;
using ops::BinaryArgs;
using ops::BinaryOp;
using ops::UnaryOp;

constexpr int kMostLinks = 32;  // as engine/fuse.cpp
constexpr int kMostOperands = 64;

/** A number in the type in which it is computed: f32 (for bf16 too), i32, or u8 as i32. */
union Value {
  float f;
  int32_t i = 0;
};

enum class Family : uint8_t { Unary, Cast, Binary, ActivationGrad, Where };

enum class From : uint8_t { Operand, Link, Number };

struct Link {
  Family family;
  uint8_t op;       // UnaryOp or BinaryOp
  DType compute;    // the type of the arithmetic; bf16 stands for f32 here
  DType result;     // what the result is rounded to
  From from[3];
  uint8_t index[3];
  DType type[3];    // of the operands
  float number;     // the scalar, or the slope
  int32_t integer;  // the scalar in integer arithmetic
};

struct Program {
  int links = 0;
  Link link[kMostLinks];
};

struct Operand {
  const void* data;
  DType dtype;
  bool single;
};

struct Operands {
  Operand at[kMostOperands];
};

GV_HD inline float round(float x, DType t) { return t == DType::BF16 ? ops::fromBF16(ops::toBF16(x)) : x; }

GV_HD inline Value load(const void* data, DType t, int64_t i) {
  Value v;
  switch (t) {
    case DType::F32: v.f = static_cast<const float*>(data)[i]; break;
    case DType::BF16: v.f = ops::fromBF16(static_cast<const BF16*>(data)[i]); break;
    case DType::I32: v.i = static_cast<const int32_t*>(data)[i]; break;
    case DType::U8: v.i = static_cast<const uint8_t*>(data)[i]; break;
  }
  return v;
}

GV_HD inline void store(void* data, DType t, int64_t i, Value v) {
  switch (t) {
    case DType::F32: static_cast<float*>(data)[i] = v.f; break;
    case DType::BF16: static_cast<BF16*>(data)[i] = ops::toBF16(v.f); break;
    case DType::I32: static_cast<int32_t*>(data)[i] = v.i; break;
    case DType::U8: static_cast<uint8_t*>(data)[i] = uint8_t(v.i); break;
  }
}

GV_HD inline bool isFloat(DType t) { return t == DType::F32 || t == DType::BF16; }

/** v of type `from` as a value of type `to`, as cast converts. */
GV_HD inline Value cast(Value v, DType from, DType to) {
  Value y;
  if (isFloat(to)) {
    y.f = isFloat(from) ? v.f : float(v.i);
  } else if (to == DType::I32) {
    y.i = isFloat(from) ? ops::Cast<int32_t>()(v.f) : v.i;
  } else {
    y.i = isFloat(from) ? ops::Cast<uint8_t>()(v.f) : ops::Cast<uint8_t>()(v.i);
  }
  return y;
}

GV_HD inline float unaryFloat(UnaryOp op, float x, float slope) {
  switch (op) {
    case UnaryOp::Neg: return -x;
    case UnaryOp::Abs: return fabsf(x);
    case UnaryOp::Square: return x * x;
    case UnaryOp::Relu: return x <= 0.0f ? 0.0f : x;  // NaN stays
    case UnaryOp::Sign: return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x == x ? 0.0f : x;
    case UnaryOp::Floor: return floorf(x);
    case UnaryOp::Ceil: return ceilf(x);
    case UnaryOp::Round: return rintf(x);
    case UnaryOp::Exp: return expf(x);
    case UnaryOp::Expm1: return expm1f(x);
    case UnaryOp::Log: return logf(x);
    case UnaryOp::Log1p: return log1pf(x);
    case UnaryOp::Sqrt: return sqrtf(x);
    case UnaryOp::Rsqrt: return 1.0f / sqrtf(x);
    case UnaryOp::Reciprocal: return 1.0f / x;
    case UnaryOp::Sin: return sinf(x);
    case UnaryOp::Cos: return cosf(x);
    case UnaryOp::Tanh: return tanhf(x);
    case UnaryOp::Sigmoid: return sigmoidOf(x);
    case UnaryOp::Softplus: return x > 0.0f ? x + log1pf(expf(-x)) : log1pf(expf(x));
    case UnaryOp::LeakyRelu: return x > 0.0f ? x : slope * x;
  }
  return x;
}

GV_HD inline int32_t unaryInteger(UnaryOp op, int32_t x) {
  switch (op) {
    case UnaryOp::Neg: return int32_t(0u - uint32_t(x));
    case UnaryOp::Abs: return x < 0 ? int32_t(0u - uint32_t(x)) : x;
    case UnaryOp::Square: return int32_t(uint32_t(x) * uint32_t(x));
    case UnaryOp::Relu: return x > 0 ? x : 0;
    case UnaryOp::Sign: return (x > 0) - (x < 0);
    default: return x;
  }
}

GV_HD inline float binaryFloat(BinaryOp op, float a, float b) {
  switch (op) {
    case BinaryOp::Add: return a + b;
    case BinaryOp::Sub: return a - b;
    case BinaryOp::Mul: return a * b;
    case BinaryOp::Div: return a / b;
    case BinaryOp::Pow: return powf(a, b);
    case BinaryOp::Maximum: return ops::Maximum()(a, b);
    case BinaryOp::Minimum: return ops::Minimum()(a, b);
    default: return 0;
  }
}

template <class T>
GV_HD int32_t compare(BinaryOp op, T a, T b) {
  switch (op) {
    case BinaryOp::Equal: return a == b;
    case BinaryOp::NotEqual: return a != b;
    case BinaryOp::Less: return a < b;
    case BinaryOp::LessEqual: return a <= b;
    case BinaryOp::Greater: return a > b;
    default: return a >= b;
  }
}

template <class T>
GV_HD int32_t binaryInteger(BinaryOp op, T a, T b) {
  switch (op) {
    case BinaryOp::Add: return int32_t(ops::Add()(a, b));
    case BinaryOp::Sub: return int32_t(ops::Sub()(a, b));
    case BinaryOp::Mul: return int32_t(ops::Mul()(a, b));
    case BinaryOp::Pow: return int32_t(ops::Pow()(a, b));
    case BinaryOp::Maximum: return a > b ? a : b;
    case BinaryOp::Minimum: return a < b ? a : b;
    default: return 0;
  }
}

GV_HD inline float activationGrad(BinaryOp op, float gy, float x, float slope) {
  switch (op) {
    case BinaryOp::TanhGrad: return ops::TanhGrad()(gy, x);
    case BinaryOp::SigmoidGrad: return ops::SigmoidGrad()(gy, x);
    case BinaryOp::SoftplusGrad: return gy * sigmoidOf(x);
    case BinaryOp::ReluGrad: return ops::ReluGrad()(gy, x);
    default: return x <= 0.0f ? slope * gy : gy;
  }
}

GV_HD inline bool isComparison(BinaryOp op) { return op >= BinaryOp::Equal && op <= BinaryOp::GreaterEqual; }

GV_HD inline Value binary(const Link& link, Value a, Value b) {
  const BinaryOp op = BinaryOp(link.op);
  Value y;
  if (isFloat(link.compute)) {
    if (isComparison(op))
      y.i = compare(op, a.f, b.f);
    else
      y.f = binaryFloat(op, a.f, b.f);
  } else if (isComparison(op)) {
    y.i = compare(op, a.i, b.i);
  } else if (link.compute == DType::U8) {
    y.i = uint8_t(binaryInteger(op, uint8_t(a.i), uint8_t(b.i)));
  } else {
    y.i = binaryInteger(op, a.i, b.i);
  }
  return y;
}

/** The operands are values of their own types (link.type). */
GV_HD inline Value evaluate(const Link& link, const Value* v) {
  Value y;
  switch (link.family) {
    case Family::Cast: y = cast(v[0], link.type[0], link.result); break;
    case Family::Unary:
      if (isFloat(link.result)) {
        y.f = unaryFloat(UnaryOp(link.op), cast(v[0], link.type[0], DType::F32).f, link.number);
      } else {
        y.i = unaryInteger(UnaryOp(link.op), v[0].i);
        if (link.result == DType::U8) y.i = uint8_t(y.i);
      }
      break;
    case Family::Binary: {
      Value side[2];
      for (int k = 0; k < 2; k++) {
        if (link.from[k] != From::Number)
          side[k] = cast(v[k], link.type[k], link.compute);
        else if (isFloat(link.compute))
          side[k].f = link.number;
        else
          side[k].i = link.integer;
      }
      y = binary(link, side[0], side[1]);
      break;
    }
    case Family::ActivationGrad: y.f = activationGrad(BinaryOp(link.op), v[0].f, v[1].f, link.number); break;
    case Family::Where: {
      const bool chosen = isFloat(link.type[0]) ? v[0].f != 0.0f : v[0].i != 0;
      y = chosen ? cast(v[1], link.type[1], link.result) : cast(v[2], link.type[2], link.result);
      break;
    }
  }
  if (link.result == DType::BF16) y.f = round(y.f, DType::BF16);
  return y;
}

struct Named {
  const char* name;
  Family family;
  int op;
};

constexpr Named kNamed[] = {
#define UNARY(name, op) {#name, Family::Unary, int(UnaryOp::op)},
    UNARY(neg, Neg) UNARY(abs, Abs) UNARY(square, Square) UNARY(relu, Relu) UNARY(sign, Sign) UNARY(floor, Floor)
    UNARY(ceil, Ceil) UNARY(round, Round) UNARY(exp, Exp) UNARY(expm1, Expm1) UNARY(log, Log) UNARY(log1p, Log1p)
    UNARY(sqrt, Sqrt) UNARY(rsqrt, Rsqrt) UNARY(reciprocal, Reciprocal) UNARY(sin, Sin) UNARY(cos, Cos)
    UNARY(tanh, Tanh) UNARY(sigmoid, Sigmoid) UNARY(softplus, Softplus) UNARY(leakyRelu, LeakyRelu)
#undef UNARY
#define BINARY(name, op) {#name, Family::Binary, int(BinaryOp::op)},
    BINARY(add, Add) BINARY(sub, Sub) BINARY(mul, Mul) BINARY(div, Div) BINARY(pow, Pow) BINARY(maximum, Maximum)
    BINARY(minimum, Minimum) BINARY(equal, Equal) BINARY(notEqual, NotEqual) BINARY(less, Less)
    BINARY(lessEqual, LessEqual) BINARY(greater, Greater) BINARY(greaterEqual, GreaterEqual)
#undef BINARY
#define GRAD(name, op) {#name, Family::ActivationGrad, int(BinaryOp::op)},
    GRAD(tanhGrad, TanhGrad) GRAD(sigmoidGrad, SigmoidGrad) GRAD(softplusGrad, SoftplusGrad) GRAD(reluGrad, ReluGrad)
    GRAD(leakyReluGrad, LeakyReluGrad)
#undef GRAD
    {"cast", Family::Cast, 0},
    {"where", Family::Where, 0},
};

/** The link that does what the call does; its operands are the call's inputs. */
Link linkOf(const Call& call, DType result) {
  const Named* named = nullptr;
  for (const Named& n : kNamed)
    if (std::strcmp(n.name, call.name()) == 0) named = &n;
  if (!named) fail("ERR_INTERNAL", "%s is no elementwise op", call.name());
  Link link{};
  link.family = named->family;
  link.op = uint8_t(named->op);
  link.result = link.compute = result;
  size_t inputs = call.in.size();
  if (link.family == Family::Binary) {
    const BinaryArgs args(call, BinaryOp(link.op) == BinaryOp::Div);
    link.compute = args.compute;
    link.number = float(args.scalar);
    link.integer = isFloat(args.compute) ? 0 : int32_t(args.scalar);
    if (args.mode == 1) link.from[1] = From::Number;
    if (args.mode == 2) {
      link.from[0] = From::Number;
      link.from[1] = From::Operand;
      link.type[1] = call.in[0].dtype;
      return link;
    }
  } else if (!call.attrs.empty() && link.family != Family::Cast) {
    link.number = float(call.number(0));
  }
  for (size_t k = 0; k < inputs; k++) {
    link.type[k] = call.in[k].dtype;
    link.index[k] = uint8_t(k);
  }
  return link;
}

/** An operand that may be stretched. */
struct Side {
  const void* data;
  DType dtype;
  Strided where;
};

/** One op; its operands may be stretched. */
void runOne(const Call& call) {
  const Tensor& y = call.out[0];
  const Link link = linkOf(call, y.dtype);
  Side side[3] = {};
  bool dense = true;
  for (int k = 0; k < 3; k++) {
    // A number on the left leaves the only input on the right.
    const size_t at = link.family == Family::Binary && link.from[0] == From::Number ? 0 : size_t(k);
    if (link.from[k] != From::Operand || at >= call.in.size()) continue;
    const Tensor& t = call.in[at];
    side[k] = {t.data<void>(), t.dtype, Strided::broadcast(t.shape, y.shape)};
    dense = dense && side[k].where.dense();
  }
  const Side a = side[0], b = side[1], c = side[2];
  void* const out = y.data<void>();
  const DType result = y.dtype;
  forEach(y.size(), [=] GV_DEVICE(int64_t i) {
    Value v[3];
    if (a.data) v[0] = load(a.data, a.dtype, dense ? i : a.where.at(i));
    if (b.data) v[1] = load(b.data, b.dtype, dense ? i : b.where.at(i));
    if (c.data) v[2] = load(c.data, c.dtype, dense ? i : c.where.at(i));
    store(out, result, i, evaluate(link, v));
  });
}

}  // namespace

void runChain(const Call& call, const gv_link* links, int count) {
  const Tensor& y = call.out[0];
  if (count > kMostLinks || call.in.size() > size_t(kMostOperands))
    fail("ERR_INTERNAL", "a chain of %d links and %zu operands is too long", count, call.in.size());
  Program program;
  program.links = count;
  for (int k = 0; k < count; k++) {
    // A call of its own, for the decoding of its attributes; its operands' shapes do not matter.
    Call part;
    part.op = &kKernels[links[k].op];
    part.attrs.assign(links[k].attribute, links[k].attribute + links[k].attributes);
    for (int i = 0; i < links[k].operands; i++) {
      const int at = links[k].index[i];
      part.in.push_back({Shape{}, links[k].inside[i] ? DType(links[at].dtype) : call.in[size_t(at)].dtype, nullptr});
    }
    Link link = linkOf(part, DType(links[k].dtype));
    const bool shifted = link.from[0] == From::Number;
    for (int i = 0; i < links[k].operands; i++) {
      link.from[i + shifted] = links[k].inside[i] ? From::Link : From::Operand;
      link.index[i + shifted] = uint8_t(links[k].index[i]);
    }
    program.link[k] = link;
  }
  Operands operands{};
  for (size_t k = 0; k < call.in.size(); k++)
    operands.at[k] = {call.in[k].data<void>(), call.in[k].dtype, call.in[k].size() == 1};
  void* const out = y.data<void>();
  const DType result = y.dtype;
  forEach(y.size(), [=] GV_DEVICE(int64_t i) {
    Value results[kMostLinks];
    for (int k = 0; k < program.links; k++) {
      const Link& link = program.link[k];
      Value v[3];
      for (int s = 0; s < 3; s++) {
        if (link.from[s] == From::Number) continue;
        const int at = link.index[s];
        if (link.from[s] == From::Link)
          v[s] = results[at];
        else if (operands.at[at].data)
          v[s] = load(operands.at[at].data, operands.at[at].dtype, operands.at[at].single ? 0 : i);
      }
      results[k] = evaluate(link, v);
    }
    store(out, result, i, results[program.links - 1]);
  });
}

void convert(const Tensor& from, const Tensor& to) {
  const void* const x = from.data<void>();
  void* const y = to.data<void>();
  const DType a = from.dtype, b = to.dtype;
  forEach(from.size(), [=] GV_DEVICE(int64_t i) { store(y, b, i, cast(load(x, a, i), a, b)); });
}

namespace run {
#define ELEMENTWISE(name) \
  void name(const Call& call) { runOne(call); }
ELEMENTWISE(neg) ELEMENTWISE(abs) ELEMENTWISE(square) ELEMENTWISE(relu) ELEMENTWISE(sign) ELEMENTWISE(floor)
ELEMENTWISE(ceil) ELEMENTWISE(round) ELEMENTWISE(exp) ELEMENTWISE(expm1) ELEMENTWISE(log) ELEMENTWISE(log1p)
ELEMENTWISE(sqrt) ELEMENTWISE(rsqrt) ELEMENTWISE(reciprocal) ELEMENTWISE(sin) ELEMENTWISE(cos) ELEMENTWISE(tanh)
ELEMENTWISE(sigmoid) ELEMENTWISE(softplus) ELEMENTWISE(leakyRelu) ELEMENTWISE(cast) ELEMENTWISE(add) ELEMENTWISE(sub)
ELEMENTWISE(mul) ELEMENTWISE(div) ELEMENTWISE(pow) ELEMENTWISE(maximum) ELEMENTWISE(minimum) ELEMENTWISE(equal)
ELEMENTWISE(notEqual) ELEMENTWISE(less) ELEMENTWISE(lessEqual) ELEMENTWISE(greater) ELEMENTWISE(greaterEqual)
ELEMENTWISE(tanhGrad) ELEMENTWISE(sigmoidGrad) ELEMENTWISE(softplusGrad) ELEMENTWISE(reluGrad)
ELEMENTWISE(leakyReluGrad) ELEMENTWISE(where)
#undef ELEMENTWISE
}  // namespace run
}  // namespace gv::cuda
