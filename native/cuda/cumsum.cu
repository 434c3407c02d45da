// Kernels of ops/cumsum.h. Lines are cut into segments where there are too few lines to fill the device: the sums of
// the segments first, from which each then starts.
#include "../ops/cumsum.h"

#include <algorithm>

#include "../engine/philox.h"
#include "call.h"
#include "scan.h"

namespace gv::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kItems = 4;  // of a thread at a time
constexpr int64_t kShortRow = 64;

/** Lines of n elements, `inner` of them side by side, and their segments of `length`. */
struct Lines {
  int64_t lines, n, inner, segments, length;
  bool reverse;

  explicit Lines(const Call& call) {
    const Shape& shape = call.out[0].shape;
    const int axis = int(call.integer(0));
    n = shape[axis];
    inner = shape.count(axis + 1, shape.rank());
    lines = shape.size() / n;
    reverse = call.integer(1) != 0;
    const int64_t processors = Context::current().processors;
    const int64_t wanted = byBlocks() ? 8 * processors / lines : 1024 * processors / lines;
    segments = std::max<int64_t>(1, std::min(wanted, n / (byBlocks() ? 4096 : 256)));
    length = (n + segments - 1) / segments;
  }

  /** Whether a segment is a block's work; otherwise it is a thread's. */
  bool byBlocks() const { return inner == 1 && n > kShortRow; }

  GV_HD int64_t at(int64_t line, int64_t i) const {
    return (line / inner * n + (reverse ? n - 1 - i : i)) * inner + line % inner;
  }
  GV_HD int64_t end(int64_t segment) const { return (segment + 1) * length < n ? (segment + 1) * length : n; }
};

/** Segment s of line l by one thread; sums of T in S that go on from `sum`. */
template <class T, class S>
void sumSegments(const Lines& l, const T* x, T* y, S* totals, bool write) {
  const Lines lines = l;
  if (!lines.byBlocks())
    return forEach(lines.lines * lines.segments, [=] GV_DEVICE(int64_t i) {
      const int64_t line = i % lines.lines, segment = i / lines.lines;  // neighbouring threads, neighbouring lines
      S sum = write && totals ? totals[line * lines.segments + segment] : S(0);
      for (int64_t k = segment * lines.length; k < lines.end(segment); k++) {
        const int64_t at = lines.at(line, k);
        sum += S(x[at]);
        if (write) y[at] = T(sum);
      }
      if (!write) totals[line * lines.segments + segment] = sum;
    });
  forBlocks<kThreads>(lines.lines * lines.segments, kThreads * sizeof(S), [=] GV_DEVICE(const Block& block) {
    const int64_t line = block.index / lines.segments, segment = block.index % lines.segments;
    const int64_t end = lines.end(segment);
    S before = write && totals ? totals[block.index] : S(0);
    for (int64_t base = segment * lines.length; base < end; base += kThreads * kItems) {
      S sums[kItems];
      for (int k = 0; k < kItems; k++) {
        const int64_t i = base + block.thread * kItems + k;
        sums[k] = (k ? sums[k - 1] : S(0)) + (i < end ? S(x[lines.at(line, i)]) : S(0));
      }
      const Scanned<S> scanned = scan(block, sums[kItems - 1]);
      const S own = before + scanned.before;
      for (int k = 0; write && k < kItems; k++) {
        const int64_t i = base + block.thread * kItems + k;
        if (i < end) y[lines.at(line, i)] = T(own + sums[k]);
      }
      before += scanned.total;
    }
    if (!write && block.thread == 0) totals[block.index] = before;
  });
}

template <class T, class S>
void cumulate(const Call& call) {
  if (call.out[0].size() == 0) return;
  const Lines lines(call);
  const T* const x = call.in[0].data<T>();
  T* const y = call.out[0].data<T>();
  if (lines.segments == 1) return sumSegments<T, S>(lines, x, y, nullptr, true);
  const int64_t segments = lines.segments;
  Workspace workspace(call, size_t(lines.lines * segments) * sizeof(S));
  S* const totals = workspace.as<S>();
  sumSegments<T, S>(lines, x, y, totals, false);
  // Each total becomes the sum of those before it.
  forEach(lines.lines, [=] GV_DEVICE(int64_t line) {
    S sum = 0;
    for (int64_t s = line * segments; s < (line + 1) * segments; s++) {
      const S own = totals[s];
      totals[s] = sum;
      sum += own;
    }
  });
  sumSegments<T, S>(lines, x, y, totals, true);
}

}  // namespace

namespace run {

void cumsum(const Call& call) {
  if (call.in[0].dtype == DType::I32) return cumulate<int32_t, uint32_t>(call);  // unsigned: overflow wraps
  cumulate<float, double>(call);
}

// A thread per line: each step rounds to f32, as the CPU's does, which no other order of the steps would.
void recurrence(const Call& call) {
  if (call.out[0].size() == 0) return;
  const Lines lines(call);
  const float *const a = call.in[0].data<float>(), *const b = call.in[1].data<float>();
  float* const y = call.out[0].data<float>();
  forEach(lines.lines, [=] GV_DEVICE(int64_t line) {
    int64_t at = lines.at(line, 0);
    float previous = y[at] = b[at];
    for (int64_t i = 1; i < lines.n; i++) {
      at = lines.at(line, i);
      y[at] = previous = float(double(a[at]) * double(previous) + double(b[at]));
    }
  });
}

}  // namespace run
}  // namespace gv::cuda
