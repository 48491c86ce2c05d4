// The kernels of fast SLIC, compiled once for each instruction set.
//
// Each covers the blocks [begin, end):
//   fill_bricks     the records of the bricks, and the boxes of levels 1 and 2; colours times `scale`
//   assign_first    labels of the first pass, and their sums
//   assign_nearest  labels of any pass, and their sums; `scratch` holds scratch_floats(...) floats
// `sums` [num_centers, 4 + channels] is added to: integers, so that the order does not matter.
#pragma once

#include <cstdint>

#include "slic3d/bricks.h"

namespace ace3d {

// Costs, three lists of candidates, and those of eight bricks.
inline int64_t scratch_floats(int64_t stride, int64_t channels) {
  return (1 + 3 * (4 + channels) + 8 * (5 + channels)) * stride;
}

#define ACE3D_SLIC3D_KERNELS(ISA)                                                                            \
  namespace ISA {                                                                                            \
  void fill_bricks(const float* volume, float scale, const BrickVolume& bricks, int64_t begin, int64_t end); \
  void assign_first(const AssignTask& task, const FirstLabels& first, int64_t begin, int64_t end,            \
                    int64_t* sums);                                                                          \
  void assign_nearest(const AssignTask& task, int64_t begin, int64_t end, int64_t* sums, float* scratch);    \
  }

ACE3D_SLIC3D_KERNELS(baseline)
ACE3D_SLIC3D_KERNELS(avx2)

}  // namespace ace3d
