// The passes over the bricks, compiled once for each instruction set; the best is chosen at run time.
#pragma once

#include "common/cpu.h"
#include "slic3d/bricks.h"

namespace ace3d {

// largest_magnitude  the largest absolute value of `size` values
// fill_bricks        records and colour boxes under nodes [begin, end) of kJobLevel, and the lowest box above
//                    them; colours are multiplied by `scale`, `mask` [depth, height, width] may be null
// assign_nearest     the nearest centre of the voxels under those nodes; `sums` [center, sums_per_center]
//                    grow; returns whether there was a voxel that no centre reaches
// assign_first       the same for a first assignment that is a matter of coordinates
#define ACE3D_SLIC3D_KERNELS(ISA)                                                                         \
  namespace ISA {                                                                                         \
  float largest_magnitude(const float* values, int64_t size);                                             \
  float largest_magnitude(const double* values, int64_t size);                                            \
  void fill_bricks(const VolumeSource<float>& source, float scale, const uint8_t* mask,                   \
                   const BrickVolume& bricks, int64_t begin, int64_t end);                                \
  void fill_bricks(const VolumeSource<double>& source, float scale, const uint8_t* mask,                  \
                   const BrickVolume& bricks, int64_t begin, int64_t end);                                \
  void fill_bricks(const ByteSource& source, float scale, const uint8_t* mask, const BrickVolume& bricks, \
                   int64_t begin, int64_t end);                                                           \
  bool assign_nearest(const AssignTask& task, int64_t begin, int64_t end, int64_t* sums);                 \
  void assign_first(const AssignTask& task, const FirstLabels& first, int64_t begin, int64_t end,         \
                    int64_t* sums);                                                                       \
  }

ACE3D_FOR_INSTRUCTION_SETS(ACE3D_SLIC3D_KERNELS)

}  // namespace ace3d
