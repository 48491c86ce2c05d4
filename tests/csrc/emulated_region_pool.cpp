// The CUDA region_pool, run on the CPU, against plain loops. Exits with 0 if all cases agree.
#include <cmath>
#include <cstdio>
#include <limits>
#include <random>
#include <vector>

#define ACE3D_WITH_CUDA
#include "region_pool/region_pool.h"

namespace {

using namespace ace3d;

struct Result {
  std::vector<float> pooled;
  std::vector<int64_t> counts;
};

// Vectors of exactly the sizes that the contract names: the address sanitizer watches their ends.
Result run_kernels(const std::vector<float>& features, const std::vector<int32_t>& labels,
                   const RegionGrid& grid, bool mean) {
  const int64_t num_counts = grid.num_clips * grid.num_regions;
  Result result{std::vector<float>(num_counts * grid.num_channels, -7.0f),
                std::vector<int64_t>(num_counts, -7)};
  std::vector<int64_t> work(region_pool_work_words(grid), -7);
  launch_region_pool(features.data(), labels.data(), grid, mean, result.pooled.data(), result.counts.data(),
                     work.data(), nullptr);
  return result;
}

int64_t nearest(int64_t point, int64_t size, int64_t finer) { return point * size / finer; }

bool agrees(const std::vector<float>& features, const std::vector<int32_t>& labels, const RegionGrid& grid,
            bool mean, const Result& result) {
  const int64_t channels = grid.num_channels, regions = grid.num_regions;
  std::vector<double> sums(result.pooled.size());
  std::vector<int64_t> counts(result.counts.size());
  int64_t finer[3];
  for (int axis = 0; axis < 3; ++axis) finer[axis] = std::max(grid.cells[axis], grid.voxels[axis]);
  for (int64_t n = 0; n < grid.num_clips; ++n) {
    for (int64_t t = 0; t < finer[0]; ++t) {
      for (int64_t y = 0; y < finer[1]; ++y) {
        for (int64_t x = 0; x < finer[2]; ++x) {
          const auto index = [&](const int64_t size[3]) {
            return (nearest(t, size[0], finer[0]) * size[1] + nearest(y, size[1], finer[1])) * size[2] +
                   nearest(x, size[2], finer[2]);
          };
          for (int64_t map = 0; map < grid.num_maps; ++map) {
            const int32_t region = labels[(n * grid.num_maps + map) * grid.num_voxels() + index(grid.voxels)];
            if (region < 0 || region >= regions) continue;
            ++counts[n * regions + region];
            for (int64_t c = 0; c < channels; ++c) {
              sums[(n * regions + region) * channels + c] +=
                  features[(n * channels + c) * grid.num_cells() + index(grid.cells)];
            }
          }
        }
      }
    }
  }
  if (counts != result.counts) return false;
  for (size_t i = 0; i < sums.size(); ++i) {
    const int64_t count = counts[i / channels];
    const double right = mean && count > 0 ? sums[i] / static_cast<double>(count) : sums[i];
    const double found = result.pooled[i];
    const double off = 1e-6 * (std::abs(right) + 10.0 * static_cast<double>(mean ? 1 : count));
    const bool same = std::isnan(right)   ? std::isnan(found)
                      : std::isinf(right) ? found == right
                                          : std::abs(found - right) <= off;
    if (!same) {
      std::printf("value %zu: %g instead of %g\n", i, found, right);
      return false;
    }
  }
  return true;
}

}  // namespace

int main() {
  std::mt19937 random(0);
  const auto pick = [&](std::initializer_list<int64_t> values) {
    return values.begin()[random() % values.size()];
  };
  const float odd[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                       -std::numeric_limits<float>::infinity()};
  for (int trial = 0; trial < 60; ++trial) {
    RegionGrid grid{
        pick({0, 1, 2, 3}), pick({0, 1, 3, 5}), pick({1, 1, 2, 3}), pick({0, 1, 2, 7, 300}), {}, {}};
    for (int axis = 0; axis < 3; ++axis) {
      grid.cells[axis] = pick({1, 2, 3, 7, 8});
      grid.voxels[axis] = pick({1, 2, 4, 5, 13});
    }
    std::vector<float> features(grid.num_clips * grid.num_channels * grid.num_cells());
    std::vector<int32_t> labels(grid.num_clips * grid.num_maps * grid.num_voxels());
    std::normal_distribution<float> normal;
    for (float& value : features) value = normal(random);
    if (trial % 4 == 0 && !features.empty()) features[random() % features.size()] = odd[trial / 4 % 3];
    for (int32_t& label : labels) label = static_cast<int32_t>(random() % (grid.num_regions + 3)) - 1;
    for (const bool mean : {false, true}) {
      const Result result = run_kernels(features, labels, grid, mean);
      if (!agrees(features, labels, grid, mean, result)) {
        std::printf("trial %d\n", trial);
        return 1;
      }
    }
  }
  return 0;
}
