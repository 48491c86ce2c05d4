// 3D SLIC: k-means in (position, colour) where a centre only reaches a window around itself. No connectivity.
//
//   volume  [channels, depth, height, width], channels first
//   mask    [depth, height, width], zero where a voxel takes no part; or null
//   labels  [depth, height, width]: index of the centre, -1 outside the mask
//
// The same steps as scikit-image's core (SLIC of Achanta et al., TPAMI 2012):
//   - centres start at start + i * step along each axis with colours 0, in scan order, or where they are
//   given;
//   - cost = ((dt^2 + dy^2) + dx^2) / spacing_of_centers^2 + sum_c (colour_c - centre_c)^2, colours divided
//   by
//     `compactness`, distances along an axis multiplied by `spacing`; the lowest cost wins, then the first
//     centre;
//   - a centre reaches the voxels from trunc(max(c - 2 window, 0)) to trunc(min(c + 2 window + 1, size));
//   - a voxel that no centre reaches keeps its label; a centre without voxels is dead from then on.
//
// slic3d_plain_cpu does them in scan order and in T: equal to scikit-image, bit for bit, given the same
// image. It alone knows `adapt_compactness` (SLICO): a centre's colour distances are divided by the largest
// one that a voxel of it has had. One serial job.
//
// slic3d_exact_cpu gives the labels of slic3d_plain_cpu, and slic3d_fast_cpu those but where float rounding
// decides, for several resolutions of one volume, in parallel within. Both look only at the centres that can
// win in a brick of 4 x 4 x 4 voxels; the fast one adds in whole numbers: the same labels for any number of
// threads and any instruction set.
#pragma once

#include <cstdint>

#include "color/color.h"
#include "common/volume.h"

namespace ace3d {

struct SeedGrid {
  int64_t start[3], step[3];  // along T, H, W
};

// What all resolutions of a volume share.
struct SlicOptions {
  double compactness;
  double spacing[3];
  int64_t num_iterations;
  bool adapt_compactness;
  bool settle_first;  // run once more before, without colours: centres spread out over a mask
};

// One resolution.
struct SlicMap {
  int64_t num_centers;
  SeedGrid grid;
  int64_t window[3];  // half of half the reach of a centre
  double spacing_of_centers;
  const double* centers;  // [num_centers, 3 + channels] t, y, x, colours; null: seeds on the grid
  double* moved_centers;  // of the same shape: where the centres of the labels' voxels are; or null
  int32_t* labels;
};

template <class T>
void slic3d_plain_cpu(const T* volume, const uint8_t* mask, int64_t channels, VolumeShape shape,
                      const SlicOptions& options, const SlicMap& map);

template <class T>
void slic3d_exact_cpu(const T* volume, const uint8_t* mask, int64_t channels, VolumeShape shape,
                      const SlicOptions& options, const SlicMap* maps, int64_t num_maps);

void slic3d_fast_cpu(const float* volume, const uint8_t* mask, int64_t channels, VolumeShape shape,
                     const SlicOptions& options, const SlicMap* maps, int64_t num_maps);

// From bytes [depth, height, width, 3] of RGB, through Lab.
void slic3d_bytes_cpu(const uint8_t* rgb, const LightTable& light, VolumeShape shape,
                      const SlicOptions& options, const SlicMap* maps, int64_t num_maps);

#if defined(ACE3D_WITH_CUDA)
// The labels of slic3d_fast_cpu and slic3d_bytes_cpu for clips one after the other; `maps` are those of the
// first clip, and the centres of all maps of a clip lie side by side:
//   labels  [clip, map, depth, height, width]     centers, moved_centers  [clip, centre, 3 + channels]
// `work` holds slic3d_work_bytes.
struct SlicClips {
  int64_t num_clips, channels;
  VolumeShape shape;
  const double* centers;
  double* moved_centers;
  int32_t* labels;
};

int64_t slic3d_work_bytes(const SlicClips& clips, const SlicMap* maps, int64_t num_maps);

void launch_slic3d(const float* volume, const uint8_t* mask, const SlicClips& clips,
                   const SlicOptions& options, const SlicMap* maps, int64_t num_maps, void* work,
                   void* stream);

void launch_slic3d_bytes(const uint8_t* frames, const LightTable* tables, const SlicClips& clips,
                         const SlicOptions& options, const SlicMap* maps, int64_t num_maps, void* work,
                         void* stream);
#endif

}  // namespace ace3d
