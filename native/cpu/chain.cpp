#include "cpu/chain.h"

#include <algorithm>
#include <deque>

#include "cpu/pool.h"
#include "engine/chain.h"

namespace gv::cpu {
namespace {

// A few blocks of floats stay in the first-level cache; the pieces are larger, since one costs a microsecond to set up.
constexpr int64_t kBlock = 4096;
constexpr int64_t kPiece = 8 * kBlock;

/** The links as calls on one block, whose tensors are moved along the data. Belongs to one thread. */
class BlockCalls {
 public:
  explicit BlockCalls(const Call& call)
      : whole_(call), buffers_(call, call.chain->slots * size_t(kBlock) * sizeof(float)) {
    const Chain& chain = *call.chain;
    const int64_t n = call.out[0].size();
    for (const Tensor& t : call.in) operands_.push_back(&lend(t.data<char>()));
    for (const Chain::Link& link : chain.links) {
      const bool last = &link == &chain.links.back();
      Storage& result = lend(last ? nullptr : buffers_.as<char>() + link.slot * size_t(kBlock) * sizeof(float));
      results_.push_back(&result);
      Call& part = calls_.emplace_back();
      part.op = link.op;
      part.attrs = link.attrs;
      part.memory = call.memory;
      for (const Chain::Operand& from : link.in) {
        const bool single = !from.inside && n != 1 && call.in[from.index].size() == 1;
        const DType dtype = from.inside ? chain.links[from.index].dtype : call.in[from.index].dtype;
        Storage& storage = from.inside ? *results_[from.index] : *operands_[from.index];
        part.in.push_back({single ? Shape{} : Shape{0}, dtype, unowned(storage)});
      }
      part.out.push_back({Shape{0}, link.dtype, unowned(result)});
    }
  }

  void run(int64_t begin, int64_t n) {
    for (size_t k = 0; k < operands_.size(); k++) {
      const Tensor& t = whole_.in[k];
      if (t.size() != 1) operands_[k]->data = t.data<char>() + begin * int64_t(itemSize(t.dtype));
    }
    const Tensor& y = whole_.out[0];
    results_.back()->data = y.data<char>() + begin * int64_t(itemSize(y.dtype));
    for (Call& part : calls_) {
      for (Tensor& t : part.in)
        if (t.shape.rank()) t.shape[0] = n;
      part.out[0].shape[0] = n;
      part.op->run(part);
    }
  }

 private:
  Storage& lend(void* data) {
    Storage& storage = storages_.emplace_back(*whole_.memory, 0);
    storage.data = data;
    return storage;
  }
  static std::shared_ptr<Storage> unowned(Storage& storage) { return {std::shared_ptr<void>(), &storage}; }

  const Call& whole_;
  Workspace buffers_;
  std::deque<Storage> storages_;
  std::vector<Storage*> operands_, results_;
  std::vector<Call> calls_;
};

}  // namespace

void runChain(const Call& call) {
  parallelRange(call.out[0].size(), kPiece, [&](int64_t begin, int64_t end) {
    BlockCalls calls(call);
    for (int64_t b = begin; b < end; b += kBlock) calls.run(b, std::min(kBlock, end - b));
  });
}

}  // namespace gv::cpu
