// Convolutions of bf16 images on AMX that read their tiles from the image itself: no matrix of patches is made. Each
// returns false, having done nothing, where the tiles would be mostly empty (few channels, few small images); the caller
// then makes patches. The caller has asked amxAvailable() and refuses groups and empty images.
#pragma once

#include "cpu/conv.h"

namespace gv::cpu {

bool convForwardTilesBF16(const ConvShape& s, const ops::BF16* x, const ops::BF16* w, const Epilogue& end, ops::BF16* y);
bool convInputGradTilesBF16(const ConvShape& s, const ops::BF16* dy, const ops::BF16* w, const Epilogue& end,
                            ops::BF16* dx);
bool convWeightGradTilesBF16(const ConvShape& s, const ops::BF16* x, const ops::BF16* dy, float* dw);

}  // namespace gv::cpu
