// Lab of colours, compiled once for each instruction set.
//
// lab_of_bytes
//   rgb    [num_voxels, 3]     light  what each value of each channel adds to X, Y and Z
//   lab    channel c of voxel i at lab[c * channel_stride + i]
// lab_of_doubles
//   rgb, lab  [kLabDoubles, 3], colours within [0, 1]
#pragma once

#include "color/color.h"
#include "common/cpu.h"

namespace ace3d {

constexpr int64_t kLabDoubles = 4;

#define ACE3D_COLOR_KERNELS(ISA)                                                                     \
  namespace ISA {                                                                                    \
  void lab_of_bytes(const uint8_t* rgb, const LightTable& light, float* lab, int64_t channel_stride, \
                    int64_t begin, int64_t end);                                                     \
  void lab_of_doubles(const double* rgb, double* lab);                                               \
  }

ACE3D_FOR_INSTRUCTION_SETS(ACE3D_COLOR_KERNELS)

}  // namespace ace3d
