// The nearest of some centres, for every point and each of several sets of centres: the step of k-means that
// costs.
//
//   points     [num_points, num_channels]
//   centers    [num_sets, num_centers, num_channels]
//   labels     [num_sets, num_points]  place of the nearest centre, the first of those that tie; -1 where no
//                                      distance is below infinity
//   distances  [num_sets, num_points]  its squared Euclidean distance
//
// A distance is one chain of fused multiply-adds in the order of the channels, on every device, so labels are
// the same bit for bit.
#pragma once

#include <cstdint>

namespace ace3d {

struct NearestShape {
  int64_t num_points, num_channels, num_sets, num_centers;
};

void nearest_centers_cpu(const float* points, const float* centers, const NearestShape& shape,
                         int32_t* labels, float* distances);

#if defined(ACE3D_WITH_CUDA)
int64_t nearest_centers_work_bytes(const NearestShape& shape);

void launch_nearest_centers(const float* points, const float* centers, const NearestShape& shape,
                            int32_t* labels, float* distances, void* work, void* stream);
#endif

}  // namespace ace3d
