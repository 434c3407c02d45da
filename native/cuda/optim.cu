// Kernels of ops/optim.h. Many tensors are one launch: their addresses and sizes are a table among the kernel's
// arguments, and a block takes a chunk of the concatenation. The formulas are the update() functions of ops/optim.h.
#include "../ops/optim.h"

#include "call.h"

namespace gv::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kChunk = 4096;      // elements of a block
constexpr size_t kTableBytes = 3500;  // what a kernel's arguments may take is 4 KB

/** The tensors of one parameter: their first elements, how many, and the number of the first chunk. */
template <class T, int kTensors>
struct Group {
  T* at[kTensors];
  int64_t n, chunk;
};

template <class T, int kTensors>
struct Table {
  static constexpr int kMost = int(kTableBytes / sizeof(Group<T, kTensors>));
  int groups = 0;
  int64_t chunks = 0;
  Group<T, kTensors> group[kMost] = {};

  void push(const Group<T, kTensors>& g) {
    group[groups] = g;
    group[groups++].chunk = chunks;
    chunks += (g.n + kChunk - 1) / kChunk;
  }

  /** Which group a chunk belongs to. */
  GV_HD int find(int64_t chunk) const {
    int low = 0, high = groups;
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      if (group[middle].chunk <= chunk)
        low = middle;
      else
        high = middle;
    }
    return low;
  }
};

template <class T, int kTensors, class F>
void launch(Table<T, kTensors>& table, F f) {
  const Table<T, kTensors> t = table;
  forBlocks<kThreads>(t.chunks, 0, [=] GV_DEVICE(const Block& block) {
    const Group<T, kTensors>& g = t.group[t.find(block.index)];
    const int64_t first = (block.index - g.chunk) * kChunk, rest = g.n - first, n = rest < kChunk ? rest : kChunk;
    for (int64_t i = block.thread; i < n; i += kThreads) f(g, first + i);
  });
  table = {};
}

template <class T, int kTensors, class F>
void add(Table<T, kTensors>& table, const Group<T, kTensors>& group, F f) {
  if (group.n == 0) return;
  table.push(group);
  if (table.groups == table.kMost) launch(table, f);
}

/** f(group, i) for each element i of each group of kTensors inputs. */
template <int kTensors, class F>
void overGroups(const Call& call, F f) {
  Table<float, kTensors> table;
  for (size_t k = 0; k < call.in.size(); k += kTensors) {
    Group<float, kTensors> g{{}, call.in[k].size(), 0};
    for (int i = 0; i < kTensors; i++) g.at[i] = call.in[k + size_t(i)].template data<float>();
    add(table, g, f);
  }
  launch(table, f);
}

struct Lerp {
  LerpArgs a;
  GV_DEVICE void operator()(const Group<float, 2>& g, int64_t i) const { a.update(g.at[0][i], g.at[1][i]); }
};

struct Clamp {
  ClampArgs a;
  GV_DEVICE void operator()(const Group<float, 1>& g, int64_t i) const { a.update(g.at[0][i]); }
};

struct Sgd {
  SgdArgs a;
  GV_DEVICE void operator()(const Group<float, 2>& g, int64_t i) const { a.update(g.at[0][i], g.at[1][i]); }
};

struct SgdMomentum {
  SgdArgs a;
  GV_DEVICE void operator()(const Group<float, 3>& g, int64_t i) const {
    a.update(g.at[0][i], g.at[1][i], g.at[2][i]);
  }
};

struct Adam {
  AdamArgs a;
  GV_DEVICE void operator()(const Group<float, 4>& g, int64_t i) const {
    a.update(g.at[0][i], g.at[1][i], g.at[2][i], g.at[3][i]);
  }
};

/** buf and avg are the inputs with these numbers, 0 for none. */
template <int kTensors, int kBuf, int kAvg>
struct Rmsprop {
  RmspropArgs a;
  GV_DEVICE void operator()(const Group<float, kTensors>& g, int64_t i) const {
    a.update(g.at[0][i], g.at[1][i], g.at[2][i], kBuf ? g.at[kBuf] + i : nullptr, kAvg ? g.at[kAvg] + i : nullptr);
  }
};

template <class T>
struct Copy {
  GV_DEVICE void operator()(const Group<T, 2>& g, int64_t i) const { g.at[0][i] = g.at[1][i]; }
};

}  // namespace

namespace run {

void assign(const Call& call) {
  Table<uint32_t, 2> words;
  Table<uint8_t, 2> rest;  // the bytes at the end that are no whole word
  for (size_t k = 0; k < call.in.size(); k += 2) {
    const Tensor &to = call.in[k], &from = call.in[k + 1];
    const int64_t bytes = int64_t(to.bytes()), whole = bytes / 4;
    add(words, {{to.data<uint32_t>(), from.data<uint32_t>()}, whole, 0}, Copy<uint32_t>());
    add(rest, {{to.data<uint8_t>() + 4 * whole, from.data<uint8_t>() + 4 * whole}, bytes % 4, 0}, Copy<uint8_t>());
  }
  launch(words, Copy<uint32_t>());
  launch(rest, Copy<uint8_t>());
}

void lerp(const Call& call) { overGroups<2>(call, Lerp{LerpArgs::decode(call)}); }
void clampInPlace(const Call& call) { overGroups<1>(call, Clamp{ClampArgs::decode(call)}); }

void sgd(const Call& call) {
  const SgdArgs args = SgdArgs::decode(call);
  if (args.momentum != 0) return overGroups<3>(call, SgdMomentum{args});
  overGroups<2>(call, Sgd{args});
}

void adam(const Call& call) { overGroups<4>(call, Adam{AdamArgs::decode(call)}); }

void rmsprop(const Call& call) {
  const RmspropArgs args = RmspropArgs::decode(call);
  if (args.momentum != 0 && args.centered) return overGroups<5>(call, Rmsprop<5, 3, 4>{args});
  if (args.momentum != 0) return overGroups<4>(call, Rmsprop<4, 3, 0>{args});
  if (args.centered) return overGroups<4>(call, Rmsprop<4, 0, 3>{args});
  overGroups<3>(call, Rmsprop<3, 0, 0>{args});
}

}  // namespace run
}  // namespace gv::cuda
