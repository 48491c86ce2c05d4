// What every pass does with a brick: find it, store its labels, add its voxels to the sums.
// For the files that are compiled once for each instruction set.
#pragma once

#include "common/simd.h"
#include "slic3d/bricks.h"

namespace ace3d::ACE3D_ISA {

// Channels known when compiled, or kDynamic.
inline constexpr int kDynamic = -1;

template <int C>
ACE3D_INLINE int64_t num_channels(const BrickVolume& volume) {
  if constexpr (C == kDynamic) {
    return volume.channels;
  } else {
    return C;
  }
}

struct BrickView {
  int32_t first[3];  // t, y, x of its first voxel
  uint64_t voxels;
  float quantum;
  int32_t shift;
  const float *middle, *colors;
  const int32_t *middle_units, *totals;
};

// The voxels of a brick at coordinate i of an axis.
ACE3D_INLINE uint64_t axis_voxels(int axis, int i) {
  const uint64_t zeroth[3] = {0xffffull, 0x000f000f000f000full, 0x1111111111111111ull};
  return zeroth[axis] << (i << (4 - 2 * axis));
}

ACE3D_INLINE BrickView view_brick(const BrickVolume& volume, const RecordLayout& layout, const Node& parent,
                                  int child, int64_t brick) {
  const float* record = volume.records + brick * layout.size;
  BrickView view;
  for (int axis = 0; axis < 3; ++axis) {
    view.first[axis] = static_cast<int32_t>(4 * (2 * parent.at[axis] + (child >> (2 - axis) & 1)));
  }
  RecordHead head;
  std::memcpy(&head, record, sizeof(head));
  view.voxels = head.voxels;
  view.quantum = head.quantum;
  view.shift = head.shift;
  view.middle = record + layout.middle;
  view.middle_units = reinterpret_cast<const int32_t*>(record + layout.middle_units);
  view.totals = reinterpret_cast<const int32_t*>(record + layout.totals);
  view.colors = record + layout.colors;
  return view;
}

// Index of voxel v of a brick.
ACE3D_INLINE int64_t voxel_index(const int32_t first[3], int v, const VolumeShape& shape) {
  const int64_t t = first[0] + (v >> 4), y = first[1] + (v >> 2 & 3), x = first[2] + (v & 3);
  return (t * shape.height + y) * shape.width + x;
}

// Vectors of the voxels of a brick.
inline constexpr int kWides = kBrickVoxels / kWideLanes;

// The voxels of a brick that have this label.
ACE3D_INLINE uint64_t voxels_of(const int32_t* labels, int32_t label) {
  uint64_t found = 0;
#pragma GCC unroll 8
  for (int j = 0; j < kWides; ++j) {
    const WideMask has = equal(load_wide(labels + j * kWideLanes), splat_wide(label));
    found |= static_cast<uint64_t>(wide_bits(has)) << (kWideLanes * j);
  }
  return found;
}

ACE3D_INLINE void store_labels(const int32_t first[3], uint64_t voxels, const VolumeShape& shape,
                               const int32_t* labels, int32_t* to) {
  if (voxels == ~uint64_t{0}) {
    int32_t* plane = to + voxel_index(first, 0, shape);
    for (int t = 0; t < kBrickSide; ++t, plane += shape.height * shape.width) {
      for (int y = 0; y < kBrickSide; ++y, labels += kBrickSide) {
        std::memcpy(plane + y * shape.width, labels, kBrickSide * sizeof(*labels));
      }
    }
    return;
  }
  for (uint64_t left = voxels; left != 0; left &= left - 1) {
    const int v = __builtin_ctzll(left);
    to[voxel_index(first, v, shape)] = labels[v];
  }
}

// Add `count` voxels of a brick, those `won`, to the sums of a centre; `totals` are those of their colours.
template <int C>
ACE3D_INLINE void add_sums(const BrickVolume& volume, const BrickView& brick, uint64_t won,
                           const int32_t* totals, int64_t* sums) {
  const int64_t count = __builtin_popcountll(won);
  sums[0] += count;
  for (int axis = 0; axis < 3; ++axis) {
    const uint64_t odd = axis_voxels(axis, 1) | axis_voxels(axis, 3),
                   upper = axis_voxels(axis, 2) | axis_voxels(axis, 3);
    sums[1 + axis] +=
        count * brick.first[axis] + __builtin_popcountll(won & odd) + 2 * __builtin_popcountll(won & upper);
  }
  for (int64_t c = 0; c < num_channels<C>(volume); ++c) {
    sums[kSumsBeforeColors + c] +=
        static_cast<int64_t>(totals[c]) * (int64_t{1} << brick.shift) + count * brick.middle_units[c];
  }
}

// The sums of the colours of the voxels for which mask_of(vector) is set; those that do not count are 0.
template <int C, class MaskOf>
ACE3D_INLINE void masked_totals(const BrickVolume& volume, const BrickView& brick, const MaskOf& mask_of,
                                int32_t* totals) {
  constexpr int64_t kAtOnce = C == kDynamic ? 4 : C;
  for (int64_t first = 0; first < num_channels<C>(volume); first += kAtOnce) {
    const int64_t left = num_channels<C>(volume) - first, size = left < kAtOnce ? left : kAtOnce;
    WideFloats sums[kAtOnce] = {};
#pragma GCC unroll 8
    for (int j = 0; j < kWides; ++j) {
      const WideMask mask = mask_of(j);
      const float* colors = brick.colors + first * kBrickVoxels + j * kWideLanes;
      for (int64_t c = 0; c < size; ++c) sums[c] += keep(mask, load_wide(colors + c * kBrickVoxels));
    }
    for (int64_t c = 0; c < size; ++c) totals[first + c] = static_cast<int32_t>(sum_of_whole(sums[c]));
  }
}

// The sums of the colours of the voxels `won`.
template <int C>
ACE3D_INLINE void color_totals(const BrickVolume& volume, const BrickView& brick, uint64_t won,
                               int32_t* totals) {
  masked_totals<C>(
      volume, brick, [won](int j) ACE3D_INLINE_LAMBDA { return wide_mask(won >> (kWideLanes * j)); }, totals);
}

// The same for the voxels that have this label.
template <int C>
ACE3D_INLINE void label_totals(const BrickVolume& volume, const BrickView& brick, const int32_t* labels,
                               int32_t label, int32_t* totals) {
  masked_totals<C>(
      volume, brick,
      [labels, label](int j)
          ACE3D_INLINE_LAMBDA { return equal(load_wide(labels + j * kWideLanes), splat_wide(label)); },
      totals);
}

template <int C>
ACE3D_INLINE void add_voxels(const BrickVolume& volume, const BrickView& brick, uint64_t won, int64_t* sums) {
  if (won == brick.voxels) {
    add_sums<C>(volume, brick, won, brick.totals, sums);
    return;
  }
  int32_t totals[C == kDynamic ? kMaxChannels : C];
  color_totals<C>(volume, brick, won, totals);
  add_sums<C>(volume, brick, won, totals, sums);
}

}  // namespace ace3d::ACE3D_ISA
