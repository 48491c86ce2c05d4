// How many voxels each pair of regions of two label maps shares.
//
//   a, b    [num_voxels], background outside [0, num_a) and [0, num_b)
//   counts  [num_a, num_b], added to: the caller zeroes it
#pragma once

#include <cstdint>

namespace ace3d {

void region_overlap_cpu(const int32_t* a, const int32_t* b, int64_t num_voxels, int64_t num_a, int64_t num_b,
                        int64_t* counts);

#if defined(ACE3D_WITH_CUDA)
// All clips at once: a, b [num_clips, num_voxels], counts [num_clips, num_a, num_b].
void launch_region_overlap(const int32_t* a, const int32_t* b, int64_t num_clips, int64_t num_voxels,
                           int64_t num_a, int64_t num_b, int64_t* counts, void* stream);
#endif

}  // namespace ace3d
