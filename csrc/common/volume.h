// The shape of a volume: T, H, W.
#pragma once

#include <cstdint>

#include "common/host_device.h"

namespace ace3d {

struct VolumeShape {
  int64_t depth, height, width;
  ACE3D_HOST_DEVICE int64_t num_voxels() const { return depth * height * width; }
};

}  // namespace ace3d
