// The pieces of a clip, slab by slab: found once, used for every block of channels.
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
    return {first_cell_,
            num_cells_,
            static_cast<int64_t>(slabs_.size()),
            static_cast<int64_t>(regions_.size()),
            slabs_.data(),
            pieces_.data(),
            points_.empty() ? nullptr : points_.data(),
            regions_.data()};
  }

  void add_to_counts(int64_t* counts) const {
    for (size_t i = 0; i < regions_.size(); ++i) counts[regions_[i]] += num_points_[i];
  }

 private:
  friend class PartBuilder;
  void clear(int64_t first_cell, int64_t num_cells) {
    first_cell_ = first_cell;
    num_cells_ = num_cells;
    slabs_.clear();
    pieces_.clear();
    points_.clear();
    regions_.clear();
    num_points_.clear();
  }

  int64_t first_cell_ = 0, num_cells_ = 0;
  std::vector<Slab> slabs_;
  std::vector<Piece> pieces_;
  std::vector<float> points_;        // of each piece; empty where all grids are equal: one a cell
  std::vector<int32_t> regions_;     // of the clip, for each region of the part
  std::vector<int64_t> num_points_;  // of each region of the part
};

// The parts of every clip, in the order of the cells.
std::vector<std::vector<Part>> find_slabs(const int32_t* labels, const RegionPoolShape& shape);

}  // namespace ace3d
