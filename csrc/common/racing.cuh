// Reads and writes of what other threads write or read at the same time, where any of the values that it
// has meanwhile will do: a parent in a union-find may be that of a moment ago. On the GPU they are plain
// accesses, which are never torn; in the emulation they tell the thread sanitizer that they are meant.
#pragma once

#include "common/launch.h"

namespace ace3d {

template <class T>
__device__ inline T racing_read(const T* at) {
#if defined(__CUDACC__)
  return *at;
#else
  return __atomic_load_n(at, __ATOMIC_RELAXED);
#endif
}

template <class T>
__device__ inline void racing_write(T* at, T value) {
#if defined(__CUDACC__)
  *at = value;
#else
  __atomic_store_n(at, value, __ATOMIC_RELAXED);
#endif
}

}  // namespace ace3d
