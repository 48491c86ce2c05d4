// Lab of 8-bit colours, compiled once for each instruction set.
//
//   rgb    [num_voxels, 3]     light  [256]: linear light of each value
//   lab    channel c of voxel i at lab[c * channel_stride + i]
#pragma once

#include <cstdint>

namespace ace3d {

#define ACE3D_COLOR_KERNELS(ISA)                                                                \
  namespace ISA {                                                                               \
  void lab_of_bytes(const uint8_t* rgb, const float* light, float* lab, int64_t channel_stride, \
                    int64_t begin, int64_t end);                                                \
  }

ACE3D_COLOR_KERNELS(baseline)
ACE3D_COLOR_KERNELS(avx2)

}  // namespace ace3d
