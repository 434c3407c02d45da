// One operation on its way to a device: inputs, attributes and outputs. An op is a shape rule (`infer`, on the
// caller's thread, throws) and a kernel per device (`run`, on the stream's thread). The table of ops is ops/ops.def.
#pragma once
#include <cmath>
#include <vector>

#include "tensor.h"

namespace gv {

struct Call;
struct Chain;

struct Op {
  const char* name;
  void (*infer)(Call&);
  void (*run)(const Call&);  // on the device that this table is for
  // Whether each element of the output depends on the elements of the inputs at the same place alone, and broadcasting
  // is the usual one: such calls may run together, block by block.
  bool elementwise;
};

/** Runs the chain that a call carries; made by ops/table.cpp like every other entry. */
extern const Op kChainOp;

struct Call {
  const Op* op = nullptr;
  std::vector<Tensor> in, out;
  std::vector<double> attrs;
  Memory* memory = nullptr;
  std::shared_ptr<const Chain> chain;  // of a call that stands for several, see chain.h

  const char* name() const { return op->name; }

  // Attribute k as a number or as an integer (JavaScript sends doubles; NaN and fractions are refused).
  double number(size_t k) const {
    if (k >= attrs.size()) fail("ERR_INTERNAL", "%s: attribute %zu is missing", name(), k);
    return attrs[k];
  }
  int64_t integer(size_t k) const {
    const double v = number(k);
    if (!(std::fabs(v) <= 9007199254740991.0) || v != std::floor(v))
      fail("ERR_ARGUMENT", "%s: expected an integer, got %g", name(), v);
    return int64_t(v);
  }

  // ---- for infer ----
  void expectInputs(size_t n) const {
    if (in.size() != n) fail("ERR_INTERNAL", "%s: expected %zu inputs, got %zu", name(), n, in.size());
  }
  void expectDType(size_t k, DType t, const char* what) const {
    if (in[k].dtype != t)
      fail("ERR_DTYPE", "%s: %s must be %s, got %s", name(), what, gv::name(t), gv::name(in[k].dtype));
  }
  // f32 or bf16: for ops that compute in f32 and store what they are given.
  void expectFloat(size_t k, const char* what) const {
    if (in[k].dtype != DType::F32 && in[k].dtype != DType::BF16)
      fail("ERR_DTYPE", "%s: %s must be f32 or bf16, got %s", name(), what, gv::name(in[k].dtype));
  }
  void expectRank(size_t k, int rank, const char* what) const {
    if (in[k].shape.rank() != rank)
      fail("ERR_SHAPE", "%s: %s must have %d dimensions, got %s", name(), what, rank, in[k].shape.str().c_str());
  }
  void expectShape(size_t k, const Shape& s, const char* what) const {
    if (in[k].shape != s)
      fail("ERR_SHAPE", "%s: %s must have shape %s, got %s", name(), what, s.str().c_str(),
           in[k].shape.str().c_str());
  }
  void emit(const Shape& shape, DType dtype) {
    shape.check(name());
    Tensor t{shape, dtype, nullptr};
    t.storage = std::make_shared<Storage>(*memory, t.bytes());
    out.push_back(std::move(t));
  }
};

// Temporary memory for one kernel run, from the same pool as tensors so that memory() counts it.
class Workspace {
 public:
  Workspace(const Call& call, size_t bytes) : memory_(*call.memory) {
    data_ = bytes ? memory_.allocate(bytes, capacity_) : nullptr;
  }
  ~Workspace() { memory_.free(data_, capacity_); }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  template <class T> T* as() const { return static_cast<T*>(data_); }

 private:
  Memory& memory_;
  void* data_ = nullptr;
  size_t capacity_ = 0;
};

}  // namespace gv
