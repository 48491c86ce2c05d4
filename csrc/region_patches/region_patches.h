// Regions of a clip cut out: everything else filled, cropped to a box, enlarged to the size of a network's
// input and normalised.
//
//   frames   [T, H, W, 3]
//   labels   [S, T, H, W]: a voxel is shown where any map holds the region
//   patches  [num_patches, T', H', W', 3]
//
// A frame of a patch is resized as Pillow and torch resize bytes (bicubic of a = -0.5, widened where it
// shrinks): along x, rounded to bytes, then along y, rounded again; weights are 16-bit integers (bicubic.h).
// A value p of channel c then becomes p * scale[c] - shift[c], each of the two rounded to float.
#pragma once

#include <cstdint>

#include "common/volume.h"

namespace ace3d {

// What a patch shows: T' frames from `start` on, in rows [top, bottom) and columns [left, right).
struct RegionBox {
  int32_t region;
  int32_t start, top, bottom, left, right;
};

struct RegionPatchesShape {
  VolumeShape clip;
  int64_t num_maps;
  int64_t num_patches;
  VolumeShape patch;
};

// How a value is filled and normalised, by channel.
struct PixelScale {
  uint8_t fill;
  float scale[3], shift[3];
};

void region_patches_cpu(const uint8_t* frames, const int32_t* labels, const RegionPatchesShape& shape,
                        const RegionBox* boxes, const PixelScale& pixels, float* patches);

#if defined(ACE3D_WITH_CUDA)
// `boxes` is memory of the host, and read before this returns; `work` holds region_patches_work_bytes. Lines
// of the clip have at most kMaxPatchLine pixels.
inline constexpr int64_t kMaxPatchLine = 12288;
int64_t region_patches_work_bytes(const RegionPatchesShape& shape);
void launch_region_patches(const uint8_t* frames, const int32_t* labels, const RegionPatchesShape& shape,
                           const RegionBox* boxes, const PixelScale& pixels, float* patches, uint8_t* work,
                           void* stream);
#endif

}  // namespace ace3d
