#include "region_pool/slabs.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "common/cpu.h"
#include "common/parallel.h"

namespace ace3d {

constexpr int64_t kPartCells = 64 * kSlabCells;
constexpr int32_t kStep = 16;  // entries are written so many at a time

constexpr std::array<uint8_t, kSlabCells + kStep> cells_in_order() {
  std::array<uint8_t, kSlabCells + kStep> cells{};
  for (size_t i = 0; i < cells.size(); ++i) cells[i] = static_cast<uint8_t>(i);
  return cells;
}
constexpr std::array<uint8_t, kSlabCells + kStep> kCells = cells_in_order();

// Builds the slabs of a clip.
class SlabBuilder {
 public:
  explicit SlabBuilder(const RegionPoolShape& shape)
      : shape_(shape),
        equal_grids_(std::equal(shape.cells, shape.cells + 3, shape.voxels)),
        mixed_maps_(shape.num_maps > 1 && shape.maps[0].first == shape.maps[1].first),
        slot_of_region_(shape.num_regions, kNone) {
    if (equal_grids_) {
      row_entries_ = kSlabCells * (mixed_maps_ ? shape.num_maps : 1) + kStep;
      return;
    }
    for (int axis = 0; axis < 3; ++axis) {
      for (int64_t cell = 0; cell < shape.cells[axis]; ++cell) {
        labels_[axis].push_back(labels_of_cell(cell, shape.cells[axis], shape.voxels[axis]));
      }
    }
  }

  // Valid until the next call; its copies need no more memory than they fill.
  const Part& build(const int32_t* clip_labels, int64_t first_cell, int64_t end_cell) {
    part_.clear(first_cell);
    for (int64_t cell = first_cell; cell < end_cell; cell += kSlabCells) {
      const auto num_cells = static_cast<int32_t>(std::min(kSlabCells, end_cell - cell));
      const int32_t num_entries =
          equal_grids_ ? add_runs(clip_labels, cell, num_cells) : add_points(clip_labels, cell, num_cells);
      part_.sizes_.push_back({num_cells, static_cast<int32_t>(slots_.size()), num_entries});
      for (const Slot& slot : slots_) slot_of_region_[slot.region] = kNone;
      slots_.clear();
    }
    return part_;
  }

 private:
  static constexpr int32_t kNone = -1;

  // A region of the slab that is being built.
  struct Slot {
    int32_t region, num_entries;
    int64_t num_points, to;
    int32_t last_cell;
  };

  static int32_t padded(int32_t num_entries) { return (num_entries + kQuad - 1) / kQuad * kQuad; }

  // kNone for background.
  int32_t slot_of(int32_t label, const MapRegions& regions) {
    if (label < 0 || label >= regions.count) return kNone;
    const auto region = static_cast<int32_t>(regions.first + label);
    int32_t& slot = slot_of_region_[region];
    if (slot == kNone) {
      slot = static_cast<int32_t>(slots_.size());
      slots_.push_back({region, 0, 0, 0, kNone});
    }
    return slot;
  }

  // Writes the entries of a slab to the part, where all grids are equal; returns their number. Each region
  // first collects its runs of equal labels in a row of its own.
  int32_t add_runs(const int32_t* clip_labels, int64_t first_cell, int32_t num_cells) {
    for (int64_t map = 0; map < shape_.num_maps; ++map) {
      const int32_t* labels = clip_labels + map * shape_.num_cells() + first_cell;
      uint64_t starts[(kSlabCells + 63) / 64];
      ACE3D_DISPATCH(find_run_starts, labels, num_cells, starts);
      int32_t begin = 0;
      for (int32_t word = 0; word * 64 < num_cells; ++word) {
        for (uint64_t left = starts[word]; left != 0; left &= left - 1) {
          const int32_t cell = word * 64 + std::countr_zero(left);
          if (cell > begin) add_run(labels[begin], shape_.maps[map], begin, cell);
          begin = cell;
        }
      }
      add_run(labels[begin], shape_.maps[map], begin, num_cells);
    }
    int32_t num_entries = 0;
    order_slots();
    for (const int32_t index : order_) {
      Slot& slot = slots_[index];
      part_.groups_.push_back({slot.region, slot.num_entries});
      slot.to = num_entries;
      num_entries += padded(slot.num_entries);
    }
    const size_t first_entry = part_.cells_.size();
    part_.cells_.resize(first_entry + num_entries + kStep);
    for (const int32_t index : order_) {  // ascending: what is written beyond a row is overwritten later
      const Slot& slot = slots_[index];
      uint8_t* row = rows_.data() + index * row_entries_;
      if (mixed_maps_) std::sort(row, row + slot.num_entries);
      uint8_t* to = part_.cells_.data() + first_entry + slot.to;
      for (int32_t i = 0; i < slot.num_entries; i += kStep) std::memcpy(to + i, row + i, kStep);
      std::memset(to + slot.num_entries, kNoCell, kQuad);
    }
    part_.cells_.resize(first_entry + num_entries);
    return num_entries;
  }

  void add_run(int32_t label, const MapRegions& regions, int32_t begin, int32_t end) {
    const int32_t index = slot_of(label, regions);
    if (index == kNone) return;
    const auto rows_end = static_cast<size_t>((index + 1) * row_entries_);
    if (rows_.size() < rows_end) rows_.resize(rows_end);
    Slot& slot = slots_[index];
    uint8_t* to = rows_.data() + index * row_entries_ + slot.num_entries;
    for (int32_t cell = begin; cell < end; cell += kStep, to += kStep) {
      std::memcpy(to, kCells.data() + cell, kStep);
    }
    slot.num_entries += end - begin;
  }

  // Groups of one quad first, then those of two: loops over groups of one size are predictable.
  void order_slots() {
    const size_t num_slots = slots_.size();
    order_.resize(num_slots + 1);
    others_.resize(2 * num_slots + 2);
    int32_t* ends[3] = {order_.data(), others_.data(), others_.data() + num_slots + 1};
    for (size_t i = 0; i < num_slots; ++i) {
      const int32_t num_entries = slots_[i].num_entries;
      for (int32_t* end : ends) *end = static_cast<int32_t>(i);
      ends[0] += num_entries <= kQuad;
      ends[1] += num_entries > kQuad && num_entries <= 2 * kQuad;
      ends[2] += num_entries > 2 * kQuad;
    }
    int32_t* to = std::copy(others_.data(), ends[1], ends[0]);
    std::copy(others_.data() + num_slots + 1, ends[2], to);
    order_.resize(num_slots);
  }

  // Writes the entries of a slab to the part, on any grids; returns their number.
  int32_t add_points(const int32_t* clip_labels, int64_t first_cell, int32_t num_cells) {
    points_.clear();
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
              add_point(slot_of(labels[begin], shape_.maps[map]), i, x - begin);
            }
          }
        }
      }
    }
    int32_t num_entries = 0;
    const size_t first_entry = part_.cells_.size();
    for (Slot& slot : slots_) {
      part_.groups_.push_back({slot.region, slot.num_entries});
      part_.num_points_.push_back(slot.num_points);
      slot.to = num_entries;
      num_entries += padded(slot.num_entries);
    }
    part_.cells_.resize(first_entry + num_entries, kNoCell);
    part_.points_.resize(first_entry + num_entries, 0.0f);
    for (const CellPoints& points : points_) {
      const size_t to = first_entry + slots_[points.slot].to++;
      part_.cells_[to] = static_cast<uint8_t>(points.cell);
      part_.points_[to] = static_cast<float>(points.count);
    }
    return num_entries;
  }

  void add_point(int32_t index, int32_t cell, int64_t count) {
    if (index == kNone) return;
    Slot& slot = slots_[index];
    slot.num_points += count;
    if (slot.last_cell == cell) {
      points_[slot.to].count += count;
      return;
    }
    slot.last_cell = cell;
    slot.to = static_cast<int64_t>(points_.size());
    ++slot.num_entries;
    points_.push_back({index, cell, count});
  }

  const RegionPoolShape& shape_;
  const bool equal_grids_, mixed_maps_;  // mixed: a region may lie in several maps
  std::vector<int32_t> slot_of_region_;
  std::vector<Slot> slots_;
  Part part_;

  // Equal grids.
  int64_t row_entries_ = 0;
  std::vector<uint8_t> rows_;  // of each slot
  std::vector<int32_t> order_, others_;

  // Any grids.
  struct CellPoints {
    int32_t slot, cell;
    int64_t count;
  };
  std::vector<IndexRange> labels_[3];  // of each index of an axis of the cells
  std::vector<CellPoints> points_;
};

std::vector<std::vector<Part>> find_slabs(const int32_t* labels, const RegionPoolShape& shape) {
  const int64_t num_cells = shape.num_cells(), parts_of_clip = (num_cells + kPartCells - 1) / kPartCells;
  std::vector<std::vector<Part>> clips(shape.num_clips);
  for (auto& parts : clips) parts.resize(parts_of_clip);
  parallel_for(0, shape.num_clips * parts_of_clip, 4, [&](int64_t begin, int64_t end) {
    SlabBuilder builder(shape);
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
