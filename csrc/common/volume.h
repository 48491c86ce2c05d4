// The shape of a volume: T, H, W.
#pragma once

#include <cstdint>

namespace ace3d {

struct VolumeShape {
  int64_t depth, height, width;
  int64_t num_voxels() const { return depth * height * width; }
};

}  // namespace ace3d
