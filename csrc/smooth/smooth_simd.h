// One axis of a separable smoothing, compiled once for each instruction set.
//
// out[x] = weights[0] * rows[0][x] + the sum over d, from radius to 1, of weights[d] * (rows[-d][x] +
// rows[d][x]) for x in [0, width): `rows` points to the middle of 2 * radius + 1 row pointers.
#pragma once

#include <cstdint>

#include "common/cpu.h"

namespace ace3d {

#define ACE3D_SMOOTH_KERNELS(ISA)                                                                \
  namespace ISA {                                                                                \
  void weigh_rows(const float* const* rows, const float* weights, int64_t radius, int64_t width, \
                  float* out);                                                                   \
  }

ACE3D_FOR_INSTRUCTION_SETS(ACE3D_SMOOTH_KERNELS)

}  // namespace ace3d
