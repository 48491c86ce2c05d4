// Functions that each file keeps to itself: code compiled for one instruction set is never called from
// another.
#pragma once

#define ACE3D_INLINE static inline __attribute__((always_inline))
#define ACE3D_INLINE_LAMBDA __attribute__((always_inline))
