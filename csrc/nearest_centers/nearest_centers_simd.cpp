#include "nearest_centers/nearest_centers_simd.h"

#include "common/simd.h"

namespace ace3d::ACE3D_ISA {
namespace {

constexpr int kVectors = kTileCenters / kLanes;
constexpr float kInfinity = __builtin_inff();

// kRows points against all centres: a tile of centres at a time, whose distances stay in registers.
template <int kRows>
ACE3D_INLINE void nearest_of(const float* points, int64_t num_channels, const float* tiles, int64_t num_tiles,
                             int32_t* labels, float* distances) {
  Floats best[kRows];
  Ints at[kRows];
  for (int r = 0; r < kRows; ++r) best[r] = splat(kInfinity), at[r] = splat(-1);
  const Ints lane = {0, 1, 2, 3, 4, 5, 6, 7};
  for (int64_t tile = 0; tile < num_tiles; ++tile) {
    const float* centers = tiles + tile * num_channels * kTileCenters;
    Floats costs[kRows][kVectors];
    for (auto& row : costs) {
      for (Floats& cost : row) cost = splat(0.0f);
    }
    for (int64_t c = 0; c < num_channels; ++c) {
      Floats values[kVectors];
      for (int v = 0; v < kVectors; ++v) values[v] = load(centers + c * kTileCenters + v * kLanes);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        const Floats point = splat(points[r * num_channels + c]);
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) {
          const Floats difference = point - values[v];
          costs[r][v] = fma(difference, difference, costs[r][v]);
        }
      }
    }
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kVectors; ++v) {
        const Ints better = (Ints)(costs[r][v] < best[r]);
        const auto first = static_cast<int32_t>(tile * kTileCenters + v * kLanes);
        best[r] = select(better, costs[r][v], best[r]);
        at[r] = select(better, lane + splat(first), at[r]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    float lowest = kInfinity;
    int32_t label = -1;
    for (int i = 0; i < kLanes; ++i) {
      if (best[r][i] < lowest || (best[r][i] == lowest && at[r][i] < label)) {
        lowest = best[r][i];
        label = at[r][i];
      }
    }
    labels[r] = label;
    distances[r] = lowest;
  }
}

}  // namespace

void nearest_rows(const float* points, int64_t num_points, int64_t num_channels, const float* tiles,
                  int64_t num_tiles, int32_t* labels, float* distances) {
  constexpr int kRows = 4;
  int64_t i = 0;
  for (; i + kRows <= num_points; i += kRows) {
    nearest_of<kRows>(points + i * num_channels, num_channels, tiles, num_tiles, labels + i, distances + i);
  }
  for (; i < num_points; ++i) {
    nearest_of<1>(points + i * num_channels, num_channels, tiles, num_tiles, labels + i, distances + i);
  }
}

}  // namespace ace3d::ACE3D_ISA
