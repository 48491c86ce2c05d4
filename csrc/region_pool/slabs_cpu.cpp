#include "region_pool/slabs.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/cpu.h"
#include "common/parallel.h"

namespace ace3d {
namespace {

constexpr int64_t kPartCells = 128 * kSlabCells;  // the longest chain of sums in float is of 128 pieces
constexpr int32_t kNone = -1;

// Number of cells -> place of that size.
constexpr std::array<uint8_t, kSlabCells + 1> place_of_sizes() {
  std::array<uint8_t, kSlabCells + 1> places{0, 0, 1, 2, 3};
  for (size_t size = 5; size < places.size(); ++size) places[size] = size <= 8 ? 4 : 5;
  return places;
}
constexpr std::array<uint8_t, kSlabCells + 1> kPlaceOfSize = place_of_sizes();

// Number of cells -> one in the byte of that size.
constexpr std::array<uint64_t, kSlabCells + 1> one_of_sizes() {
  std::array<uint64_t, kSlabCells + 1> ones{};
  for (size_t size = 1; size < ones.size(); ++size) ones[size] = uint64_t{1} << 8 * kPlaceOfSize[size];
  return ones;
}
constexpr std::array<uint64_t, kSlabCells + 1> kOneOfSize = one_of_sizes();

}  // namespace

// Builds the parts of a clip.
class PartBuilder {
 public:
  explicit PartBuilder(const RegionPoolShape& shape)
      : shape_(shape),
        equal_grids_(std::equal(shape.cells, shape.cells + 3, shape.voxels)),
        place_of_region_(shape.num_regions, kNone) {
    if (equal_grids_) return;
    for (int axis = 0; axis < 3; ++axis) {
      for (int64_t cell = 0; cell < shape.cells[axis]; ++cell) {
        labels_[axis].push_back(labels_of_cell(cell, shape.cells[axis], shape.voxels[axis]));
      }
    }
  }

  // Valid until the next call; its copies need no more memory than they fill.
  const Part& build(const int32_t* clip_labels, int64_t first_cell, int64_t end_cell) {
    part_.clear(first_cell, end_cell - first_cell);
    runs_.clear();
    for (int64_t cell = first_cell; cell < end_cell; cell += kSlabCells) {
      const auto num_cells = static_cast<int32_t>(std::min(kSlabCells, end_cell - cell));
      num_unsorted_ = 0;
      std::fill_n(num_of_size_, kNumSizes, 0);
      equal_grids_ ? add_runs(clip_labels, cell, num_cells) : add_points(clip_labels, cell, num_cells);
      sort_pieces(num_cells);
    }
    for (const int32_t region : part_.regions_) place_of_region_[region] = kNone;
    return part_;
  }

 private:
  // Cells of a region that follow each other and hold as many of its points each, and the cell after them.
  struct Run {
    int32_t begin, last_cell;         // kNone: no cells
    int64_t num_points, num_in_last;  // in each cell from `begin` to before the last one; in the last one
  };

  // kNone for background.
  int32_t region_of(int32_t label, const MapRegions& regions) {
    if (label < 0 || label >= regions.count) return kNone;
    const auto region = static_cast<int32_t>(regions.first + label);
    int32_t& place = place_of_region_[region];
    if (place == kNone) {
      place = static_cast<int32_t>(part_.regions_.size());
      part_.regions_.push_back(region);
      part_.num_points_.push_back(0);
    }
    return place;
  }

  // The pieces of a slab where all grids are equal: of each run a multiple of four cells, and the rest.
  void add_runs(const int32_t* clip_labels, int64_t first_cell, int32_t num_cells) {
    for (int64_t map = 0; map < shape_.num_maps; ++map) {
      const int32_t* labels = clip_labels + map * shape_.num_cells() + first_cell;
      const MapRegions regions = shape_.maps[map];
      uint8_t starts[kSlabCells + 9];
      const int32_t num_runs = ACE3D_DISPATCH(find_runs, labels, num_cells, starts);
      starts[num_runs] = static_cast<uint8_t>(num_cells);
      if (unsorted_.size() < num_unsorted_ + 2 * kSlabCells) {
        unsorted_.resize(2 * (unsorted_.size() + kSlabCells));
      }
      Piece* to = unsorted_.data() + num_unsorted_;
      uint64_t num_of_size = 0;  // a byte each
      for (int32_t run = 0; run < num_runs; ++run) {
        const int32_t begin = starts[run], size = starts[run + 1] - begin;
        const int32_t rest = size % kQuad, whole = size - rest;
        const int32_t region = region_of(labels[begin], regions);
        if (region == kNone) continue;
        part_.num_points_[region] += size;
        *to = {region, begin, whole};
        to += whole != 0;
        *to = {region, begin + whole, rest};
        to += rest != 0;
        num_of_size += kOneOfSize[whole] + kOneOfSize[rest];
      }
      num_unsorted_ = to - unsorted_.data();
      for (int i = 0; i < kNumSizes; ++i) num_of_size_[i] += num_of_size >> 8 * i & 0xff;
    }
  }

  // Cells with as many points each.
  void add_run(int32_t region, int32_t begin, int32_t end, int64_t num_points) {
    const int32_t rest = (end - begin) % kQuad, whole = end - begin - rest;
    part_.num_points_[region] += (end - begin) * num_points;
    for (const auto& [first, size] : {std::pair{begin, whole}, std::pair{begin + whole, rest}}) {
      if (size == 0) continue;
      if (unsorted_.size() == num_unsorted_) {
        unsorted_.resize(2 * num_unsorted_ + kSlabCells);
        unsorted_points_.resize(unsorted_.size());
      }
      unsorted_[num_unsorted_] = {region, first, size};
      unsorted_points_[num_unsorted_++] = static_cast<float>(num_points);
      ++num_of_size_[kPlaceOfSize[size]];
    }
  }

  // Moves the pieces of a slab to the part.
  void sort_pieces(int32_t num_cells) {
    Slab slab{num_cells, {}};
    std::copy_n(num_of_size_, kNumSizes, slab.num_pieces);
    part_.slabs_.push_back(slab);
    const size_t first = part_.pieces_.size(), num_pieces = num_unsorted_;
    part_.pieces_.resize(first + num_pieces);
    if (!equal_grids_) part_.points_.resize(first + num_pieces);
    Piece *pieces = part_.pieces_.data() + first, *to[kNumSizes] = {pieces};
    for (int i = 1; i < kNumSizes; ++i) to[i] = to[i - 1] + num_of_size_[i - 1];
    for (size_t i = 0; i < num_pieces; ++i) {
      const Piece piece = unsorted_[i];
      Piece* at = to[kPlaceOfSize[piece.num_cells()]]++;
      *at = piece;
      if (!equal_grids_) part_.points_[first + (at - pieces)] = unsorted_points_[i];
    }
  }

  // The pieces of a slab on any grids.
  void add_points(const int32_t* clip_labels, int64_t first_cell, int32_t num_cells) {
    const int64_t width = shape_.cells[2], height = shape_.cells[1];
    for (int32_t i = 0; i < num_cells; ++i) {
      const int64_t cell = first_cell + i;
      const IndexRange ts = labels_[0][cell / (height * width)], ys = labels_[1][cell / width % height],
                       xs = labels_[2][cell % width];
      for (int64_t map = 0; map < shape_.num_maps; ++map) {
        for (int64_t t = ts.begin; t < ts.end; ++t) {
          for (int64_t y = ys.begin; y < ys.end; ++y) {
            const int32_t* labels =
                clip_labels + ((map * shape_.voxels[0] + t) * shape_.voxels[1] + y) * shape_.voxels[2];
            for (int64_t x = xs.begin; x < xs.end;) {
              const int64_t begin = x++;
              while (x < xs.end && labels[x] == labels[begin]) ++x;
              add_point(region_of(labels[begin], shape_.maps[map]), i, x - begin);
            }
          }
        }
      }
    }
    for (const int32_t region : touched_) {
      end_run(region);
      runs_[region].last_cell = kNone;
    }
    touched_.clear();
  }

  void add_point(int32_t region, int32_t cell, int64_t count) {
    if (region == kNone) return;
    runs_.resize(part_.regions_.size(), {kNone, kNone, 0, 0});
    Run& run = runs_[region];
    if (run.last_cell == cell) {
      run.num_in_last += count;
      return;
    }
    if (run.last_cell == kNone) {
      touched_.push_back(region);
      run.begin = cell;
    } else if (run.last_cell + 1 != cell) {
      end_run(region);
      run.begin = cell;
    } else {
      split_last(region);
      run.num_points = run.num_in_last;
    }
    run.last_cell = cell;
    run.num_in_last = count;
  }

  // Ends the run before its last cell, if that has another number of points.
  void split_last(int32_t region) {
    Run& run = runs_[region];
    if (run.begin == run.last_cell || run.num_in_last == run.num_points) return;
    add_run(region, run.begin, run.last_cell, run.num_points);
    run.begin = run.last_cell;
  }

  void end_run(int32_t region) {
    split_last(region);
    const Run& run = runs_[region];
    add_run(region, run.begin, run.last_cell + 1, run.num_in_last);
  }

  const RegionPoolShape& shape_;
  const bool equal_grids_;
  std::vector<int32_t> place_of_region_;  // in the part
  Part part_;

  // Of the slab that is being built.
  std::vector<Piece> unsorted_;
  std::vector<float> unsorted_points_;
  size_t num_unsorted_ = 0;
  int32_t num_of_size_[kNumSizes] = {};

  // Any grids.
  std::vector<IndexRange> labels_[3];  // of each index of an axis of the cells
  std::vector<Run> runs_;              // of each region of the part
  std::vector<int32_t> touched_;       // regions of the slab
};

std::vector<std::vector<Part>> find_slabs(const int32_t* labels, const RegionPoolShape& shape) {
  const int64_t num_cells = shape.num_cells(), parts_of_clip = (num_cells + kPartCells - 1) / kPartCells;
  std::vector<std::vector<Part>> clips(shape.num_clips);
  for (auto& parts : clips) parts.resize(parts_of_clip);
  parallel_for(0, shape.num_clips * parts_of_clip, 4, [&](int64_t begin, int64_t end) {
    PartBuilder builder(shape);
    for (int64_t job = begin; job < end; ++job) {
      const int64_t clip = job / parts_of_clip, first_cell = job % parts_of_clip * kPartCells;
      clips[clip][job % parts_of_clip] =
          builder.build(labels + clip * shape.num_maps * shape.num_voxels(), first_cell,
                        std::min(first_cell + kPartCells, num_cells));
    }
  });
  return clips;
}

}  // namespace ace3d
