// Chooses how a convolution is computed and handles the one case that is a plain matrix product; see conv.h.
#include "cpu/conv.h"

#include <algorithm>

#include "cpu/conv_kernels.h"
#include "cpu/gemm.h"
#include "cpu/scratch.h"
#include "cpu/winograd.h"

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

/** Multiplications of the definition for each one of Winograd's with tiles of m x m. */
double winogradGain(const ConvShape& s, int64_t m) {
  const auto tiles = [m](int64_t size) { return (size + m - 1) / m; };
  const int64_t taps = (s.kh + s.strideH - 1) / s.strideH, side = m + taps - 1;
  return double(s.oh * s.ow * s.kh * s.kw) /
         double(tiles(s.oh) * tiles(s.ow) * side * side * s.strideH * s.strideH);
}

/**
 * Direct or Winograd, and with which tile. The limits come from 1461 measured cases (k4 s2 and k3 s1, 3 to 512
 * channels, 1 to 256 tiles), where this rule lost to the direct kernels by more than 2 % in four.
 */
ConvAlgorithm directOrWinograd(ConvPass pass, const ConvShape& s, ConvPrecision precision) {
  constexpr int64_t kFewestChannels = 8, kFewestTiles2 = 4;
  constexpr double kWorthLargerTiles = 1.15;
  if (!winogradSupports(pass, s) || std::min(s.c, s.k) < kFewestChannels) return ConvAlgorithm::ImplicitGemm;
  const auto tiles = [&s](int64_t m) { return s.n * ((s.oh + m - 1) / m) * ((s.ow + m - 1) / m); };
  const int64_t fewestTiles4 = pass == ConvPass::WeightGrad || s.strideH == 1 ? 8 : 16;
  if (precision == ConvPrecision::Fast && winogradGain(s, 4) >= kWorthLargerTiles * winogradGain(s, 2) &&
      tiles(4) >= fewestTiles4) {
    return ConvAlgorithm::Winograd4;
  }
  return tiles(2) >= kFewestTiles2 ? ConvAlgorithm::Winograd2 : ConvAlgorithm::ImplicitGemm;
}

/** For groups that Winograd can do: the transforms cost as much as the products, so it must save many of them. */
ConvAlgorithm groupedWinogradOr(ConvAlgorithm direct, const ConvShape& s, ConvPrecision precision) {
  constexpr double kWorth = 1.7;
  constexpr int64_t kFewestTiles = 8;
  const auto pays = [&s](int64_t m) {
    return winogradGain(s, m) >= kWorth && s.n * ((s.oh + m - 1) / m) * ((s.ow + m - 1) / m) >= kFewestTiles;
  };
  if (precision == ConvPrecision::Fast && pays(4) && winogradGain(s, 4) >= winogradGain(s, 2)) {
    return ConvAlgorithm::GroupedWinograd4;
  }
  return pays(2) ? ConvAlgorithm::GroupedWinograd2 : direct;
}

/**
 * For several groups. Registers full of sums beat the matrix product as long as a group's weights stay in the first
 * caches; the packed block holds every pixel between the taps, so they must not lie far apart.
 */
ConvAlgorithm groupedOrDepthwise(ConvPass pass, const ConvShape& s, ConvPrecision precision) {
  if (s.groups == s.c && s.groups == s.k) return ConvAlgorithm::Depthwise;
  constexpr int64_t kFarthestTap = 32, kLargestStride = 8;
  const int64_t mostChannels = pass == ConvPass::WeightGrad ? 32 : 64;
  const bool close = (s.kh - 1) * s.dilationH < kFarthestTap && (s.kw - 1) * s.dilationW < kFarthestTap &&
                     std::max(s.strideH, s.strideW) <= kLargestStride;
  const bool few = close && std::max(s.c, s.k) / s.groups <= mostChannels;
  const ConvAlgorithm direct = few ? ConvAlgorithm::Grouped : ConvAlgorithm::ImplicitGemm;
  return winogradGroupedSupports(s) ? groupedWinogradOr(direct, s, precision) : direct;
}

bool isEmpty(const ConvShape& s) { return s.n * s.oh * s.ow * s.k == 0; }

}  // namespace

ConvAlgorithm pickConvAlgorithm(ConvPass pass, const ConvShape& s, ConvPrecision precision) {
  if (isDense(s)) return ConvAlgorithm::Dense;
  if (s.groups > 1) return groupedOrDepthwise(pass, s, precision);
  // Dot products want a long contiguous stretch; with few channels on both sides the matrix product is no worse.
  constexpr int64_t kShortestDot = 16;
  const int64_t result = pass == ConvPass::Forward ? s.k : s.c, summed = pass == ConvPass::Forward ? s.c : s.k;
  if (pass != ConvPass::WeightGrad && result <= kNarrowColumns && summed >= kShortestDot) return ConvAlgorithm::Narrow;
  if (convThinSupports(pass, s)) return ConvAlgorithm::Thin;
  return directOrWinograd(pass, s, precision);
}

void convForward(const ConvShape& s, const float* x, const float* w, const Epilogue& end, float* y,
                 ConvPrecision precision) {
  if (isEmpty(s)) return;
  const int64_t pixels = s.n * s.oh * s.ow;
  const FinishArgs* const finish = end.finishes() ? &end.finish : nullptr;
  switch (pickConvAlgorithm(ConvPass::Forward, s, precision)) {
    case ConvAlgorithm::Dense: {
      const auto [rows, depth] = dense(s);
      return gemm({false, true, rows, s.k, depth, x, depth, w, depth, y, s.k, 0.0f, end.bias, finish});
    }
    case ConvAlgorithm::ImplicitGemm:
      return convGatherGemm(ConvPass::Forward, s, x, w, end, y);
    case ConvAlgorithm::Narrow:
      return convNarrow(ConvPass::Forward, s, x, w, end, y);
    case ConvAlgorithm::Thin:
      return convThin(ConvPass::Forward, s, x, w, end, y);
    case ConvAlgorithm::Grouped:
      convGrouped(ConvPass::Forward, s, x, w, end.bias, y);
      break;
    case ConvAlgorithm::Depthwise:
      convDepthwiseForward(s, x, w, end.bias, y);
      break;
    case ConvAlgorithm::Winograd2:
      winogradForward(s, x, w, end.bias, y, WinogradTile::Accurate);
      break;
    case ConvAlgorithm::Winograd4:
      winogradForward(s, x, w, end.bias, y, WinogradTile::Fast);
      break;
    case ConvAlgorithm::GroupedWinograd2:
      winogradGrouped(ConvPass::Forward, s, x, w, end.bias, y, WinogradTile::Accurate);
      break;
    case ConvAlgorithm::GroupedWinograd4:
      winogradGrouped(ConvPass::Forward, s, x, w, end.bias, y, WinogradTile::Fast);
      break;
  }
  if (finish != nullptr) applyEpilogue({nullptr, end.finish}, y, pixels, s.k);
}

void convInputGrad(const ConvShape& s, const float* dy, const float* w, float* dx, ConvPrecision precision,
                   const Epilogue& end) {
  const int64_t pixels = s.n * s.h * s.w, size = pixels * s.c;
  if (size == 0) return;
  if (isEmpty(s)) {
    std::fill_n(dx, size, 0.0f);
    return applyEpilogue(end, dx, pixels, s.c);
  }
  switch (pickConvAlgorithm(ConvPass::InputGrad, s, precision)) {
    case ConvAlgorithm::Dense: {
      const auto [rows, depth] = dense(s);
      const FinishArgs* const finish = end.finishes() ? &end.finish : nullptr;
      const float* bias = end.bias;
      if (bias != nullptr && depth != s.c) {  // a row of the product is all pixels of an image
        float* const repeated = scratch(kScratchConv, depth);
        for (int64_t i = 0; i < depth; i += s.c) std::copy_n(end.bias, s.c, repeated + i);
        bias = repeated;
      }
      return gemm({false, false, rows, depth, s.k, dy, s.k, w, depth, dx, depth, 0.0f, bias, finish});
    }
    case ConvAlgorithm::ImplicitGemm:
      return convGatherGemm(ConvPass::InputGrad, s, dy, w, end, dx);
    case ConvAlgorithm::Narrow:
      return convNarrow(ConvPass::InputGrad, s, dy, w, end, dx);
    case ConvAlgorithm::Thin:
      return convThin(ConvPass::InputGrad, s, dy, w, end, dx);
    case ConvAlgorithm::Grouped:
      convGrouped(ConvPass::InputGrad, s, dy, w, nullptr, dx);
      break;
    case ConvAlgorithm::Depthwise:
      convDepthwiseInputGrad(s, dy, w, dx);
      break;
    case ConvAlgorithm::Winograd2:
      winogradInputGrad(s, dy, w, dx, WinogradTile::Accurate);
      break;
    case ConvAlgorithm::Winograd4:
      winogradInputGrad(s, dy, w, dx, WinogradTile::Fast);
      break;
    case ConvAlgorithm::GroupedWinograd2:
      winogradGrouped(ConvPass::InputGrad, s, dy, w, nullptr, dx, WinogradTile::Accurate);
      break;
    case ConvAlgorithm::GroupedWinograd4:
      winogradGrouped(ConvPass::InputGrad, s, dy, w, nullptr, dx, WinogradTile::Fast);
      break;
  }
  applyEpilogue(end, dx, pixels, s.c);
}

void convWeightGrad(const ConvShape& s, const float* x, const float* dy, float* dw, ConvPrecision precision) {
  const int64_t size = s.k * s.kh * s.kw * (s.c / s.groups);
  if (size == 0) return;
  if (isEmpty(s) || s.h * s.w == 0) {
    std::fill_n(dw, size, 0.0f);
    return;
  }
  switch (pickConvAlgorithm(ConvPass::WeightGrad, s, precision)) {
    case ConvAlgorithm::Dense: {
      const auto [rows, depth] = dense(s);
      return gemm({true, false, s.k, depth, rows, dy, s.k, x, depth, dw, depth, 0.0f, nullptr});
    }
    case ConvAlgorithm::ImplicitGemm:
    case ConvAlgorithm::Narrow:
      return convWeightGemm(s, x, dy, dw);
    case ConvAlgorithm::Thin:
      return convThinWeight(s, x, dy, dw);
    case ConvAlgorithm::Grouped:
      return convGroupedWeight(s, x, dy, dw);
    case ConvAlgorithm::Depthwise:
      return convDepthwiseWeightGrad(s, x, dy, dw);
    case ConvAlgorithm::Winograd2:
      return winogradWeightGrad(s, x, dy, dw, WinogradTile::Accurate);
    case ConvAlgorithm::Winograd4:
      return winogradWeightGrad(s, x, dy, dw, WinogradTile::Fast);
    case ConvAlgorithm::GroupedWinograd2:
      return winogradGroupedWeight(s, x, dy, dw, WinogradTile::Accurate);
    case ConvAlgorithm::GroupedWinograd4:
      return winogradGroupedWeight(s, x, dy, dw, WinogradTile::Fast);
  }
}

}  // namespace gv::cpu
