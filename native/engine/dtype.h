// Element types. The numbers are part of the contract with src/native.ts (`dtypes`), so they are never reordered.
// bf16 is storage only: arithmetic on it is done in f32 (ops/bf16.h).
#pragma once
#include <cstddef>
#include <cstdint>
#include <initializer_list>

namespace gv {

enum class DType : int32_t { F32 = 0, I32 = 1, U8 = 2, BF16 = 3 };
constexpr int kDTypes = 4;

constexpr size_t itemSize(DType t) {
  return t == DType::U8 ? 1 : t == DType::BF16 ? 2 : 4;
}
constexpr const char* name(DType t) {
  return t == DType::F32 ? "f32" : t == DType::I32 ? "i32" : t == DType::U8 ? "u8" : "bf16";
}

template <class T> constexpr DType dtypeOf();
template <> constexpr DType dtypeOf<float>() { return DType::F32; }
template <> constexpr DType dtypeOf<int32_t>() { return DType::I32; }
template <> constexpr DType dtypeOf<uint8_t>() { return DType::U8; }

// Type of an arithmetic result: f32 wins, then bf16, then i32, then u8.
constexpr DType promote(DType a, DType b) {
  for (const DType t : {DType::F32, DType::BF16, DType::I32})
    if (a == t || b == t) return t;
  return DType::U8;
}

}  // namespace gv
