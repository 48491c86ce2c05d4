// The volume as SLIC reads it. Plain data: shared by all instruction sets.
//
// A brick is 4 x 4 x 4 voxels. Bricks are the leaves of octrees over boxes of 8, 16, 32 and 64 voxels a side;
// everything lies in the order in which a walk down the trees meets it. A box of one level knows the colour
// boxes of its eight children side by side, so that one vector tests all of them.
//
// The record of a brick holds its colours less their middle, in scan order (t, y, x), in whole multiples of a
// quantum that is a power of two: at most 2^14 of them to each side, so that sums over voxels are exact in
// float, in any order. Middle and quantum are themselves whole multiples of the unit of the sums,
// 2^unit_exponent: 2^-22 of the power of two above the largest colour.
#pragma once

#include <cstdint>
#include <cstring>

#include "color/color.h"
#include "common/volume.h"

namespace ace3d {

inline constexpr int64_t kBrickSide = 4, kBrickVoxels = 64;
inline constexpr int kChildren = 8;
inline constexpr int kNumLevels = 5;  // level 0 are the bricks; a box of level 4 has 64 voxels a side
inline constexpr int kJobLevel = 3;   // what a thread takes at a time
inline constexpr int64_t kMaxChannels = 64;

inline constexpr int64_t box_side(int level) { return kBrickSide << level; }

// A box of level 1 or above. Child b lies at t = b >> 2, y = b >> 1 & 1, x = b & 1 in it.
struct Node {
  int32_t at[3];  // in boxes of its level
  int32_t parent;
  int32_t first_child;  // nodes of the level below, or bricks; those that exist lie one after the other
  uint8_t children;     // which of the eight exist
  uint8_t place;        // which child of its parent it is
};

// Where things lie in a brick's record, in floats.
struct RecordLayout {
  int64_t middle, middle_units, totals, colors, size;
  explicit constexpr RecordLayout(int64_t channels)
      : middle(4),
        middle_units(4 + channels),
        totals(4 + 2 * channels),
        colors((4 + 3 * channels + 15) / 16 * 16),
        size(colors + channels * kBrickVoxels) {}
};

// The part of a record that comes before the middle.
struct RecordHead {
  uint64_t voxels;  // bit v: voxel v lies inside the volume and the mask
  float quantum;
  int32_t shift;  // quantum = 2^(unit_exponent + shift)
};

struct BrickVolume {
  VolumeShape shape;
  int64_t channels;
  int unit_exponent;
  const Node* nodes[kNumLevels];  // of levels 1 and above
  int64_t num_nodes[kNumLevels];
  float* boxes[kNumLevels];  // [node, 2, channel, child]: middle and half width of the children's colours
  float* records;
};

// Floats of a centre's row and of a candidate's slopes: one not used here, t, y, x, colours.
inline constexpr int64_t row_floats(int64_t channels) { return (4 + channels + 7) / 8 * 8; }

// Sums over the voxels of a centre: count, t, y, x, colours in units of 2^unit_exponent.
inline constexpr int64_t kSumsBeforeColors = 4;
inline constexpr int64_t sums_per_center(int64_t channels) {
  return (kSumsBeforeColors + channels + 7) / 8 * 8;
}

// Decides a voxel whose nearest centre float cannot tell: returns one of the `size` candidates.
using Resolve = int32_t (*)(const void* context, int64_t voxel, const int32_t at[3],
                            const int32_t* candidates, int64_t size);

// One assignment of all voxels to their nearest centres.
struct AssignTask {
  const BrickVolume* volume;
  bool use_colors;       // whether colours count in the distance
  const float* centers;  // [center, row_floats]; a dead one has NaN at t
  const float* windows;  // [center, 8]: first t, y, x that it reaches, then the ends; all whole numbers
  int64_t num_centers;
  float weight[3];  // of squared distance along T, H, W
  float error;      // by which rounding of positions can change a cost
  bool accumulate;  // whether sums are wanted
  bool store;       // whether labels are
  bool has_labels;  // whether `labels` holds those of the pass before
  int32_t* labels;  // [depth, height, width]; read where no centre reaches
  Resolve resolve;  // of the exact mode, else null
  const void* resolve_context;
};

// What the first assignment is: a label is the sum of three parts, one for each coordinate along T, H, W.
struct FirstLabels {
  const int32_t* along[3];
};

// Where colours come from: channels first, or bytes of RGB and the table that leads to Lab.
template <class T>
struct VolumeSource {
  const T* volume;
};
struct ByteSource {
  const uint8_t* rgb;
  const LightTable& light;
};

}  // namespace ace3d
