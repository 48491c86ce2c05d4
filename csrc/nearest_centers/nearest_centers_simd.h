// Kernels of nearest_centers, compiled once for each instruction set; the best is chosen at run time.
#pragma once

#include <cstdint>

#include "common/cpu.h"

namespace ace3d {

constexpr int64_t kTileCenters = 16;  // centres side by side

// nearest_rows  labels and squared distances of `num_points` points; `tiles` [num_tiles, num_channels,
//               kTileCenters], NaN where there is no centre
#define ACE3D_NEAREST_KERNELS(ISA)                                                                     \
  namespace ISA {                                                                                      \
  void nearest_rows(const float* points, int64_t num_points, int64_t num_channels, const float* tiles, \
                    int64_t num_tiles, int32_t* labels, float* distances);                             \
  }

ACE3D_FOR_INSTRUCTION_SETS(ACE3D_NEAREST_KERNELS)

}  // namespace ace3d
