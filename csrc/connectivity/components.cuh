// Components by union-find (Playne and Hawick 2018), measured.
#pragma once

#include "common/racing.cuh"
#include "connectivity/pass.cuh"

namespace ace3d {

// As find, while others join. A parent gives way to one that comes before it and has the same root in the
// end, so an old one leads there too; what is not the last word about a root, atomicMin tells.
__device__ inline int32_t find_meanwhile(const int32_t* parents, int32_t at) {
  while (true) {
    const int32_t parent = racing_read(&parents[at]);
    if (parent == at) return at;
    at = parent;
  }
}

__device__ inline void unite(int32_t* parents, int32_t a, int32_t b) {
  while (true) {
    a = find_meanwhile(parents, a);
    b = find_meanwhile(parents, b);
    if (a == b) return;
    const int32_t later = a > b ? a : b, earlier = a > b ? b : a;
    const int32_t before = atomicMin(&parents[later], earlier);
    if (before == later) return;
    a = before;  // another thread had joined `later` to something
    b = earlier;
  }
}

// Bits of the lanes at which runs of equal values begin, given each lane's.
__device__ inline unsigned run_heads(int32_t value, bool begins_row) {
  const int lane = WarpTeam().rank();
  const int32_t left = __shfl_sync(kAllLanes, value, (lane + kWarpThreads - 1) % kWarpThreads);
  return __ballot_sync(kAllLanes, lane == 0 || begins_row || left != value);
}

// Lanes of the run that begins at `lane`.
__device__ inline int run_length(unsigned heads, int lane) {
  const unsigned later = lane == kWarpThreads - 1 ? 0 : heads >> (lane + 1);
  return later == 0 ? kWarpThreads - lane : __ffs(static_cast<int>(later));
}

// Each voxel becomes a child of the first of its run within the warp.
static __global__ void start_kernel(Pass pass) {
  const Volume volume(pass, static_cast<int>(blockIdx.x / pass.blocks));
  const int32_t voxel = own_voxel(pass);
  if (voxel == 0) *volume.counters = {0, 0, INT32_MAX, -1};
  const int32_t label = voxel < volume.num_voxels ? volume.labels[voxel] : -1;
  const unsigned heads = run_heads(label, voxel % pass.extent.width == 0);
  if (voxel >= volume.num_voxels) return;
  const int lane = WarpTeam().rank();
  const int head = 31 - __clz(static_cast<int>(heads & (kAllLanes >> (31 - lane))));
  volume.maps.components[voxel] = label < 0 ? kNoComponent : voxel - (lane - head);
  volume.maps.claims[voxel] = kUnclaimed;
  volume.sizes[voxel] = 0;
}

// Join runs with those before them. Where the voxel to the left is joined to the same two, nothing is left to
// do.
static __global__ void join_kernel(Pass pass) {
  const Volume volume(pass, static_cast<int>(blockIdx.x / pass.blocks));
  const int32_t voxel = own_voxel(pass);
  if (voxel >= volume.num_voxels) return;
  const int32_t* labels = volume.labels + voxel;
  const int32_t label = labels[0], width = pass.extent.width, plane = pass.extent.plane();
  if (label < 0) return;
  const bool as_left = voxel % width > 0 && labels[-1] == label;
  if (as_left && WarpTeam().rank() == 0) unite(volume.maps.components, voxel, voxel - 1);
  if (voxel % plane >= width && labels[-width] == label && !(as_left && labels[-width - 1] == label)) {
    unite(volume.maps.components, voxel, voxel - width);
  }
  if (voxel >= plane && labels[-plane] == label && !(as_left && labels[-plane - 1] == label)) {
    unite(volume.maps.components, voxel, voxel - plane);
  }
}

static __global__ void measure_kernel(Pass pass) {
  const Volume volume(pass, static_cast<int>(blockIdx.x / pass.blocks));
  const int32_t voxel = own_voxel(pass);
  int32_t* components = volume.maps.components;
  int32_t component = kNoComponent;
  if (voxel < volume.num_voxels && components[voxel] != kNoComponent) {
    component = find_meanwhile(components, voxel);
    racing_write(&components[voxel], component);
  }
  const unsigned heads = run_heads(component, false);
  const int lane = WarpTeam().rank();
  if ((heads >> lane & 1) == 0 || component < 0) return;
  atomicAdd(&volume.sizes[component], run_length(heads, lane));
}

inline void launch_components(const Pass& pass, int64_t num_jobs, void* stream) {
  const int64_t blocks = num_jobs * pass.blocks;
  ACE3D_LAUNCH(start_kernel, blocks, 0, stream, pass);
  ACE3D_LAUNCH(join_kernel, blocks, 0, stream, pass);
  ACE3D_LAUNCH(measure_kernel, blocks, 0, stream, pass);
}

}  // namespace ace3d
