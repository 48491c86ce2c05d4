// Make every region connected: small parts join the neighbour of the nearest colour.
//
//   labels  [depth, height, width] in; out  [depth, height, width] new labels from 0 in scan order; may be
//   the same memory colors  [depth, height, width, channels]
//
// Components of at least `min_size` voxels start regions. Then, in rounds, each component that is left and
// touches a region of the rounds before joins the one it touches in the component whose mean colour is
// nearest to its own; on a tie, in the first such component in scan order. Components that this never
// reaches, because background cuts them off, do the same once those of them that touch none of them earlier
// in scan order have started regions. Voxels with a negative label become -1 and join nothing. Returns the
// number of new labels.
//
// Sums of colours are integers and every comparison is of values computed in one order: the result does not
// depend on the number of threads.
#pragma once

#include <cstdint>

#include "common/volume.h"

namespace ace3d {

int32_t connect_by_color_cpu(const int32_t* labels, const uint8_t* colors, int64_t channels,
                             VolumeShape shape, int64_t min_size, int32_t* out);

#if defined(ACE3D_WITH_CUDA)
// Labels [num_clips, num_maps] volumes of at most kMaxConnectedVoxels, colors [num_clips], num_labels
// [num_clips, num_maps], min_sizes [num_maps].
int64_t connect_by_color_work_bytes(int64_t num_clips, int64_t num_maps, int64_t channels, VolumeShape shape);
void launch_connect_by_color(const int32_t* labels, const uint8_t* colors, int64_t num_clips,
                             int64_t num_maps, int64_t channels, VolumeShape shape, const int64_t* min_sizes,
                             int32_t* out, int32_t* num_labels, uint8_t* work, void* stream);
#endif

}  // namespace ace3d
