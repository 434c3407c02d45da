// Highway for kernel files: which instruction sets are built, and how such a file is organised.
//
// Built: AVX3 (AVX-512), AVX2, SSE4 and the compiler's baseline (one lane on x86-64 with GCC 12; NEON on arm64).
// The best one the processor has is taken at run time. A kernel file, say cpu/norm.cpp, looks like this
// (the include directory is native/; simd.h has no include guard on purpose, it is read once per target):
//
//     #include "cpu/norm.h"           // ordinary headers first: they are guarded and read only once
//     #include "cpu/pool.h"
//
//     #undef HWY_TARGET_INCLUDE
//     #define HWY_TARGET_INCLUDE "cpu/norm.cpp"    // this file, relative to native/
//     #include "cpu/simd.h"
//     #include "cpu/simd-inl.h"                    // D, V, kLanes, LoadFirst, StoreFirst, SumLanes4
//     #include "hwy/contrib/math/math-inl.h"       // only if it needs Exp, Log, Tanh: after simd.h
//
//     HWY_BEFORE_NAMESPACE();
//     namespace gv::cpu::HWY_NAMESPACE {           // everything here is compiled once per target
//     void Scale(float* x, int64_t n, float s) { ... hn::LoadU, hn::Mul, hn::MulAdd, hn::StoreU ... }
//     }
//     HWY_AFTER_NAMESPACE();
//
//     #if HWY_ONCE                                 // compiled once: dispatch and the public functions
//     namespace gv::cpu {
//     HWY_EXPORT(Scale);
//     void scale(float* x, int64_t n, float s) {
//       const auto kernel = HWY_DYNAMIC_DISPATCH(Scale);   // look it up once, outside the loop
//       parallelRange(n, 16384, [&](int64_t begin, int64_t end) { kernel(x + begin, end - begin, s); });
//     }
//     }
//     #endif
//
// Rules. Exported kernels are plain functions in CamelCase; the public ones are camelCase.
// All files share one namespace per target: give kernels unique names and make helpers `static` or HWY_INLINE.
// Code shared by several kernel files but compiled per target lives in a *-inl.h (see gemm-inl.h for the guard).
// A lambda or template that uses vectors needs HWY_ATTR (clang) and must live inside HWY_NAMESPACE.
// Every target must compile: the baseline may have ONE lane and then lacks shuffles, so wrap those in
// `#if HWY_TARGET != HWY_SCALAR`. x86 intrinsics only under `#if HWY_TARGET == HWY_AVX3` or HWY_AVX2.
// Tails: LoadFirst / StoreFirst of simd-inl.h, or a scalar loop; never touch memory past the end (on SSE4
// hn::MaskedLoad and hn::BlendedStore do).
// NaN: hn::Max and hn::Min follow the instruction set and may drop a NaN; compare and IfThenElse where it matters.
// The compiler contracts nothing (-ffp-contract=off): a fused multiply-add is an explicit hn::MulAdd.
// A sum across lanes depends on their number, so the last digits may differ between processors, not between runs.

#ifndef HWY_DISABLED_TARGETS
#if defined(__aarch64__) || defined(_M_ARM64)
#define HWY_DISABLED_TARGETS 0x0FFFFFFFLL  // all above NEON: SVE, whose vectors have no size at compile time
#else
#define HWY_DISABLED_TARGETS 0x10FFLL  // AVX3_DL and newer (bits 0-7) and SSSE3 (12): nothing here profits
#endif
#endif

#include "hwy/foreach_target.h"
#include "hwy/highway.h"
