// What the SLIC kernels share: the volume in bricks, the centres, and where all of it lies in memory.
//
// Brick (t, y, x) of a clip is number (t * bricks_y + y) * bricks_x + x. Its head holds, in floats: which of
// its 64 voxels count (two words), quantum, shift; then a value a channel each: middle, the same in units,
// totals in quanta, middle and half width of its colour box. bricks.h says what these are. Colours lie apart,
// 64 a channel: a brick that one centre wins is never read beyond its head.
//
// A block of threads takes a box of 8 or 16 voxels a side, and first asks which centres can win in it.
#pragma once

#include "common/host_device.h"
#include "common/launch.h"
#include "slic3d/bricks.h"
#include "slic3d/slic3d.h"

namespace ace3d {

using Word = unsigned long long;

constexpr int kDynamic = -1;  // channels not known when compiled
constexpr int kMaxMaps = 8;   // resolutions that one launch takes
constexpr int kWarps = kThreadsPerBlock / 32;
constexpr float kUnreached = 1e30f;

ACE3D_HOST_DEVICE inline int64_t head_floats(int64_t channels) { return (4 + 5 * channels + 3) / 4 * 4; }

// row_floats and sums_per_center of bricks.h.
ACE3D_HOST_DEVICE inline int64_t row_floats_of(int64_t channels) { return (4 + channels + 7) / 8 * 8; }
ACE3D_HOST_DEVICE inline int64_t sums_stride_of(int64_t channels) { return (4 + channels + 7) / 8 * 8; }

struct BrickHead {
  const float* at;
  int64_t channels;
  __device__ const float* middle() const { return at + 4; }
  __device__ const int* middle_units() const { return reinterpret_cast<const int*>(at) + 4 + channels; }
  __device__ const int* totals() const { return reinterpret_cast<const int*>(at) + 4 + 2 * channels; }
  __device__ const float* box_middle() const { return at + 4 + 3 * channels; }
  __device__ const float* box_half() const { return at + 4 + 4 * channels; }
};

// One resolution.
struct MapTask {
  int64_t num_centers, first_center;  // of the centres of a clip
  int64_t seed_counts[3];
  SeedGrid grid;
  int64_t window[3];
  float weight[3];
  float error;  // but for what rounding of colours adds
  bool analytic;
};

struct SlicTask {
  VolumeShape shape;
  int64_t channels, num_clips, num_maps, all_maps, first_map, all_centers;
  int64_t bricks[3], num_bricks;  // of a clip
  int64_t boxes[3], num_boxes;    // of a clip
  int32_t box_side;
  float scale;  // 1 / compactness
  double compactness;
  float fixed_largest;  // of all colours divided by the compactness; 0: that of each clip counts
  float* heads;         // [clip, brick, head_floats]
  float* colors;        // [clip, brick, channel, 64]
  float* color_boxes;   // [clip, box, 2, channel]: middle and half width
  int* largest_bits;    // [clip] largest magnitude, as the bits of a float
  float* rows;          // [clip, centre, row_floats]
  int4* windows;        // [clip, centre, 2]: first t, y, x that it reaches, then the ends
  Word* sums;           // [clip, centre, sums_per_center]
  Word* sums_before;    // those of the pass before
  float* errors;        // [clip, map] by which rounding can change a cost
  int* done;            // [clip, map] whether labels can change no more
  int32_t* labels;      // [clip, map, voxel]
  MapTask maps[kMaxMaps];

  __device__ const float* head(int64_t clip, int64_t brick) const {
    return heads + (clip * num_bricks + brick) * head_floats(channels);
  }
  __device__ const float* colors_of(int64_t clip, int64_t brick) const {
    return colors + (clip * num_bricks + brick) * channels * kBrickVoxels;
  }
  __device__ int64_t center(int64_t clip, const MapTask& map) const {
    return clip * all_centers + map.first_center;
  }
  __device__ int32_t* labels_of(int64_t clip, int64_t map) const {
    return labels + (clip * all_maps + first_map + map) * shape.num_voxels();
  }
  __device__ int size(int axis) const {
    return static_cast<int>(axis == 0 ? shape.depth : axis == 1 ? shape.height : shape.width);
  }
  // As BrickStorage has it.
  __device__ int unit_exponent(int64_t clip) const {
    const float largest = fixed_largest > 0 ? fixed_largest : __int_as_float(largest_bits[clip]) * scale;
    const int above = largest > 0 ? (__float_as_int(largest) >> 23 & 255) - 126 : 0;
    return (above > -100 ? above : -100) - 22;
  }
};

// 2^exponent, for exponents of normal floats.
__device__ __forceinline__ float power_of_two(int exponent) { return __int_as_float((exponent + 127) << 23); }

// fill_cuda.cu
void launch_fill(const SlicTask& task, const float* volume, const uint8_t* mask, void* stream);
void launch_fill(const SlicTask& task, const uint8_t* frames, const LightTable* tables, void* stream);

// assign_cuda.cu; `first`: maps that are analytic are left out.
void launch_assign(const SlicTask& task, bool use_colors, bool accumulate, bool first, void* stream);

// centers_cuda.cu: where centres start, colours divided by the compactness; their first pass on a grid; where
// they move to, from the sums, and whether that changes anything any more; and as the caller reads them.
void launch_start(const SlicTask& task, const double* centers, void* stream);
void launch_first(const SlicTask& task, void* stream);
void launch_move(const SlicTask& task, bool compare, void* stream);
void launch_give(const SlicTask& task, double* moved_centers, void* stream);

}  // namespace ace3d
