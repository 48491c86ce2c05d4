// Make every region connected: scikit-image's rule, voxel for voxel.
//
//   labels  [depth, height, width] in; out  [depth, height, width] new labels from 0 in scan order; may be
//   the same memory
//
// Voxels are visited in scan order; each one without a new label starts a component, grown breadth first over
// 6-neighbours (+x -x +y -y +t -t) of the same label. A component stops growing at `max_size` voxels; what is
// left of it becomes another. One below `min_size` takes the new label of the last neighbour met that already
// had one. Where none had, scikit-image gives it the label that the next component gets as well, and goes on
// as if it had none (its issue 8295). With `repair` it starts a region of its own, and once all have labels
// such a region, in scan order of their first voxels, joins the first other region that it touches; labels
// then follow the scan order of what is left. Voxels with a negative label become -1 and join nothing.
// Returns the number of new labels.
#pragma once

#include <cstdint>

#include "common/volume.h"

namespace ace3d {

struct ConnectivityOptions {
  int64_t min_size, max_size;
  bool repair;
};

int32_t enforce_connectivity_cpu(const int32_t* labels, VolumeShape shape, ConnectivityOptions options,
                                 int32_t* out);

#if defined(ACE3D_WITH_CUDA)
// Labels [num_clips, num_maps] volumes, num_labels alike; options [num_maps], all with or without `repair`.
// A volume has at most kMaxConnectedVoxels; `work` as many 32-bit words as connectivity_work_words says.
inline constexpr int64_t kMaxConnectedVoxels = INT32_MAX / 6 - 1;
int64_t connectivity_work_words(int64_t num_clips, int64_t num_maps, VolumeShape shape, bool repair);
void launch_enforce_connectivity(const int32_t* labels, int64_t num_clips, int64_t num_maps,
                                 VolumeShape shape, const ConnectivityOptions* options, int32_t* out,
                                 int32_t* num_labels, int32_t* work, void* stream);
#endif

}  // namespace ace3d
