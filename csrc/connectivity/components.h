// Connected components of a label map, found from runs of equal labels along x.
#pragma once

#include <cstdint>
#include <vector>

#include "common/volume.h"

namespace ace3d {

inline constexpr int32_t kBackground = INT32_MIN;

// Components are numbered in scan order of their first voxels. Voxels of negative labels belong to none; the
// component of their runs is kBackground. Runs are in scan order and end with their row.
struct Components {
  std::vector<int32_t> run_begins;      // [num_runs + 1] first voxel of each run, then the number of voxels
  std::vector<int32_t> run_components;  // [num_runs]
  std::vector<int32_t> row_runs;        // [num_rows + 1] first run of each row, then the number of runs
  std::vector<int32_t> sizes;           // [num_components], in voxels
  std::vector<int32_t> first_voxels;    // [num_components]

  int64_t num_rows() const { return static_cast<int64_t>(row_runs.size()) - 1; }
  int32_t num_components() const { return static_cast<int32_t>(sizes.size()); }
};

// Of at most 2^31 - 1 voxels.
Components find_components(const int32_t* labels, VolumeShape shape);

// Number the components of runs, so far any numbers below `num_numbers`, in scan order of their first voxels,
// and find their sizes and first voxels.
void number_components(Components& components, int32_t num_numbers);

// Fill `out` [num_voxels] with the component of each voxel.
void write_components(const Components& components, int32_t* out);

// Fill `out` [num_voxels] with the value of each voxel's component, `none` for background.
void write_values(const Components& components, const std::vector<int32_t>& values, int32_t none,
                  int32_t* out);

}  // namespace ace3d
