// The cells of a clip sorted by region, slab by slab: found once, used for every block of channels.
#pragma once

#include <cstdint>
#include <vector>

#include "region_pool/region_pool.h"
#include "region_pool/region_pool_simd.h"

namespace ace3d {

struct IndexRange {
  int64_t begin, end;
};

// Label indices of the points in cell `cell` of an axis of `num_cells` cells and `num_voxels` labels.
inline IndexRange labels_of_cell(int64_t cell, int64_t num_cells, int64_t num_voxels) {
  if (num_cells >= num_voxels) {  // the cells are the finer grid: one point a cell
    const int64_t voxel = cell * num_voxels / num_cells;
    return {voxel, voxel + 1};
  }
  const auto first_point = [&](int64_t c) { return (c * num_voxels + num_cells - 1) / num_cells; };
  return {first_point(cell), first_point(cell + 1)};
}

// The slabs of one part of a clip.
class Part {
 public:
  Slabs slabs() const {
    const float* points = points_.empty() ? nullptr : points_.data();
    return {first_cell_, static_cast<int64_t>(sizes_.size()), sizes_.data(), groups_.data(), cells_.data(),
            points};
  }

  void add_to_counts(int64_t* counts) const {
    for (size_t i = 0; i < groups_.size(); ++i) {
      counts[groups_[i].region] += num_points_.empty() ? groups_[i].num_entries : num_points_[i];
    }
  }

 private:
  friend class SlabBuilder;
  void clear(int64_t first_cell) {
    first_cell_ = first_cell;
    sizes_.clear();
    groups_.clear();
    num_points_.clear();
    cells_.clear();
    points_.clear();
  }

  int64_t first_cell_ = 0;
  std::vector<SlabSize> sizes_;
  std::vector<Group> groups_;
  std::vector<int64_t> num_points_;  // of each group; empty where all grids are equal
  std::vector<uint8_t> cells_;       // of each entry
  std::vector<float> points_;        // of each entry; empty where all grids are equal: one each
};

// The parts of every clip, in the order of the cells.
std::vector<std::vector<Part>> find_slabs(const int32_t* labels, const RegionPoolShape& shape);

}  // namespace ace3d
