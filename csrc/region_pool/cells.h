// Which regions lie in each cell of the feature grid, and how many points of each.
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

// The regions of all cells of one clip, as stretches; those of chunk i are first_of_chunk[i] to
// first_of_chunk[i + 1].
struct CellRegions {
  std::vector<Stretch> stretches;
  std::vector<int64_t> first_of_chunk;
};

CellRegions find_cell_regions(const int32_t* clip_labels, const RegionPoolShape& shape);

}  // namespace ace3d
