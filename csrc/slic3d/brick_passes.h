// One pass over the bricks in parallel, and what both drivers make centres from.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "slic3d/brick_storage.h"
#include "slic3d/slic3d.h"

namespace ace3d {

// Centres as the bricks read them.
class CenterRows {
 public:
  CenterRows(int64_t num_centers, int64_t channels)
      : channels_(channels), rows_(num_centers * row_floats(channels)), windows_(8 * num_centers) {}

  // Centre k from t, y, x and colours as the bricks hold them; dead where t is NaN. Where it reaches is found
  // in T, as scikit-image does.
  template <class T>
  void set(int64_t k, const T* center, const int64_t window[3], VolumeShape shape) {
    float* row = rows_.data() + k * row_floats(channels_);
    for (int64_t f = 0; f < 3 + channels_; ++f) row[1 + f] = static_cast<float>(center[f]);
    const int64_t sizes[3] = {shape.depth, shape.height, shape.width};
    for (int axis = 0; axis < 3; ++axis) {
      float first = 0, end = 0;  // of a dead centre
      if (!std::isnan(center[0])) {
        const T reach = static_cast<T>(2 * window[axis]);
        first = static_cast<float>(std::trunc(std::max(center[axis] - reach, T(0))));
        end = static_cast<float>(
            std::trunc(std::min(center[axis] + reach + T(1), static_cast<T>(sizes[axis]))));
      }
      windows_[8 * k + axis] = first;
      windows_[8 * k + 3 + axis] = end;
    }
  }

  const float* rows() const { return rows_.data(); }
  const float* windows() const { return windows_.data(); }

 private:
  int64_t channels_;
  std::vector<float> rows_, windows_;
};

// What does not change from pass to pass. `labels` of the map are those of the task.
AssignTask assign_task(const BrickStorage& storage, const SlicOptions& options, const SlicMap& map);

// Assign all voxels; `first` is null but for an analytic first pass. Returns whether some voxel was reached
// by no centre.
bool assign_all(const AssignTask& task, const FirstLabels* first, int64_t* sums);

// t, y, x, colours 0 of the seeds of a grid, in scan order.
template <class T>
std::vector<T> seed_rows(VolumeShape shape, const SeedGrid& grid, int64_t channels) {
  std::vector<T> rows;
  for (int64_t t = grid.start[0]; t < shape.depth; t += grid.step[0]) {
    for (int64_t y = grid.start[1]; y < shape.height; y += grid.step[1]) {
      for (int64_t x = grid.start[2]; x < shape.width; x += grid.step[2]) {
        rows.insert(rows.end(), {static_cast<T>(t), static_cast<T>(y), static_cast<T>(x)});
        rows.resize(rows.size() + channels, T(0));
      }
    }
  }
  return rows;
}

// Where centres start: colours divided by the compactness.
template <class T>
std::vector<T> first_centers(VolumeShape shape, const SlicMap& map, int64_t channels, double compactness) {
  if (map.centers == nullptr) return seed_rows<T>(shape, map.grid, channels);
  const T scale = static_cast<T>(1.0 / compactness);
  std::vector<T> rows(map.num_centers * (3 + channels));
  for (int64_t i = 0; i < static_cast<int64_t>(rows.size()); ++i) {
    rows[i] = static_cast<T>(map.centers[i]) * (i % (3 + channels) < 3 ? T(1) : scale);
  }
  return rows;
}

// Write centres as the caller reads them: colours not divided.
template <class T>
void give_centers(const std::vector<T>& rows, int64_t channels, double compactness, const SlicMap& map) {
  if (map.moved_centers == nullptr) return;
  for (int64_t i = 0; i < static_cast<int64_t>(rows.size()); ++i) {
    map.moved_centers[i] = static_cast<double>(rows[i]) * (i % (3 + channels) < 3 ? 1.0 : compactness);
  }
}

}  // namespace ace3d
