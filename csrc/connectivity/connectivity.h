// Make every region connected: scikit-image's rule, voxel for voxel.
//
//   labels  [depth, height, width] in; out  [depth, height, width] new labels from 0 in scan order
//
// Voxels are visited in scan order; each one without a new label starts a component, grown breadth first over
// 6-neighbours (+x -x +y -y +t -t) of the same label. A component stops growing at `max_size` voxels; what is
// left of it becomes another. One below `min_size` takes the new label of the last neighbour met that already
// had one, or 0 where there was none. Voxels with a negative label stay -1 and join nothing. Returns the
// number of new labels.
#pragma once

#include <cstdint>

#include "common/volume.h"

namespace ace3d {

int32_t enforce_connectivity_cpu(const int32_t* labels, VolumeShape shape, int64_t min_size, int64_t max_size,
                                 int32_t* out);

}  // namespace ace3d
