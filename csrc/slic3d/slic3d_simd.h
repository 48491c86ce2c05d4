// The passes over the bricks, compiled once for each instruction set; the best is chosen at run time.
#pragma once

#include "slic3d/bricks.h"

namespace ace3d {

#define ACE3D_DECLARE_SLIC3D                                                                                 \
  /* Largest absolute value of `size` floats or doubles. */                                                  \
  float largest_magnitude(const float* values, int64_t size);                                                \
  float largest_magnitude(const double* values, int64_t size);                                               \
  /* Fill the records and colour boxes under nodes [begin, end) of kJobLevel, and the lowest box above them. \
     Colours are multiplied by `scale`; `mask` [depth, height, width] may be null. */                        \
  void fill_bricks(const VolumeSource<float>& source, float scale, const uint8_t* mask,                      \
                   const BrickVolume& bricks, int64_t begin, int64_t end);                                   \
  void fill_bricks(const VolumeSource<double>& source, float scale, const uint8_t* mask,                     \
                   const BrickVolume& bricks, int64_t begin, int64_t end);                                   \
  void fill_bricks(const ByteSource& source, float scale, const uint8_t* mask, const BrickVolume& bricks,    \
                   int64_t begin, int64_t end);                                                              \
  /* Assign the voxels under nodes [begin, end) of kJobLevel. `sums` [center, sums_per_center] grows.        \
     Returns whether there was a voxel that no centre reaches. */                                            \
  bool assign_nearest(const AssignTask& task, int64_t begin, int64_t end, int64_t* sums);                    \
  void assign_first(const AssignTask& task, const FirstLabels& first, int64_t begin, int64_t end,            \
                    int64_t* sums);

namespace baseline {
ACE3D_DECLARE_SLIC3D
}
namespace avx2 {
ACE3D_DECLARE_SLIC3D
}
#undef ACE3D_DECLARE_SLIC3D

}  // namespace ace3d
