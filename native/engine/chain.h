// Several elementwise calls that run as one pass, block by block, so that what lies between them never reaches memory.
// Only the description: fuse.cpp finds chains in a recording, cpu/chain.cpp runs them with the ops' own kernels, so
// every bit is what the calls one by one would give.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "call.h"

namespace gv {

struct Chain {
  struct Operand {
    bool inside;   // the result of link `index`, else input `index` of the call that carries the chain
    size_t index;
  };
  struct Link {
    const Op* op;
    std::vector<double> attrs;
    std::vector<Operand> in;
    DType dtype;      // of the result
    size_t slot = 0;  // which of the block buffers holds the result; the last link writes the call's output instead
  };
  std::vector<Link> links;
  size_t slots = 0;
  std::string name;  // the ops' names, for profiles and errors
  Op op;             // kChainOp under this name
};

/** What fusing must know of a recording beyond its calls. */
struct Fusible {
  /** Whether nothing but these calls reads the storage, so that it need not be written. */
  std::function<bool(const Storage*)> isPrivate;
  /** Whether the two storages may be the same memory in some run. */
  std::function<bool(const Storage*, const Storage*)> mayAlias;
  /** Whether call k must stay as it is: its attributes change from run to run. */
  std::function<bool(size_t)> isFixed;
};

/**
 * The calls with chains in place of those that may run together; a chain stands where the last of them stood.
 * @param where receives for each call the place of the one that now does its work
 */
std::vector<Call> fuse(const std::vector<Call>& calls, const Fusible& fusible, std::vector<size_t>& where);

/** Whether the call writes its inputs in place: the ops that do have no outputs (ops/optim.h). */
inline bool writesInputs(const Call& call) { return call.out.empty(); }

}  // namespace gv
