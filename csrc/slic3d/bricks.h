// The volume as SLIC reads it, and what one pass over it needs. Plain data: shared by all instruction sets.
//
// A brick is 4 x 4 x 4 voxels, stored as 64 values a channel in scan order (t, y, x); bricks follow each
// other in scan order. Colours are stored less the centre of the brick's colour box, so that they are small.
// Voxels of a brick that lie outside the volume hold 0 and are in no sum.
#pragma once

#include <cstdint>

#include "smooth/smooth.h"

namespace ace3d {

inline constexpr int64_t kBrickSide = 4, kBrickVoxels = 64;
inline constexpr int kNumLevels = 4;  // boxes of 1, 2, 4 and 16 bricks a side
inline constexpr int64_t kLevelBricks[kNumLevels] = {1, 2, 4, 16};
inline constexpr int64_t kMaxFastChannels = 4;

struct BrickVolume {
  VolumeShape shape;
  int64_t channels;
  int64_t num_bricks[3];             // along T, H, W
  int64_t num_boxes[kNumLevels][3];  // of each level; level 0 are the bricks
  float* colors;                     // [brick, channel, 64]
  float* totals;                     // [brick, channel]: sum of the 64
  float* boxes[kNumLevels];          // [box, 2, channel]: centre and half width of the colours in it
};

// One assignment of all voxels to their nearest centres.
struct AssignTask {
  const BrickVolume* volume;
  // Rows t, y, x, colours..., index (int32); `stride` floats a row, the eight after the last centre NaN in
  // row t.
  const float* centers;
  int64_t num_centers, stride;
  float weight[3];     // of squared distance along T, H, W
  float reach[3];      // a centre reaches voxel v where -reach <= centre - v < reach + 1
  double color_scale;  // fixed-point units of a colour
  bool accumulate;     // whether sums are wanted
  const int32_t*
      blocks;  // [block, 3]: place of each block (a box of level 2), those of one box of level 3 together
  int32_t* labels;  // [depth, height, width]; read where no centre reaches
};

// What the first assignment is: the nearest seed along each axis.
struct FirstLabels {
  const int32_t*
      along[3];  // part of the label that each coordinate along T, H, W determines; labels are their sums
};

// Sums over the voxels of a centre: count, t, y, x, colours in units of 1 / color_scale.
inline constexpr int64_t kSumsBeforeColors = 4;

}  // namespace ace3d
