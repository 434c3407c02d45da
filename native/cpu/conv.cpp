// Chooses how a convolution is computed and handles the one case that is a plain matrix product; see conv.h.
#include "cpu/conv.h"

#include <algorithm>

#include "cpu/conv_kernels.h"
#include "cpu/gemm.h"

namespace gv::cpu {
namespace {

/** Whether every window is one contiguous row: a 1x1 kernel over all pixels, or a kernel that covers the image. */
bool isDense(const ConvShape& s) {
  if (s.groups != 1 || s.padTop != 0 || s.padLeft != 0) return false;
  const bool pointwise = s.kh == 1 && s.kw == 1 && s.strideH == 1 && s.strideW == 1 && s.oh == s.h && s.ow == s.w;
  const bool covering = s.oh == 1 && s.ow == 1 && s.kh == s.h && s.kw == s.w && (s.kh == 1 || s.dilationH == 1) &&
                        (s.kw == 1 || s.dilationW == 1);
  return pointwise || covering;
}

/** The dense case as matrices: x is [rows][depth], w [k][depth], y [rows][k]. */
struct Dense {
  int64_t rows, depth;
};

Dense dense(const ConvShape& s) { return {s.n * s.oh * s.ow, s.kh * s.kw * s.c}; }

bool isEmpty(const ConvShape& s) { return s.n * s.oh * s.ow * s.k == 0; }

}  // namespace

ConvAlgorithm pickConvAlgorithm(ConvPass pass, const ConvShape& s) {
  if (isDense(s)) return ConvAlgorithm::Dense;
  if (s.groups > 1) return s.groups == s.c && s.groups == s.k ? ConvAlgorithm::Depthwise : ConvAlgorithm::ImplicitGemm;
  // Dot products want a long contiguous stretch; with few channels on both sides the matrix product is no worse.
  constexpr int64_t kShortestDot = 16;
  const int64_t result = pass == ConvPass::Forward ? s.k : s.c, summed = pass == ConvPass::Forward ? s.c : s.k;
  if (pass != ConvPass::WeightGrad && result <= kNarrowColumns && summed >= kShortestDot) return ConvAlgorithm::Narrow;
  return ConvAlgorithm::ImplicitGemm;
}

void convForward(const ConvShape& s, const float* x, const float* w, const float* bias, float* y) {
  if (isEmpty(s)) return;
  switch (pickConvAlgorithm(ConvPass::Forward, s)) {
    case ConvAlgorithm::Dense: {
      const auto [rows, depth] = dense(s);
      return gemm({false, true, rows, s.k, depth, x, depth, w, depth, y, s.k, 0.0f, bias});
    }
    case ConvAlgorithm::ImplicitGemm:
      return convGatherGemm(ConvPass::Forward, s, x, w, bias, y);
    case ConvAlgorithm::Narrow:
      return convNarrow(ConvPass::Forward, s, x, w, bias, y);
    case ConvAlgorithm::Depthwise:
      return convDepthwiseForward(s, x, w, bias, y);
  }
}

void convInputGrad(const ConvShape& s, const float* dy, const float* w, float* dx) {
  const int64_t size = s.n * s.h * s.w * s.c;
  if (size == 0) return;
  if (isEmpty(s)) {
    std::fill_n(dx, size, 0.0f);
    return;
  }
  switch (pickConvAlgorithm(ConvPass::InputGrad, s)) {
    case ConvAlgorithm::Dense: {
      const auto [rows, depth] = dense(s);
      return gemm({false, false, rows, depth, s.k, dy, s.k, w, depth, dx, depth, 0.0f, nullptr});
    }
    case ConvAlgorithm::ImplicitGemm:
      return convGatherGemm(ConvPass::InputGrad, s, dy, w, nullptr, dx);
    case ConvAlgorithm::Narrow:
      return convNarrow(ConvPass::InputGrad, s, dy, w, nullptr, dx);
    case ConvAlgorithm::Depthwise:
      return convDepthwiseInputGrad(s, dy, w, dx);
  }
}

void convWeightGrad(const ConvShape& s, const float* x, const float* dy, float* dw) {
  const int64_t size = s.k * s.kh * s.kw * (s.c / s.groups);
  if (size == 0) return;
  if (isEmpty(s) || s.h * s.w == 0) {
    std::fill_n(dw, size, 0.0f);
    return;
  }
  switch (pickConvAlgorithm(ConvPass::WeightGrad, s)) {
    case ConvAlgorithm::Dense: {
      const auto [rows, depth] = dense(s);
      return gemm({true, false, s.k, depth, rows, dy, s.k, x, depth, dw, depth, 0.0f, nullptr});
    }
    case ConvAlgorithm::ImplicitGemm:
    case ConvAlgorithm::Narrow:
      return convWeightGemm(s, x, dy, dw);
    case ConvAlgorithm::Depthwise:
      return convDepthwiseWeightGrad(s, x, dy, dw);
  }
}

}  // namespace gv::cpu
