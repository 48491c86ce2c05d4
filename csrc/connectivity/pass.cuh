// What the kernels of enforce_connectivity share: the volumes of a pass and their workspace.
#pragma once

#include <cstdint>

#include "common/team.cuh"
#include "connectivity/walk.cuh"

namespace ace3d {

inline constexpr int kMaxMaps = 64;
inline constexpr int kTileVoxels = 8 * kThreadsPerBlock;
inline constexpr int64_t kPassVoxels = int64_t{1} << 25;

struct Counters {
  int32_t cut_used, queue_used;  // of the queue
  int32_t first_lost, last_lost;
};

// The volumes of one pass: `num_maps` maps of each clip from `first_clip` on, `stride` voxels from one clip
// to the next.
struct Pass {
  Extent extent;
  int64_t stride;
  int32_t num_maps;
  int32_t tiles;          // of a volume
  int32_t blocks;         // of a volume, a voxel a thread
  const int32_t* labels;  // of the first volume
  int32_t* out;
  int32_t* num_labels;
  int64_t labels_stride;  // of num_labels
  bool repair;
  int32_t least[kMaxMaps], most[kMaxMaps];
  // The workspace: [volume, voxel], then [volume, tile] and [volume].
  int32_t *components, *claims, *queue, *sizes, *firsts, *places, *ranks, *tile_counts;
  Counters* counters;
};

// What kernels see of one volume.
//   firsts   of components: one that comes before and has the same new label; itself where there is none
//   places   of small components: where its voxels begin in `queue`; of those that met none, the complement
struct Volume {
  Extent extent;
  WalkMaps maps;
  const int32_t* labels;
  int32_t *out, *num_labels, *queue, *sizes, *firsts, *places, *ranks, *tile_counts;
  Counters* counters;
  int32_t least, most, num_voxels;
  bool repair;

  __device__ Volume(const Pass& pass, int job)
      : extent(pass.extent), num_voxels(pass.extent.num_voxels()), repair(pass.repair) {
    const int clip = job / pass.num_maps, map = job % pass.num_maps;
    const int64_t given = clip * pass.stride + static_cast<int64_t>(map) * num_voxels;
    const int64_t own = static_cast<int64_t>(job) * num_voxels;
    maps = {pass.extent, pass.components + own, pass.claims + own};
    labels = pass.labels + given;
    out = pass.out + given;
    num_labels = pass.num_labels + clip * pass.labels_stride + map;
    queue = pass.queue + own;
    sizes = pass.sizes + own;
    firsts = pass.firsts + own;
    places = pass.places + own;
    ranks = pass.ranks + own;
    tile_counts = pass.tile_counts + static_cast<int64_t>(job) * pass.tiles;
    counters = pass.counters + job;
    least = pass.least[map];
    most = pass.most[map];
  }
  __device__ bool is_component(int32_t voxel) const {
    return voxel < num_voxels && maps.components[voxel] == voxel;
  }
  __device__ bool is_region(int32_t component) const { return sizes[component] >= least; }
  __device__ bool is_lost(int32_t component) const { return !is_region(component) && places[component] < 0; }
  // Where the voxels of a small component begin.
  __device__ const int32_t* walked(int32_t component) const {
    const int32_t place = places[component];
    return queue + (place < 0 ? ~place : place);
  }
};

__device__ inline int32_t find(const int32_t* parents, int32_t at) {
  while (parents[at] != at) at = parents[at];
  return at;
}

__device__ inline int32_t own_voxel(const Pass& pass) {
  return static_cast<int32_t>(blockIdx.x % pass.blocks) * kThreadsPerBlock +
         static_cast<int32_t>(threadIdx.x);
}

// Calls `take` with the voxels of this block, one after the other, of the threads that want that.
template <class Take>
__device__ void one_by_one(bool wanted, int32_t voxel, const Take& take) {
  __shared__ unsigned wants[kWarpsPerBlock];
  const unsigned lanes = __ballot_sync(kAllLanes, wanted);
  if (WarpTeam().rank() == 0) wants[threadIdx.x / kWarpThreads] = lanes;
  __syncthreads();
  for (int warp = 0; warp < kWarpsPerBlock; ++warp) {
    for (unsigned left = wants[warp]; left != 0; left &= left - 1) {
      const int thread = warp * kWarpThreads + __ffs(static_cast<int>(left)) - 1;
      take(voxel - static_cast<int32_t>(threadIdx.x) + thread);
    }
  }
}

}  // namespace ace3d
