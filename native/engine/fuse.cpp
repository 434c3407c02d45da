// Finds chains: sets of elementwise calls over equally many elements in which only the last one's result is read from
// outside. They are grown backwards from each call. The earlier calls of a chain run later than they were recorded, so
// nothing they read may be written in between, and what they keep alive for longer must not outweigh what they no
// longer have to store.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "chain.h"

namespace gv {
namespace {

// Beyond this a chain gains little and its buffers leave the cache.
constexpr size_t kMostLinks = 32;
constexpr size_t kNamed = 8;

class Fuser {
 public:
  Fuser(const std::vector<Call>& calls, const Fusible& fusible) : calls_(calls), fusible_(fusible) {
    for (size_t k = 0; k < calls.size(); k++) {
      for (const Tensor& t : calls[k].in) readers_[t.storage.get()].push_back(k);
      for (const Tensor& t : calls[k].out) producer_[t.storage.get()] = k;
      if (writesInputs(calls[k])) writers_.push_back(k);
      members_.push_back({k});
      absorbed_.push_back(false);
    }
  }

  std::vector<Call> run(std::vector<size_t>& where) {
    for (size_t k = 0; k < calls_.size(); k++)
      if (linkable(k)) grow(k);
    std::vector<Call> result;
    where.assign(calls_.size(), 0);
    for (size_t k = 0; k < calls_.size(); k++) {
      if (absorbed_[k]) continue;
      for (size_t m : members_[k]) where[m] = result.size();
      result.push_back(members_[k].size() == 1 ? calls_[k] : chain(members_[k]));
    }
    return result;
  }

 private:
  static int64_t elements(const Call& call) { return call.out[0].size(); }

  /** Elementwise with every operand either of the result's size or a single number. */
  bool linkable(size_t k) const {
    const Call& call = calls_[k];
    if (!call.op->elementwise || call.out.size() != 1 || elements(call) == 0 || fusible_.isFixed(k)) return false;
    return std::all_of(call.in.begin(), call.in.end(),
                       [&](const Tensor& t) { return t.size() == elements(call) || t.size() == 1; });
  }

  void grow(size_t last) {
    std::vector<size_t>& chain = members_[last];
    for (bool grown = true; grown;) {
      grown = false;
      for (size_t i = 0; i < chain.size() && !grown; i++) {
        for (const Tensor& t : calls_[chain[i]].in) {
          const auto found = producer_.find(t.storage.get());
          if (found == producer_.end() || contains(chain, found->second)) continue;
          const size_t other = found->second;
          if (!mayJoin(other, t, last)) continue;
          chain.insert(chain.end(), members_[other].begin(), members_[other].end());
          std::sort(chain.begin(), chain.end());
          absorbed_[other] = true;
          grown = true;
          break;
        }
      }
    }
  }

  static bool contains(const std::vector<size_t>& list, size_t k) {
    return std::find(list.begin(), list.end(), k) != list.end();
  }

  bool mayJoin(size_t other, const Tensor& result, size_t last) const {
    const std::vector<size_t>& chain = members_[last];
    if (absorbed_[other] || !linkable(other) || elements(calls_[other]) != elements(calls_[last])) return false;
    if (chain.size() + members_[other].size() > kMostLinks || !fusible_.isPrivate(result.storage.get())) return false;
    for (size_t reader : readers_.at(result.storage.get()))
      if (!contains(chain, reader)) return false;
    size_t extended = 0;
    std::unordered_set<const Storage*> seen;
    for (size_t m : members_[other]) {
      for (const Tensor& t : calls_[m].in) {
        const Storage* storage = t.storage.get();
        if (!seen.insert(storage).second) continue;
        const auto made = producer_.find(storage);
        if (made != producer_.end() && contains(members_[other], made->second)) continue;
        if (writtenBetween(storage, m, last)) return false;
        if (fusible_.isPrivate(storage) && readers_.at(storage).back() < last) extended += storage->bytes;
      }
    }
    return extended <= result.storage->bytes;
  }

  bool writtenBetween(const Storage* storage, size_t from, size_t to) const {
    for (auto w = std::upper_bound(writers_.begin(), writers_.end(), from); w != writers_.end() && *w < to; ++w)
      for (const Tensor& t : calls_[*w].in)
        if (fusible_.mayAlias(t.storage.get(), storage)) return true;
    return false;
  }

  Call chain(const std::vector<size_t>& members) const {
    auto chain = std::make_shared<Chain>();
    Call call;
    std::unordered_map<const Storage*, size_t> inside, outside;
    for (size_t m : members) {
      const Call& from = calls_[m];
      Chain::Link link{from.op, from.attrs, {}, from.out[0].dtype};
      for (const Tensor& t : from.in) {
        const auto link_ = inside.find(t.storage.get());
        if (link_ != inside.end()) {
          link.in.push_back({true, link_->second});
          continue;
        }
        const auto [at, isNew] = outside.emplace(t.storage.get(), call.in.size());
        if (isNew) call.in.push_back(t);
        link.in.push_back({false, at->second});
      }
      inside[from.out[0].storage.get()] = chain->links.size();
      chain->links.push_back(std::move(link));
      if (chain->links.size() <= kNamed) chain->name += (chain->name.empty() ? "" : "+") + std::string(from.name());
    }
    if (members.size() > kNamed) chain->name += "+...";
    assignSlots(*chain);
    chain->op = kChainOp;
    chain->op.name = chain->name.c_str();
    call.op = &chain->op;
    call.memory = calls_[members.back()].memory;
    call.out = calls_[members.back()].out;
    call.chain = std::move(chain);
    return call;
  }

  /** A buffer is free again after the last link that reads it. */
  static void assignSlots(Chain& chain) {
    std::vector<size_t> lastReader(chain.links.size(), 0), free;
    for (size_t k = 0; k < chain.links.size(); k++)
      for (const Chain::Operand& from : chain.links[k].in)
        if (from.inside) lastReader[from.index] = k;
    for (size_t k = 0; k + 1 < chain.links.size(); k++) {
      if (free.empty()) free.push_back(chain.slots++);
      chain.links[k].slot = free.back();
      free.pop_back();
      for (size_t j = 0; j < k; j++)
        if (lastReader[j] == k) free.push_back(chain.links[j].slot);
    }
  }

  const std::vector<Call>& calls_;
  const Fusible& fusible_;
  std::unordered_map<const Storage*, std::vector<size_t>> readers_;
  std::unordered_map<const Storage*, size_t> producer_;
  std::vector<size_t> writers_;
  std::vector<std::vector<size_t>> members_;  // of the chain that ends with the call
  std::vector<bool> absorbed_;                // into the chain of a later call
};

}  // namespace

std::vector<Call> fuse(const std::vector<Call>& calls, const Fusible& fusible, std::vector<size_t>& where) {
  return Fuser(calls, fusible).run(where);
}

}  // namespace gv
