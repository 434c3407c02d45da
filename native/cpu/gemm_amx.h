// Matrix products on AMX (amx.h); gemm.cpp and gemm_bf16.cpp choose between these and the vector kernels.
//
// float32: every number is split into three bf16 pieces, exactly, and the six largest of the nine products of pieces
// are summed in float32, in blocks of 16 terms: the terms left out are below 2^-24 of |a b| at worst, about 2^-28 on
// average, and the sums are shorter than the vector kernels'. The unit takes denormal pieces and products for zero.
// So where a panel of 32 rows and one of 32 columns hold NaN, infinity, or magnitudes so large or so small that a
// piece or product might overflow or matter though denormal, that part of C comes from the vector kernels instead.
// What remains: with A and B the largest magnitudes of the two panels, an error below 2^-22 k A B per element.
#pragma once

#include "cpu/gemm.h"

namespace gv::cpu {

/** Whether a product of this size is worth the packing, and AMX is there. */
bool gemmAmxPays(int64_t m, int64_t n, int64_t k);
bool gemmAmxPaysBF16(int64_t m, int64_t n, int64_t k);

/** For m, n, k > 0, where gemmAmxPays. */
void gemmAmx(const GemmArgs& args);
void gemmAmx(const GemmBF16Args& args);

/** The vector kernels, whatever the size. */
void gemmVector(const GemmArgs& args);

}  // namespace gv::cpu
