// Kernel of ops/resample.h. The tables of weights are made on the host and handed to the device as arguments of kernels
// that write them down, so that a call waits for nothing and may be part of a graph. Two axes are mixed in one pass
// where few pixels meet, else one after the other.
#include "../ops/resample.h"

#include "call.h"
#include "pack.h"

namespace gv::cuda {
namespace {

template <int kWords> struct Chunk {
  int32_t words[kWords];
};

/** Writes `count` words of the host to the device, kWords with each kernel. */
template <int kWords>
void writeWords(const int32_t* from, int64_t count, int32_t* to) {
  for (int64_t at = 0; at < count; at += kWords) {
    Chunk<kWords> chunk{};
    const int64_t n = std::min<int64_t>(kWords, count - at);
    std::copy_n(from + at, n, chunk.words);
    int32_t* const place = to + at;
    forEach(n, [=] GV_DEVICE(int64_t i) { place[i] = chunk.words[i]; });
  }
}

/** AxisWeights on the device. */
struct Table {
  const int32_t *begin, *from;
  const float* weight;
  int64_t rows;

  /** The sum over a row's entries of weight times the W numbers at x + from * stride. */
  template <int W> GV_HD Numbers<W> mix(int64_t row, const float* x, int64_t stride) const {
    Numbers<W> sum{};
    const int32_t end = begin[row + 1];
    for (int32_t k = begin[row]; k < end; k++) {
      const Numbers<W> v = loadPack<W>(x + from[k] * stride);
      for (int i = 0; i < W; i++) sum.at[i] += weight[k] * v.at[i];
    }
    return sum;
  }
};

class DeviceWeights {
 public:
  DeviceWeights(const Call& call, const AxisWeights& w) : space_(call, size_t(wordsOf(w)) * sizeof(int32_t)) {
    const int64_t rows = w.rows(), entries = int64_t(w.from.size()), count = wordsOf(w);
    std::vector<int32_t> words(size_t(count), 0);
    for (int64_t i = 0; i <= rows; i++) words[size_t(i)] = int32_t(w.begin[size_t(i)]);
    if (entries > 0) {
      std::copy_n(w.from.data(), entries, words.data() + rows + 1);
      std::memcpy(words.data() + rows + 1 + entries, w.weight.data(), size_t(entries) * sizeof(float));
    }
    int32_t* const data = space_.as<int32_t>();
    // Arguments of a kernel may be 32 KiB together; most tables are far smaller.
    if (count <= 960)
      writeWords<960>(words.data(), count, data);
    else
      writeWords<7680>(words.data(), count, data);
    table = {data, data + rows + 1, reinterpret_cast<const float*>(data + rows + 1 + entries), rows};
    for (int64_t i = 0; i < rows; i++) longest = std::max(longest, w.begin[size_t(i) + 1] - w.begin[size_t(i)]);
  }

  Table table{};
  int64_t longest = 0;  // row, in entries

 private:
  static int64_t wordsOf(const AxisWeights& w) { return w.rows() + 1 + 2 * int64_t(w.from.size()); }
  const Workspace space_;
};

/** y [outer, rows, inner] from x [outer, size, inner]. */
template <int W>
void mixAxis(const Table& table, int64_t outer, int64_t size, int64_t inner, const float* x, float* y) {
  const Table t = table;
  const int64_t packs = inner / W;
  forEach(outer * t.rows * packs, [=] GV_DEVICE(int64_t i) {
    const int64_t line = i / packs, c = i % packs * W;
    storePack<W>(y + i * W, t.mix<W>(line % t.rows, x + line / t.rows * size * inner + c, inner));
  });
}

void mixAxis(const Table& table, int64_t outer, int64_t size, int64_t inner, const float* x, float* y) {
  if (inner % 4 == 0)
    mixAxis<4>(table, outer, size, inner, x, y);
  else
    mixAxis<1>(table, outer, size, inner, x, y);
}

/** y [outer, rows, columns, channels] from x [outer, height, width, channels]. */
template <int W>
void mixBoth(const Table& rowTable, const Table& columnTable, int64_t outer, int64_t height, int64_t width,
             int64_t channels, const float* x, float* y) {
  const Table rows = rowTable, columns = columnTable;
  const int64_t packs = channels / W, rowSize = width * channels;
  forEach(outer * rows.rows * columns.rows * packs, [=] GV_DEVICE(int64_t i) {
    const int64_t pixel = i / packs, c = i % packs * W;
    const int64_t line = pixel / columns.rows, column = pixel % columns.rows, row = line % rows.rows;
    const float* const from = x + line / rows.rows * height * rowSize + c;
    Numbers<W> sum{};
    const int32_t end = columns.begin[column + 1];
    for (int32_t k = columns.begin[column]; k < end; k++) {
      const Numbers<W> v = rows.mix<W>(row, from + columns.from[k] * channels, rowSize);
      for (int n = 0; n < W; n++) sum.at[n] += columns.weight[k] * v.at[n];
    }
    storePack<W>(y + i * W, sum);
  });
}

}  // namespace

namespace run {

void resample(const Call& call) {
  if (call.out[0].size() == 0) return;
  constexpr int64_t kFewPixels = 16;
  const ResampleArgs a = ResampleArgs::decode(call);
  const Shape& shape = call.in[0].shape;
  const float* const x = call.in[0].data<float>();
  float* const y = call.out[0].data<float>();
  const int64_t outer = shape.count(0, a.axis), height = shape[a.axis];
  const int64_t channels = shape.count(a.axis + a.axes, shape.rank());
  const DeviceWeights rows(call, axisWeights(a.maps[0], a.transposed));
  if (a.axes == 1) return mixAxis(rows.table, outer, height, channels, x, y);

  const int64_t width = shape[a.axis + 1];
  const DeviceWeights columns(call, axisWeights(a.maps[1], a.transposed));
  const bool single = rows.longest <= 1 || columns.longest <= 1;
  if (single || rows.longest * columns.longest <= kFewPixels) {
    if (channels % 4 == 0)
      mixBoth<4>(rows.table, columns.table, outer, height, width, channels, x, y);
    else
      mixBoth<1>(rows.table, columns.table, outer, height, width, channels, x, y);
    return;
  }
  const Workspace mixed(call, size_t(outer * rows.table.rows * width * channels) * sizeof(float));
  mixAxis(rows.table, outer, height, width * channels, x, mixed.as<float>());
  mixAxis(columns.table, outer * rows.table.rows, width, channels, mixed.as<float>(), y);
}

}  // namespace run
}  // namespace gv::cuda
