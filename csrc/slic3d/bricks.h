// The volume as SLIC reads it, and what one pass over it needs. Plain data: shared by all instruction sets.
//
// A brick is 4 x 4 x 4 voxels. Its record holds the box of its colours, their sums, and 64 values a channel
// in scan order (t, y, x): colours less the middle of the box, so that they are small. Voxels of a brick that
// lie outside the volume hold 0 and are in no sum. Records lie in the order in which every pass visits them:
// block by block (4 x 4 x 4 bricks), in a block part by part (2 x 2 x 2), in a part brick by brick.
#pragma once

#include <cstdint>

#include "common/volume.h"

namespace ace3d {

inline constexpr int64_t kBrickSide = 4, kBrickVoxels = 64;
inline constexpr int kNumLevels = 4;  // boxes of 1, 2, 4 and 16 bricks a side
inline constexpr int64_t kLevelBricks[kNumLevels] = {1, 2, 4, 16};
inline constexpr int64_t kMaxFastChannels = 4;

// Floats of a brick's record: middle, half width and sum of each channel in one cache line, then the voxels.
inline constexpr int64_t kRecordHeader = 16;
inline int64_t record_floats(int64_t channels) { return kRecordHeader + channels * kBrickVoxels; }

// A block of bricks: its place among the boxes of level 2, and the number of its first brick.
struct Block {
  int32_t at[3];
  int32_t first_brick;
};

struct BrickVolume {
  VolumeShape shape;
  int64_t channels;
  int64_t num_boxes[kNumLevels][3];  // along T, H, W; level 0 are the bricks
  float* records;
  float* boxes[kNumLevels];  // [box, 2, channel] of levels 1 to 3: middle and half width of the colours in it
  const Block* blocks;       // those of one box of level 3 together
  int64_t num_blocks;
};

// One assignment of all voxels to their nearest centres.
struct AssignTask {
  const BrickVolume* volume;
  // Rows t, y, x, colours..., index (int32); `stride` floats a row, of which those after the last centre are
  // NaN in row t, eight at least.
  const float* centers;
  int64_t num_centers, stride;
  float weight[3];     // of squared distance along T, H, W
  float reach[3];      // a centre reaches voxel v where -reach <= centre - v < reach + 1
  double color_scale;  // fixed-point units of a colour
  bool accumulate;     // whether sums are wanted
  int32_t* labels;     // [depth, height, width]; read where no centre reaches
};

// What the first assignment is: a label is the sum of three parts, one for each coordinate along T, H, W.
struct FirstLabels {
  const int32_t* along[3];
};

// Sums over the voxels of a centre: count, t, y, x, colours in units of 1 / color_scale.
inline constexpr int64_t kSumsBeforeColors = 4;

}  // namespace ace3d
