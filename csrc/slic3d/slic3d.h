// 3D SLIC: k-means in (position, colour) where a centre only reaches a window around itself. No connectivity.
//
//   volume  [channels, depth, height, width], channels first
//   labels  [depth, height, width]: index of the centre, in the scan order of the seeds
//
// The same steps as scikit-image's core (SLIC of Achanta et al., TPAMI 2012):
//   - seeds at start + i * step along each axis, their colours 0;
//   - cost = ((dt^2 + dy^2) + dx^2) / max(step)^2 + sum_c (colour_c - centre_c)^2, colours divided by
//   `compactness`,
//     distances along an axis multiplied by `spacing`; the lowest cost wins, then the lowest centre;
//   - a centre reaches the voxels from trunc(max(c - 2 window, 0)) to trunc(min(c + 2 window + 1, size));
//   - a voxel that no centre reaches keeps its label; a centre without voxels is dead from then on.
//
// slic3d_exact_cpu does them in scan order and in T: equal to scikit-image, bit for bit, for T = double. It
// is one serial job; callers run volumes and resolutions in parallel.
//
// slic3d_fast_cpu does them for up to kMaxFastChannels channels, for several resolutions of one volume (of
// the same compactness), in parallel within. It looks at the few centres that can win in each brick of 4 x 4
// x 4 voxels, and adds in fixed point: the same labels for any number of threads and any instruction set.
#pragma once

#include <cstdint>

#include "common/volume.h"

namespace ace3d {

struct SeedGrid {
  int64_t start[3], step[3];  // along T, H, W
  int64_t window[3];          // half of half the reach of a centre
};

struct SlicOptions {
  SeedGrid grid;
  double compactness;
  double spacing[3];
  int64_t num_iterations;
};

template <class T>
void slic3d_exact_cpu(const T* volume, int64_t channels, VolumeShape shape, const SlicOptions& options,
                      int32_t* labels);

// labels [num_maps, depth, height, width]
void slic3d_fast_cpu(const float* volume, int64_t channels, VolumeShape shape, const SlicOptions* options,
                     int64_t num_maps, int32_t* labels);

}  // namespace ace3d
