// Attention and its gradient (ops/attention.h) in the manner of FlashAttention (Dao et al. 2022; Dao 2023): the scores
// of 64 queries and 64 keys at a time are in shared memory only, the softmax is rescaled as greater scores appear, and
// the gradient computes the scores again.
//
// All four results have one form: a block owns 64 rows of the result (queries for y and dq, keys for dk and dv) and
// up to 128 of its columns, and goes through the rows of the other kind, adding the weights of the pair times the
// other's vectors. Wider results are several such blocks, each with the scores computed anew. Nothing is added up
// between blocks, so the order of all sums is fixed.
#include "../ops/attention.h"

#include "broadcast.h"
#include "call.h"
#include "tile.h"

namespace gv::cuda {
namespace {

using ops::AttentionArgs;

constexpr int kThreads = 256, kAcross = 16;  // a thread has 4 rows and 4 columns of the 64 by 64 scores
constexpr int kSide = 64, kPitch = kSide + 4;

/** The mask as [batch, queries, keys]; at most one pointer is set. */
struct Mask {
  const uint8_t* hide = nullptr;
  const float* add = nullptr;
  Strided lead;
  int64_t matrix = 0, rowStep = 0, columnStep = 0;

  /** Of input `index` of the call, if there is one; q is the queries' input. */
  static Mask of(const Call& call, size_t index, size_t q) {
    Mask m;
    if (index >= call.in.size()) return m;
    const Tensor& mask = call.in[index];
    if (mask.dtype == DType::U8)
      m.hide = mask.data<uint8_t>();
    else
      m.add = mask.data<float>();
    const Shape &shape = mask.shape, &queries = call.in[q].shape;
    const int rank = shape.rank();
    const int64_t columns = shape.last(), rows = rank < 2 ? 1 : shape[rank - 2];
    m.matrix = rows * columns;
    m.rowStep = rows == 1 ? 0 : columns;
    m.columnStep = columns == 1 ? 0 : 1;
    Shape own, full;
    for (int i = 0; i + 2 < rank; i++) own.push(shape[i]);
    for (int i = 0; i + 2 < queries.rank(); i++) full.push(queries[i]);
    m.lead = Strided::broadcast(own, full);
    return m;
  }
};

struct Problem {
  float scale;
  bool causal;
  int64_t batch, queries, keys, depth, valueDepth;
  Mask mask;

  Problem(const Call& call, const AttentionArgs& a, size_t q, size_t maskIndex)
      : scale(a.scale), causal(a.causal), batch(a.batch), queries(a.queries), keys(a.keys), depth(a.depth),
        valueDepth(a.valueDepth), mask(Mask::of(call, maskIndex, q)) {}

  GV_HD int64_t maskOf(int64_t batchIndex) const {
    return mask.hide || mask.add ? mask.lead.at(batchIndex) * mask.matrix : 0;
  }
  GV_HD float score(int64_t maskOffset, int64_t query, int64_t key, float dot) const {
    if (causal && key > query) return -INFINITY;
    const int64_t at = maskOffset + query * mask.rowStep + key * mask.columnStep;
    if (mask.hide && !mask.hide[at]) return -INFINITY;
    return dot * scale + (mask.add ? mask.add[at] : 0.0f);
  }
};

/** Rows of one product of the batch: [count, width], dense. */
struct Rows {
  const float* data;
  int64_t count, width;

  GV_HD Matrix<float> rows(int64_t batch) const { return {data + batch * count * width, width, 1, 0, true}; }
  GV_HD Matrix<float> columns(int64_t batch) const { return {data + batch * count * width, 1, width, 0, false}; }
};

/** What a block has in shared memory. */
struct Shared {
  static constexpr int kSlices = 2 * kStep * kPitch, kWeights = kSide * kPitch;
  static constexpr size_t kBytes = (kSlices + kWeights + 9 * kSide) * sizeof(float);

  float *slices, *weights, *greatest, *sum, *factor;

  GV_HD explicit Shared(char* bytes)
      : slices(reinterpret_cast<float*>(bytes)), weights(slices + kSlices), greatest(weights + kWeights),
        sum(greatest + 4 * kSide), factor(sum + 4 * kSide) {}
};

/** Where a thread's 4 by 4 part of a tile begins. */
struct Corner {
  int row, column;
  GV_HD explicit Corner(int thread) : row(thread / kAcross * 4), column(thread % kAcross * 4) {}
};

/** Products of 64 rows of a and 64 rows of b, which are equally wide. */
GV_DEVICE inline void dotRows(const Block& block, const Shared& shared, int64_t batch, const Rows& a, int64_t a0,
                              const Rows& b, int64_t b0, float (&sums)[4][4]) {
  using Reader = SliceReader<Matrix<float>, kSide, kThreads>;
  const Corner at(block.thread);
  float *const left = shared.slices, *const right = left + kStep * kPitch;
  const Matrix<float> rowsA = a.rows(batch), rowsB = b.rows(batch);
  Reader readA(rowsA, block.thread, 0, a0, a.count), readB(rowsB, block.thread, 0, b0, b.count);
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < 4; j++) sums[i][j] = 0;
  readA.read(rowsA, 0, a.width);
  readB.read(rowsB, 0, a.width);
  for (int64_t k = 0; k < a.width; k += kStep) {
    readA.write(left, kPitch);
    readB.write(right, kPitch);
    block.sync();
    if (k + kStep < a.width) {  // on their way while this slice is worked on
      readA.read(rowsA, k + kStep, a.width);
      readB.read(rowsB, k + kStep, a.width);
    }
    addOuterProducts<kStep, 4>(left + at.row, kPitch, right + at.column, kPitch, sums);
    block.sync();
  }
}

/** Puts a thread's part of the weights into shared memory, [other][own]. */
GV_DEVICE inline void writeWeights(const Block& block, const Shared& shared, const float (&weights)[4][4]) {
  const Corner at(block.thread);
  for (int j = 0; j < 4; j++) {
    Four column;
    for (int i = 0; i < 4; i++) column.v[i] = weights[i][j];
    *reinterpret_cast<Four*>(shared.weights + (at.column + j) * kPitch + at.row) = column;
  }
}

/** sums += the weights in shared memory times rows [b0, b0 + 64) of b, columns from column0 on. */
template <int kEach>
GV_DEVICE inline void addWeighted(const Block& block, const Shared& shared, int64_t batch, const Rows& b, int64_t b0,
                                  int64_t column0, float (&sums)[4][kEach]) {
  constexpr int kWide = kEach * kAcross, kWidePitch = kWide + 4;
  static_assert(kStep * kWidePitch <= Shared::kSlices, "fits");
  const Corner at(block.thread);
  const Matrix<float> columns = b.columns(batch);
  SliceReader<Matrix<float>, kWide, kThreads> reader(columns, block.thread, 0, column0, b.width);
  const int64_t end = b0 + kSide < b.count ? b0 + kSide : b.count;
  reader.read(columns, b0, end);
  for (int k = 0; b0 + k < end; k += kStep) {
    reader.write(shared.slices, kWidePitch);
    block.sync();
    if (b0 + k + kStep < end) reader.read(columns, b0 + k + kStep, end);
    addOuterProducts<kStep, kSide>(shared.weights + k * kPitch + at.row, kPitch, shared.slices + at.column, kWidePitch,
                                   sums);
    block.sync();
  }
}

/** Which rows and columns of the result a block owns. */
struct Owned {
  int64_t batch, row0, column0;

  GV_HD Owned(int64_t index, int64_t rowBlocks, int64_t chunks, int64_t wide)
      : batch(index / chunks / rowBlocks), row0(index / chunks % rowBlocks * kSide), column0(index % chunks * wide) {}
};

int64_t divideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <int kEach>
GV_DEVICE inline void storeRows(const Block& block, const Owned& own, float* y, int64_t count, int64_t width,
                                const float (&sums)[4][kEach]) {
  const Corner at(block.thread);
  for (int i = 0; i < 4; i++)
    for (int j = 0; j < kEach; j++) {
      const int64_t row = own.row0 + at.row + i, column = own.column0 + at.column + j / 4 * kSide + j % 4;
      if (row < count && column < width) y[(own.batch * count + row) * width + column] = sums[i][j];
    }
}

/**
 * Turns the scores in shared memory into exp(score - m), m the greatest so far of the row, and updates m and the sum l,
 * of which 4 threads keep a copy; leaves the factor for what was summed under the old m.
 */
GV_DEVICE inline void softmaxStep(const Block& block, const Shared& shared, float& m, float& l) {
  constexpr int kPart = kSide / 4;
  const int row = block.thread % kSide, part = block.thread / kSide;
  float* const scores = shared.weights + part * kPart * kPitch + row;
  float greatest = -INFINITY;
  for (int j = 0; j < kPart; j++) greatest = fmaxf(greatest, scores[j * kPitch]);
  shared.greatest[part * kSide + row] = greatest;
  block.sync();
  greatest = m;
  for (int p = 0; p < 4; p++) greatest = fmaxf(greatest, shared.greatest[p * kSide + row]);
  // With every score -inf so far, exp(-inf - 0) = 0 is wanted, not exp(-inf + inf).
  const bool nothing = greatest == -INFINITY;
  const float shift = nothing ? 0.0f : greatest, factor = nothing ? 1.0f : expf(m - greatest);
  float sum = 0;
  for (int j = 0; j < kPart; j++) {
    const float e = expf(scores[j * kPitch] - shift);
    scores[j * kPitch] = e;
    sum += e;
  }
  shared.sum[part * kSide + row] = sum;
  if (part == 0) shared.factor[row] = factor;
  block.sync();
  m = greatest;
  l *= factor;
  for (int p = 0; p < 4; p++) l += shared.sum[p * kSide + row];
}

/** y and lse; a thread sums kEach columns of y for each of its rows. */
template <int kEach>
void attend(const Problem& p, const Rows& q, const Rows& k, const Rows& v, float* y, float* lse) {
  constexpr int kWide = kEach * kAcross;
  const int64_t rowBlocks = divideUp(p.queries, kSide), chunks = std::max<int64_t>(1, divideUp(p.valueDepth, kWide));
  forBlocks<kThreads>(p.batch * rowBlocks * chunks, Shared::kBytes, [=] GV_DEVICE(const Block& block) {
    const Shared shared(block.shared);
    const Corner at(block.thread);
    const Owned own(block.index, rowBlocks, chunks, kWide);
    const int64_t mask = p.maskOf(own.batch), last = own.row0 + kSide;
    const int64_t seen = p.causal && last < p.keys ? last : p.keys;
    float sums[4][kEach] = {}, m = -INFINITY, l = 0;
    for (int64_t key0 = 0; key0 < seen; key0 += kSide) {
      float scores[4][4];
      dotRows(block, shared, own.batch, q, own.row0, k, key0, scores);
      for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
          const int64_t query = own.row0 + at.row + i, key = key0 + at.column + j;
          scores[i][j] = query < p.queries && key < p.keys ? p.score(mask, query, key, scores[i][j]) : -INFINITY;
        }
      writeWeights(block, shared, scores);
      block.sync();
      softmaxStep(block, shared, m, l);
      for (int i = 0; i < 4; i++)
        for (int j = 0; j < kEach; j++) sums[i][j] *= shared.factor[at.row + i];
      addWeighted(block, shared, own.batch, v, key0, own.column0, sums);
    }
    const int row = block.thread % kSide;
    const bool nothing = l == 0.0f;
    if (block.thread < kSide) {
      shared.factor[row] = nothing ? 0.0f : 1.0f / l;
      if (own.column0 == 0 && own.row0 + row < p.queries)
        lse[own.batch * p.queries + own.row0 + row] = nothing ? INFINITY : m + logf(l);
    }
    block.sync();
    for (int i = 0; i < 4; i++)
      for (int j = 0; j < kEach; j++) sums[i][j] *= shared.factor[at.row + i];
    storeRows(block, own, y, p.queries, p.valueDepth, sums);
  });
}

enum class By { Queries, Keys, Values };

/** What the gradients are computed from; delta is Σ p dp over the keys of a query, which is gy · y. */
struct Inputs {
  Rows q, k, v, gy;
  const float *lse, *delta;
};

template <By kBy, int kEach>
void differentiate(const Problem& p, const Inputs& in, float* gradient) {
  constexpr int kWide = kEach * kAcross;
  constexpr bool kOwnsQueries = kBy == By::Queries;
  const int64_t rows = kOwnsQueries ? p.queries : p.keys, others = kOwnsQueries ? p.keys : p.queries;
  const int64_t width = kBy == By::Values ? p.valueDepth : p.depth;
  const int64_t rowBlocks = divideUp(rows, kSide), chunks = divideUp(width, kWide);
  forBlocks<kThreads>(p.batch * rowBlocks * chunks, Shared::kBytes, [=] GV_DEVICE(const Block& block) {
    const Shared shared(block.shared);
    const Corner at(block.thread);
    const Owned own(block.index, rowBlocks, chunks, kWide);
    const int64_t mask = p.maskOf(own.batch);
    // Of a causal map, a query sees no key after it.
    const int64_t last = own.row0 + kSide, first = p.causal && !kOwnsQueries ? own.row0 : 0;
    const int64_t end = p.causal && kOwnsQueries && last < others ? last : others;
    const Rows& weighted = kBy == By::Queries ? in.k : kBy == By::Keys ? in.q : in.gy;
    float sums[4][kEach] = {};
    for (int64_t other0 = first; other0 < end; other0 += kSide) {
      float weights[4][4], dp[4][4];
      if (kBy == By::Queries)
        dotRows(block, shared, own.batch, in.gy, own.row0, in.v, other0, dp);
      else if (kBy == By::Keys)
        dotRows(block, shared, own.batch, in.v, own.row0, in.gy, other0, dp);
      dotRows(block, shared, own.batch, kOwnsQueries ? in.q : in.k, own.row0, kOwnsQueries ? in.k : in.q, other0,
              weights);
      for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
          const int64_t row = own.row0 + at.row + i, other = other0 + at.column + j;
          const int64_t query = kOwnsQueries ? row : other, key = kOwnsQueries ? other : row;
          float weight = 0;
          if (query < p.queries && key < p.keys) {
            const int64_t which = own.batch * p.queries + query;
            weight = expf(p.score(mask, query, key, weights[i][j]) - in.lse[which]);
            if (kBy != By::Values) weight *= p.scale * (dp[i][j] - in.delta[which]);
          }
          weights[i][j] = weight;
        }
      writeWeights(block, shared, weights);
      block.sync();
      addWeighted(block, shared, own.batch, weighted, other0, own.column0, sums);
    }
    storeRows(block, own, gradient, rows, width, sums);
  });
}

/** With as many columns of the result for each block as it has, up to 128. */
template <By kBy>
void differentiateBy(const Problem& p, const Inputs& in, float* gradient) {
  if ((kBy == By::Values ? p.valueDepth : p.depth) <= kSide)
    differentiate<kBy, 4>(p, in, gradient);
  else
    differentiate<kBy, 8>(p, in, gradient);
}

/** out[i] = row i of a times row i of b. */
void dotEachRow(const float* a, const float* b, int64_t rows, int64_t width, float* out) {
  forBlocks<32>(rows, 0, [=] GV_DEVICE(const Block& block) {
    const float *const x = a + block.index * width, *const y = b + block.index * width;
    float sum = 0;
    for (int64_t i = block.thread; i < width; i += block.threads) sum += x[i] * y[i];
    sum = block.sum(sum);
    if (block.thread == 0) out[block.index] = sum;
  });
}

}  // namespace

namespace run {

void attention(const Call& call) {
  const AttentionArgs a = AttentionArgs::of(call, 0);
  const Problem p(call, a, 0, 3);
  const Rows q{call.in[0].data<float>(), a.queries, a.depth}, k{call.in[1].data<float>(), a.keys, a.depth},
      v{call.in[2].data<float>(), a.keys, a.valueDepth};
  float *const y = call.out[0].data<float>(), *const lse = call.out[1].data<float>();
  if (a.valueDepth <= kSide)
    attend<4>(p, q, k, v, y, lse);
  else
    attend<8>(p, q, k, v, y, lse);
}

void attentionGrad(const Call& call) {
  const AttentionArgs a = AttentionArgs::of(call, 1);
  const Problem p(call, a, 1, 6);
  const float *const gy = call.in[0].data<float>(), *const y = call.in[4].data<float>();
  const int64_t rows = a.batch * a.queries;
  const Workspace delta(call, size_t(rows) * sizeof(float));
  dotEachRow(gy, y, rows, a.valueDepth, delta.as<float>());
  const Inputs in{{call.in[1].data<float>(), a.queries, a.depth},
                  {call.in[2].data<float>(), a.keys, a.depth},
                  {call.in[3].data<float>(), a.keys, a.valueDepth},
                  {gy, a.queries, a.valueDepth},
                  call.in[5].data<float>(),
                  delta.as<float>()};
  differentiateBy<By::Queries>(p, in, call.out[0].data<float>());
  differentiateBy<By::Keys>(p, in, call.out[1].data<float>());
  differentiateBy<By::Values>(p, in, call.out[2].data<float>());
}

}  // namespace run
}  // namespace gv::cuda
