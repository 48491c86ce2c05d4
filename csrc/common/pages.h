// Fresh memory that is about to be written whole: asks the kernel for pages of 2 MB rather than 4 kB.
//
// Memory of tens of megabytes comes from the system anew at each allocation; its first touch, page by page,
// can then take longer than what is computed. A hint only: where it cannot be followed nothing changes.
#pragma once

#include <cstdint>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace ace3d {

inline void prefer_large_pages(void* memory, int64_t num_bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr uintptr_t kPage = uintptr_t{1} << 21;
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(memory) + kPage - 1) / kPage * kPage;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(memory) + num_bytes) / kPage * kPage;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
  (void)memory, (void)num_bytes;
#endif
}

}  // namespace ace3d
