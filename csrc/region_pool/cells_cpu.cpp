#include <algorithm>

#include "region_pool/cells.h"

namespace ace3d {
namespace {

bool is_region(int32_t label, const MapRegions& regions) { return label >= 0 && label < regions.count; }

// One label a cell: stretches are runs of equal labels, map by map in each chunk.
CellRegions from_equal_grids(const int32_t* labels, const RegionPoolShape& shape) {
  CellRegions result;
  const int64_t num_cells = shape.num_cells();
  for (int64_t begin = 0; begin < num_cells; begin += kChunkCells) {
    const int64_t end = std::min(begin + kChunkCells, num_cells);
    result.first_of_chunk.push_back(static_cast<int64_t>(result.stretches.size()));
    for (int64_t map = 0; map < shape.num_maps; ++map) {
      const int32_t* of_map = labels + map * num_cells;
      for (int64_t cell = begin; cell < end;) {
        const int32_t label = of_map[cell];
        const int64_t first = cell++;
        while (cell < end && of_map[cell] == label) ++cell;
        if (!is_region(label, shape.maps[map])) continue;
        const auto region = static_cast<int32_t>(label + shape.maps[map].first);
        result.stretches.push_back({static_cast<int32_t>(first), static_cast<int32_t>(cell), region, 1.0f});
      }
    }
  }
  result.first_of_chunk.push_back(static_cast<int64_t>(result.stretches.size()));
  return result;
}

// Adds the labels of one cell to the stretches from `first` on, one for each region of the cell.
class CellCounter {
 public:
  explicit CellCounter(std::vector<Stretch>& stretches) : stretches_(stretches) {}

  void enter(int64_t cell) {
    cell_ = static_cast<int32_t>(cell);
    first_ = stretches_.size();
  }
  void add_row(const int32_t* labels, int64_t count, const MapRegions& regions) {
    for (int64_t i = 0; i < count;) {
      const int32_t label = labels[i];
      const int64_t begin = i++;
      while (i < count && labels[i] == label) ++i;
      if (is_region(label, regions)) add(static_cast<int32_t>(label + regions.first), i - begin);
    }
  }

 private:
  void add(int32_t region, int64_t points) {
    size_t at = stretches_.size();
    while (at > first_ && stretches_[at - 1].region != region) --at;
    if (at == first_) {
      stretches_.push_back({cell_, cell_ + 1, region, static_cast<float>(points)});
    } else {
      stretches_[at - 1].points += static_cast<float>(points);
    }
  }

  std::vector<Stretch>& stretches_;
  int32_t cell_ = 0;
  size_t first_ = 0;
};

CellRegions from_any_grids(const int32_t* labels, const RegionPoolShape& shape) {
  std::vector<IndexRange> ranges[3];
  for (int axis = 0; axis < 3; ++axis) {
    for (int64_t cell = 0; cell < shape.cells[axis]; ++cell) {
      ranges[axis].push_back(labels_of_cell(cell, shape.cells[axis], shape.voxels[axis]));
    }
  }
  CellRegions result;
  CellCounter counter(result.stretches);
  int64_t cell = 0;
  for (const IndexRange& ts : ranges[0]) {
    for (const IndexRange& ys : ranges[1]) {
      for (const IndexRange& xs : ranges[2]) {
        if (cell % kChunkCells == 0) {
          result.first_of_chunk.push_back(static_cast<int64_t>(result.stretches.size()));
        }
        counter.enter(cell++);
        for (int64_t map = 0; map < shape.num_maps; ++map) {
          for (int64_t t = ts.begin; t < ts.end; ++t) {
            for (int64_t y = ys.begin; y < ys.end; ++y) {
              const int64_t row = (map * shape.voxels[0] + t) * shape.voxels[1] + y;
              counter.add_row(labels + row * shape.voxels[2] + xs.begin, xs.end - xs.begin, shape.maps[map]);
            }
          }
        }
      }
    }
  }
  result.first_of_chunk.push_back(static_cast<int64_t>(result.stretches.size()));
  return result;
}

}  // namespace

CellRegions find_cell_regions(const int32_t* clip_labels, const RegionPoolShape& shape) {
  const bool equal = std::equal(shape.cells, shape.cells + 3, shape.voxels);
  return equal ? from_equal_grids(clip_labels, shape) : from_any_grids(clip_labels, shape);
}

}  // namespace ace3d
