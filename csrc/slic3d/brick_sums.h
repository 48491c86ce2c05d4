// What every pass over the bricks does with a brick: find it, store its labels, add its voxels to the sums.
// For the files that are compiled once for each instruction set.
#pragma once

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "common/simd.h"
#include "slic3d/bricks.h"

namespace ace3d::ACE3D_ISA {

struct BrickPlace {
  int64_t first[3];  // t, y, x of its first voxel
  uint64_t voxels;   // bit v: voxel v lies inside the volume
  float *box, *totals, *colors;
};

// The voxels of a brick at coordinate i of an axis.
ACE3D_INLINE uint64_t axis_voxels(int axis, int i) {
  const uint64_t zeroth[3] = {0xffffull, 0x000f000f000f000full, 0x1111111111111111ull};
  return zeroth[axis] << (i << (4 - 2 * axis));
}

// Brick number `brick`, at `at` among the boxes of level 0.
ACE3D_INLINE BrickPlace brick_place(const BrickVolume& volume, const int64_t at[3], int64_t brick) {
  const int64_t sizes[3] = {volume.shape.depth, volume.shape.height, volume.shape.width};
  BrickPlace place;
  place.voxels = ~uint64_t{0};
  for (int axis = 0; axis < 3; ++axis) {
    place.first[axis] = at[axis] * kBrickSide;
    for (int64_t i = sizes[axis] - place.first[axis]; i < kBrickSide; ++i) {
      place.voxels &= ~axis_voxels(axis, static_cast<int>(i));
    }
  }
  float* record = volume.records + brick * record_floats(volume.channels);
  place.box = record;
  place.totals = record + 2 * volume.channels;
  place.colors = record + kRecordHeader;
  return place;
}

// Visit a block: each part of 2 x 2 x 2 bricks (a box of level 1), and each brick in it, in the order of the
// records.
template <class EnterPart, class VisitBrick, class LeavePart>
ACE3D_INLINE void visit_bricks(const BrickVolume& volume, const Block& block, const EnterPart& enter,
                               const VisitBrick& visit, const LeavePart& leave) {
  const int64_t *parts = volume.num_boxes[1], *bricks = volume.num_boxes[0];
  int64_t number = block.first_brick;
  for (int i = 0; i < 8; ++i) {
    const int64_t part[3] = {2 * block.at[0] + (i >> 2), 2 * block.at[1] + (i >> 1 & 1),
                             2 * block.at[2] + (i & 1)};
    if (part[0] >= parts[0] || part[1] >= parts[1] || part[2] >= parts[2]) continue;
    enter(part);
    for (int j = 0; j < 8; ++j) {
      const int64_t at[3] = {2 * part[0] + (j >> 2), 2 * part[1] + (j >> 1 & 1), 2 * part[2] + (j & 1)};
      if (at[0] < bricks[0] && at[1] < bricks[1] && at[2] < bricks[2])
        visit(brick_place(volume, at, number++), at);
    }
    leave(part);
  }
}

// The colour box of box `at` of a level above 0.
ACE3D_INLINE float* color_box(const BrickVolume& volume, int level, const int64_t at[3]) {
  const int64_t* num = volume.num_boxes[level];
  return volume.boxes[level] + ((at[0] * num[1] + at[1]) * num[2] + at[2]) * 2 * volume.channels;
}

// Nearest integer, halves to even.
ACE3D_INLINE int64_t round_to_integer(double x) {
#if defined(__SSE2__)
  return _mm_cvtsd_si64(_mm_set_sd(x));
#else
  return static_cast<int64_t>(__builtin_llrint(x));
#endif
}

ACE3D_INLINE int64_t voxel_index(const BrickPlace& place, int v, const VolumeShape& shape) {
  const int64_t t = place.first[0] + v / 16, y = place.first[1] + v / 4 % 4, x = place.first[2] + v % 4;
  return (t * shape.height + y) * shape.width + x;
}

// The voxels of a brick that have this label.
ACE3D_INLINE uint64_t voxels_of(const Ints* labels, int32_t label) {
  uint64_t found = 0;
  for (int j = 0; j < 8; ++j)
    found |= static_cast<uint64_t>(bits((Ints)(labels[j] == splat(label)))) << (8 * j);
  return found;
}

ACE3D_INLINE void store_labels(const BrickPlace& place, const VolumeShape& shape, const Ints* labels,
                               int32_t* to) {
  if (place.voxels == ~uint64_t{0}) {
    int32_t* row = to + voxel_index(place, 0, shape);
    for (int t = 0; t < kBrickSide; ++t, row += shape.height * shape.width) {
      for (int pair = 0; pair < 2; ++pair) {
        int32_t* at = row + 2 * pair * shape.width;
        store_halves(at, at + shape.width, labels[2 * t + pair]);
      }
    }
    return;
  }
  int32_t values[kBrickVoxels];
  std::memcpy(values, labels, sizeof(values));
  for (uint64_t left = place.voxels; left != 0; left &= left - 1) {
    const int v = __builtin_ctzll(left);
    to[voxel_index(place, v, shape)] = values[v];
  }
}

// Add the voxels `won` of a brick to the sums of centre `label`.
template <int C>
ACE3D_INLINE void add_voxels(const AssignTask& task, const BrickPlace& place, uint64_t won, int32_t label,
                             int64_t* all_sums) {
  int64_t* sums = all_sums + label * (kSumsBeforeColors + C);
  const int64_t count = __builtin_popcountll(won);
  sums[0] += count;
  for (int axis = 0; axis < 3; ++axis) {
    const uint64_t odd = axis_voxels(axis, 1) | axis_voxels(axis, 3),
                   upper = axis_voxels(axis, 2) | axis_voxels(axis, 3);
    sums[1 + axis] +=
        count * place.first[axis] + __builtin_popcountll(won & odd) + 2 * __builtin_popcountll(won & upper);
  }
  float totals[C];
  if (won == place.voxels) {
    for (int c = 0; c < C; ++c) totals[c] = place.totals[c];
  } else {
    Floats parts[C] = {};
    for (int j = 0; j < 8; ++j) {
      const Ints mask = lanes(won >> (8 * j) & 0xff);
      for (int c = 0; c < C; ++c) {
        parts[c] += (Floats)(mask & (Ints)load(place.colors + c * kBrickVoxels + j * kLanes));
      }
    }
    for (int c = 0; c < C; ++c) totals[c] = sum(parts[c]);
  }
  for (int c = 0; c < C; ++c) {
    const double units =
        static_cast<double>(totals[c]) + static_cast<double>(place.box[c]) * static_cast<double>(count);
    sums[kSumsBeforeColors + c] += round_to_integer(units * task.color_scale);
  }
}

}  // namespace ace3d::ACE3D_ISA
