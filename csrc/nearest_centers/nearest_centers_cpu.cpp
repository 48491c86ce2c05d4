#include <limits>
#include <vector>

#include "common/parallel.h"
#include "nearest_centers/nearest_centers.h"
#include "nearest_centers/nearest_centers_simd.h"

namespace ace3d {
namespace {

constexpr int64_t kGrainValues = 1 << 20;  // of the differences; fewer are not worth a second thread

int64_t tiles_of(int64_t num_centers) { return (num_centers + kTileCenters - 1) / kTileCenters; }

// [set, tile, channel, centre of the tile]; NaN, which is nearest to nothing, where a set has no more
// centres.
std::vector<float> lay_tiles(const float* centers, const NearestShape& shape) {
  const int64_t num_tiles = tiles_of(shape.num_centers), row = shape.num_channels;
  std::vector<float> tiles(shape.num_sets * num_tiles * row * kTileCenters,
                           std::numeric_limits<float>::quiet_NaN());
  for (int64_t set = 0; set < shape.num_sets; ++set) {
    for (int64_t k = 0; k < shape.num_centers; ++k) {
      const float* from = centers + (set * shape.num_centers + k) * row;
      float* to = tiles.data() + (set * num_tiles + k / kTileCenters) * row * kTileCenters + k % kTileCenters;
      for (int64_t c = 0; c < row; ++c) to[c * kTileCenters] = from[c];
    }
  }
  return tiles;
}

}  // namespace

void nearest_centers_cpu(const float* points, const float* centers, const NearestShape& shape,
                         int32_t* labels, float* distances) {
  const std::vector<float> tiles = lay_tiles(centers, shape);
  const int64_t num_tiles = tiles_of(shape.num_centers);
  const int64_t of_set = num_tiles * shape.num_channels * kTileCenters;
  const int64_t grain = kGrainValues / (shape.num_sets * of_set + 1) + 1;
  parallel_for(0, shape.num_points, grain, [&](int64_t begin, int64_t end) {
    for (int64_t set = 0; set < shape.num_sets; ++set) {
      const int64_t to = set * shape.num_points + begin;
      ACE3D_DISPATCH(nearest_rows, points + begin * shape.num_channels, end - begin, shape.num_channels,
                     tiles.data() + set * of_set, num_tiles, labels + to, distances + to);
    }
  });
}

}  // namespace ace3d
