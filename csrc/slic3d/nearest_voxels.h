// The nearest of a few candidates, for the 64 voxels of a brick at once.
#pragma once

#include "slic3d/brick.h"

namespace ace3d::ACE3D_ISA {

// A later centre takes a voxel only where it is nearer by more than this part of the cost: ties go to the
// first, whatever rounding says.
inline constexpr float kTie = 1e-6f;
// In the exact mode, how much of a cost may be rounding: ours, and that of the type it is computed in.
inline constexpr float kDoubt = 4e-6f;

// The candidates of one brick: costs as affine functions of position and colour around its middle.
struct BrickCandidates {
  float* slopes;  // [candidate, row_floats]: cost in the middle, slopes along t, y, x and colours
  int32_t* indices;
  uint64_t* reached;  // voxels in the window of each; not set where all cover
  int64_t size;
  bool all_cover;
  float tie, doubt;
};

// The voxels of a brick at those of the four coordinates of an axis whose bits are set.
struct AlongAxis {
  uint64_t voxels[3][16] = {};
  constexpr AlongAxis() {
    const uint64_t zeroth[3] = {0xffffull, 0x000f000f000f000full, 0x1111111111111111ull};
    for (int axis = 0; axis < 3; ++axis) {
      for (int set = 0; set < 16; ++set) {
        for (int i = 0; i < 4; ++i) {
          if (set >> i & 1) voxels[axis][set] |= zeroth[axis] << (i << (4 - 2 * axis));
        }
      }
    }
  }
};
inline constexpr AlongAxis kAlongAxis;

// Which of the 64 voxels of a brick a centre reaches.
ACE3D_INLINE uint64_t reached_voxels(const float* window, const int32_t first[3]) {
  uint64_t reached = ~uint64_t{0};
  for (int axis = 0; axis < 3; ++axis) {
    const int32_t begin = static_cast<int32_t>(window[axis]) - first[axis],
                  end = static_cast<int32_t>(window[3 + axis]) - first[axis];
    const uint32_t after = begin <= 0 ? 15u : begin < 4 ? 15u << begin & 15u : 0u;
    const uint32_t before = end >= 4 ? 15u : end > 0 ? (1u << end) - 1u : 0u;
    reached &= kAlongAxis.voxels[axis][after & before];
  }
  return reached;
}

// The label of each voxel of a brick, -1 where none reaches; in the exact mode also which are in doubt.
template <int C, bool kWhole, bool kExact>
ACE3D_INLINE uint64_t assign_voxels(const BrickCandidates& candidates, const BrickView& brick, int64_t stride,
                                    int64_t num_colors, Ints* labels) {
  const Floats dx = {-1.5f, -0.5f, 0.5f, 1.5f, -1.5f, -0.5f, 0.5f, 1.5f};
  const Floats dy[2] = {{-1.5f, -1.5f, -1.5f, -1.5f, -0.5f, -0.5f, -0.5f, -0.5f},
                        {0.5f, 0.5f, 0.5f, 0.5f, 1.5f, 1.5f, 1.5f, 1.5f}};
  if constexpr (C != kDynamic) num_colors = C;
  const Floats tie = splat(candidates.tie);
  uint64_t doubtful = 0;
  for (int half = 0; half < 2; ++half) {  // four vectors at a time: what the registers hold
    const float* colors = brick.colors + 4 * half * kLanes;
    Floats lowest[4], second[4];  // the second lowest in the exact mode alone
    Ints label[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) lowest[j] = second[j] = splat(kUnreached), label[j] = splat(-1);
    for (int64_t s = 0; s < candidates.size; ++s) {
      const float* slopes = candidates.slopes + s * stride;
      const Ints index = splat(candidates.indices[s]);
      const Floats in_plane = fma(splat(slopes[3]), dx, splat(slopes[0]));
      const Floats rows[2] = {fma(splat(slopes[2]), dy[0], in_plane), fma(splat(slopes[2]), dy[1], in_plane)};
      const uint64_t reached = kWhole ? ~uint64_t{0} : candidates.reached[s];
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const Floats dt = splat(static_cast<float>(2 * half + j / 2) - 1.5f);
        Floats cost = fma(splat(slopes[1]), dt, rows[j % 2]);
#pragma GCC unroll 4
        for (int64_t c = 0; c < num_colors; ++c) {
          cost = fma(splat(slopes[4 + c]), load(colors + c * kBrickVoxels + j * kLanes), cost);
        }
        if (!kWhole && reached != ~uint64_t{0}) {
          const Ints counts = lanes(static_cast<uint32_t>(reached >> (8 * (4 * half + j)) & 0xff));
          cost = select(counts, cost, splat(kUnreached));
        }
        const Ints better = (Ints)(cost < lowest[j]);
        if constexpr (kExact) second[j] = min(second[j], max(cost, lowest[j]));
        lowest[j] = kExact ? min(cost, lowest[j]) : select(better, cost - tie, lowest[j]);
        label[j] = select(better, index, label[j]);
      }
    }
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      labels[4 * half + j] = label[j];
      if constexpr (kExact) {
        const uint32_t close = bits((Ints)(second[j] - lowest[j] <= splat(candidates.doubt)));
        doubtful |= static_cast<uint64_t>(close) << (8 * (4 * half + j));
      }
    }
  }
  return doubtful;
}

}  // namespace ace3d::ACE3D_ISA
