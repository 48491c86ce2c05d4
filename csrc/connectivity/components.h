// Connected components of a label map, found from runs of equal labels along x.
#pragma once

#include <cstdint>
#include <vector>

#include "common/volume.h"

namespace ace3d {

inline constexpr int32_t kBackground = INT32_MIN;

// The component of each voxel, and of each component its size and first voxel in scan order. Components are
// numbered in the order of their first voxels. Voxels of negative labels belong to none.
struct Components {
  std::vector<int64_t> sizes, first_voxels;
};

// Fills `component_of` [num_voxels], kBackground where there is none.
Components find_components(const int32_t* labels, VolumeShape shape, int32_t* component_of);

}  // namespace ace3d
