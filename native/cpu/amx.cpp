// Detection of AMX; see amx.h.
#include "cpu/amx.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace gv::cpu {
namespace {

bool detect() {
  const char* wish = std::getenv("GANVAS_AMX");
  if (wish != nullptr && std::strcmp(wish, "0") == 0) return false;
#if defined(__x86_64__) && defined(__linux__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kOsxsave = 1u << 27, kAvx512F = 1u << 16, kAvx512BW = 1u << 30;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & kOsxsave) == 0) return false;
  constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  if ((d & (kAmxBf16 | kAmxTile)) != (kAmxBf16 | kAmxTile)) return false;
  if ((b & (kAvx512F | kAvx512BW)) != (kAvx512F | kAvx512BW)) return false;
  constexpr unsigned kAvx512Bf16 = 1u << 5;
  if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || (a & kAvx512Bf16) == 0) return false;
  uint32_t low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  constexpr uint32_t kVectorState = 0xE6, kTileState = 3u << 17;  // SSE, AVX, AVX-512; tile configuration and data
  if ((low & (kVectorState | kTileState)) != (kVectorState | kTileState)) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // arch_prctl(ARCH_REQ_XCOMP_PERM, XTILE_DATA)
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

std::atomic<bool> allowed{true};

}  // namespace

bool amxAvailable() {
  static const bool available = detect();
  return available && allowed.load(std::memory_order_relaxed);
}

void allowAmx(bool allow) { allowed = allow; }

}  // namespace gv::cpu
