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

// x and y of the voxels of a plane of a brick, about its middle.
inline constexpr float kAlongRow[16] = {-1.5f, -0.5f, 0.5f, 1.5f, -1.5f, -0.5f, 0.5f, 1.5f,
                                        -1.5f, -0.5f, 0.5f, 1.5f, -1.5f, -0.5f, 0.5f, 1.5f};
inline constexpr float kAlongColumn[16] = {-1.5f, -1.5f, -1.5f, -1.5f, -0.5f, -0.5f, -0.5f, -0.5f,
                                           0.5f,  0.5f,  0.5f,  0.5f,  1.5f,  1.5f,  1.5f,  1.5f};

// The label of each voxel of a brick, -1 where none reaches; in the exact mode also which are in doubt.
template <int C, bool kWhole, bool kExact>
ACE3D_INLINE uint64_t assign_voxels(const BrickCandidates& candidates, const BrickView& brick, int64_t stride,
                                    int64_t num_colors, int32_t* labels) {
  constexpr int kAtOnce = 4;                 // vectors: what the registers hold
  constexpr int kOfPlane = 16 / kWideLanes;  // vectors
  const WideFloats dx = load_wide(kAlongRow);
  if constexpr (C != kDynamic) num_colors = C;
  const WideFloats tie = splat_wide(candidates.tie);
  uint64_t doubtful = 0;
  for (int first = 0; first < kWides; first += kAtOnce) {
    const float* colors = brick.colors + first * kWideLanes;
    WideFloats lowest[kAtOnce], second[kAtOnce];  // the second lowest in the exact mode alone
    WideInts label[kAtOnce];
#pragma GCC unroll 4
    for (int j = 0; j < kAtOnce; ++j) {
      lowest[j] = second[j] = splat_wide(kUnreached);
      label[j] = splat_wide(-1);
    }
    for (int64_t s = 0; s < candidates.size; ++s) {
      const float* slopes = candidates.slopes + s * stride;
      const WideInts index = splat_wide(candidates.indices[s]);
      const WideFloats in_plane = fma(splat_wide(slopes[3]), dx, splat_wide(slopes[0]));
      WideFloats rows[kOfPlane];
#pragma GCC unroll 2
      for (int i = 0; i < kOfPlane; ++i) {
        rows[i] = fma(splat_wide(slopes[2]), load_wide(kAlongColumn + i * kWideLanes), in_plane);
      }
      const uint64_t reached = kWhole ? ~uint64_t{0} : candidates.reached[s];
#pragma GCC unroll 4
      for (int j = 0; j < kAtOnce; ++j) {
        const WideFloats dt = splat_wide(static_cast<float>((first + j) / kOfPlane) - 1.5f);
        WideFloats cost = fma(splat_wide(slopes[1]), dt, rows[j % kOfPlane]);
#pragma GCC unroll 4
        for (int64_t c = 0; c < num_colors; ++c) {
          cost = fma(splat_wide(slopes[4 + c]), load_wide(colors + c * kBrickVoxels + j * kWideLanes), cost);
        }
        if (!kWhole && reached != ~uint64_t{0}) {
          cost = select(wide_mask(reached >> (kWideLanes * (first + j))), cost, splat_wide(kUnreached));
        }
        const WideMask better = less(cost, lowest[j]);
        if constexpr (kExact) second[j] = min(second[j], max(cost, lowest[j]));
        lowest[j] = kExact ? min(cost, lowest[j]) : select(better, cost - tie, lowest[j]);
        label[j] = select(better, index, label[j]);
      }
    }
#pragma GCC unroll 4
    for (int j = 0; j < kAtOnce; ++j) {
      store_wide(labels + (first + j) * kWideLanes, label[j]);
      if constexpr (kExact) {
        const WideMask close = less_equal(second[j] - lowest[j], splat_wide(candidates.doubt));
        doubtful |= static_cast<uint64_t>(wide_bits(close)) << (kWideLanes * (first + j));
      }
    }
  }
  return doubtful;
}

}  // namespace ace3d::ACE3D_ISA
