// _dl_find_object for binaries that must load on glibc before 2.35, which brought it: libgcc's unwinder, linked in
// statically, calls it to find the exception tables of a function. This one asks dl_iterate_phdr, as libgcc did before;
// it is slower, and ganvas throws only to report an error. Hidden: it serves this library alone.
// https://www.gnu.org/software/libc/manual/html_node/Dynamic-Linker-Introspection.html
#include <dlfcn.h>
#include <link.h>

#include <cstdint>

#ifdef DLFO_EH_SEGMENT_TYPE  // where the C library has none, its unwinder wants none

namespace {

struct Search {
  uintptr_t address;
  dl_find_object* result;
};

int visit(dl_phdr_info* info, size_t, void* data) {
  const Search& search = *static_cast<Search*>(data);
  bool inside = false;
  dl_find_object& result = *search.result;
  result = {};
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr)& header = info->dlpi_phdr[i];
    const uintptr_t begin = info->dlpi_addr + header.p_vaddr, end = begin + header.p_memsz;
    if (header.p_type == PT_GNU_EH_FRAME) result.dlfo_eh_frame = reinterpret_cast<void*>(begin);
    if (header.p_type != PT_LOAD || search.address < begin || search.address >= end) continue;
    inside = true;
    result.dlfo_map_start = reinterpret_cast<void*>(begin);
    result.dlfo_map_end = reinterpret_cast<void*>(end);
  }
  return inside ? 1 : 0;
}

}  // namespace

extern "C" int _dl_find_object(void* address, dl_find_object* result) noexcept {
  Search search{reinterpret_cast<uintptr_t>(address), result};
  return dl_iterate_phdr(visit, &search) == 1 ? 0 : -1;
}

#endif
