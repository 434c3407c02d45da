// Per-target helpers on top of Highway 1.0: vectors with a tail, f32 vectors from and to bf16 memory, and sums of
// several vectors at once.
// Include after cpu/simd.h, inside no namespace. The guard lets each target have its own copy.
#if defined(GV_CPU_SIMD_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef GV_CPU_SIMD_INL_H
#undef GV_CPU_SIMD_INL_H
#else
#define GV_CPU_SIMD_INL_H
#endif

#include <cstddef>
#include <cstdint>

#include "ops/bf16.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));

/** The first `count` <= kLanes floats at p, zeros behind them; reads nothing beyond. */
HWY_INLINE V LoadFirst(const float* p, size_t count) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
  return hn::MaskedLoad(hn::FirstN(D(), count), D(), p);
#else
  HWY_ALIGN float buffer[kLanes] = {};
  for (size_t i = 0; i < count; i++) buffer[i] = p[i];
  return hn::Load(D(), buffer);
#endif
}

/** Stores the first `count` <= kLanes lanes; neither reads nor writes beyond (hn::BlendedStore does, on SSE4). */
HWY_INLINE void StoreFirst(V v, float* p, size_t count) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
  hn::BlendedStore(v, hn::FirstN(D(), count), D(), p);
#else
  HWY_ALIGN float buffer[kLanes];
  hn::Store(v, D(), buffer);
  for (size_t i = 0; i < count; i++) p[i] = buffer[i];
#endif
}

// bf16: the same functions widen what they load and round what they store as ops/bf16.h does, on integers, because the
// processor's own instruction would flush subnormal numbers.
using D16 = hn::Rebind<uint16_t, D>;

HWY_INLINE V FromBF16(hn::Vec<D16> bits) {
  return hn::BitCast(D(), hn::ShiftLeft<16>(hn::PromoteTo(hn::RebindToUnsigned<D>(), bits)));
}

HWY_INLINE hn::Vec<D16> ToBF16(V v) {
  const hn::RebindToUnsigned<D> du;
  const auto bits = hn::BitCast(du, v), upper = hn::ShiftRight<16>(bits);
  const auto half = hn::Add(hn::And(upper, hn::Set(du, 1u)), hn::Set(du, 0x7FFFu));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, half)), quiet = hn::Or(upper, hn::Set(du, 0x40u));
  // IfThenElse on float vectors: masks of one type need no conversion.
  const D d;
  const V result = hn::IfThenElse(hn::Eq(v, v), hn::BitCast(d, rounded), hn::BitCast(d, quiet));
#if HWY_TARGET == HWY_AVX3
  return hn::Vec<D16>{_mm512_cvtepi32_epi16(hn::BitCast(du, result).raw)};
#else
  return hn::TruncateTo(D16(), hn::BitCast(du, result));
#endif
}

HWY_INLINE V LoadLanes(const float* p) { return hn::LoadU(D(), p); }
HWY_INLINE V LoadLanes(const ops::BF16* p) {
  return FromBF16(hn::LoadU(D16(), reinterpret_cast<const uint16_t*>(p)));
}
HWY_INLINE void StoreLanes(V v, float* p) { hn::StoreU(v, D(), p); }
HWY_INLINE void StoreLanes(V v, ops::BF16* p) { hn::StoreU(ToBF16(v), D16(), reinterpret_cast<uint16_t*>(p)); }

HWY_INLINE V LoadFirst(const ops::BF16* p, size_t count) {
  HWY_ALIGN ops::BF16 buffer[kLanes] = {};
  for (size_t i = 0; i < count; i++) buffer[i] = p[i];
  return LoadLanes(buffer);
}

HWY_INLINE void StoreFirst(V v, ops::BF16* p, size_t count) {
  HWY_ALIGN ops::BF16 buffer[kLanes];
  StoreLanes(v, buffer);
  for (size_t i = 0; i < count; i++) p[i] = buffer[i];
}

/** Copies a short stretch to a buffer that may be overwritten up to one vector behind it. */
HWY_INLINE void CopyLoose(const float* HWY_RESTRICT from, int64_t count, float* HWY_RESTRICT to) {
  const D d;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
  if (i < count) hn::StoreU(LoadFirst(from + i, count - i), d, to + i);
}

/** out[i] = the sum of the lanes of v[i], for four vectors at about a third of the cost of four single sums. */
HWY_INLINE void SumLanes4(V v0, V v1, V v2, V v3, float* HWY_RESTRICT out) {
#if HWY_TARGET == HWY_SCALAR
  out[0] = hn::GetLane(v0);
  out[1] = hn::GetLane(v1);
  out[2] = hn::GetLane(v2);
  out[3] = hn::GetLane(v3);
#else
  // A 4x4 transposition inside each 128-bit block, added up on the way, then the blocks are added.
  const D d;
  const hn::Repartition<double, D> d64;
  const V a = hn::Add(hn::InterleaveLower(d, v0, v1), hn::InterleaveUpper(d, v0, v1));
  const V b = hn::Add(hn::InterleaveLower(d, v2, v3), hn::InterleaveUpper(d, v2, v3));
  const V low = hn::BitCast(d, hn::InterleaveLower(d64, hn::BitCast(d64, a), hn::BitCast(d64, b)));
  const V high = hn::BitCast(d, hn::InterleaveUpper(d64, hn::BitCast(d64, a), hn::BitCast(d64, b)));
  const V sum = hn::Add(low, high);
#if HWY_TARGET == HWY_AVX3
  const hn::Half<D> d8;
  const hn::Half<decltype(d8)> d4;
  const auto half = hn::Add(hn::LowerHalf(d8, sum), hn::UpperHalf(d8, sum));
  hn::StoreU(hn::Add(hn::LowerHalf(d4, half), hn::UpperHalf(d4, half)), d4, out);
#elif HWY_TARGET == HWY_AVX2
  const hn::Half<D> d4;
  hn::StoreU(hn::Add(hn::LowerHalf(d4, sum), hn::UpperHalf(d4, sum)), d4, out);
#else
  hn::StoreU(sum, d, out);
#endif
#endif
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
