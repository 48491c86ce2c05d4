// Sums of features over regions, and the gradient of that.
//
//   features  [N, C, cells]       cells = (T', H', W'), any grid
//   labels    [N, S, voxels]      voxels = (T, H, W), any grid; background outside [0, R)
//   sums      [N, R, C]           counts  [N, R]
//
// Along each axis both are read on the finer of the two grids: its point i belongs to index floor(i * size /
// finer) of either. A point counts once in each of the S maps. All results are written, none is read. Sums
// are added in a fixed order: the same for any number of threads.
#pragma once

#include <cstdint>

#include "common/host_device.h"

namespace ace3d {

struct RegionPoolShape {
  int64_t num_clips, num_channels, num_maps, num_regions;
  int64_t cells[3];   // T', H', W'
  int64_t voxels[3];  // T, H, W
  ACE3D_HOST_DEVICE int64_t num_cells() const { return cells[0] * cells[1] * cells[2]; }
  ACE3D_HOST_DEVICE int64_t num_voxels() const { return voxels[0] * voxels[1] * voxels[2]; }
};

template <class T>
void region_sums_cpu(const T* features, const int32_t* labels, const RegionPoolShape& shape, T* sums,
                     int64_t* counts);

// grad_features [N, C, cells] = sum over regions of (points of the region in the cell) * grad_sums [N, R, C].
template <class T>
void region_spread_cpu(const T* grad_sums, const int32_t* labels, const RegionPoolShape& shape,
                       T* grad_features);

#if defined(ACE3D_WITH_CUDA)
void launch_region_sums(const float* features, const int32_t* labels, const RegionPoolShape& shape,
                        float* sums, int64_t* counts, void* stream);
#endif

}  // namespace ace3d
