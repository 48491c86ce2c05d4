// Components by union-find, measured; those above the largest size cut.
#pragma once

#include "connectivity/pass.cuh"

namespace ace3d {

__device__ inline void unite(int32_t* parents, int32_t a, int32_t b) {
  while (true) {
    a = find(parents, a);
    b = find(parents, b);
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

// Each voxel becomes a child of the first of its run within the warp.
__global__ void start_kernel(Pass pass) {
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
__global__ void join_kernel(Pass pass) {
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

__global__ void measure_kernel(Pass pass) {
  const Volume volume(pass, static_cast<int>(blockIdx.x / pass.blocks));
  const int32_t voxel = own_voxel(pass);
  int32_t* components = volume.maps.components;
  int32_t component = kNoComponent;
  if (voxel < volume.num_voxels && components[voxel] != kNoComponent) {
    component = find(components, voxel);
    components[voxel] = component;
  }
  const unsigned heads = run_heads(component, false);
  const int lane = WarpTeam().rank();
  if ((heads >> lane & 1) == 0 || component < 0) return;
  const unsigned later = lane == 31 ? 0 : heads >> (lane + 1);
  atomicAdd(&volume.sizes[component], later == 0 ? kWarpThreads - lane : __ffs(static_cast<int>(later)));
}

// Cut a component into pieces, each grown from the first voxel left.
__device__ inline void cut(const BlockTeam& team, const Volume& volume, int32_t component) {
  __shared__ int32_t place;
  const int32_t size = volume.sizes[component];
  if (team.rank() == 0) place = atomicAdd(&volume.counters->cut_used, size);
  team.sync();
  int32_t* const queue = volume.queue + place;
  int32_t first = component;
  for (int32_t done = 0; done < size;) {
    const int32_t count = walk(team, volume.maps, first, component, ~first, volume.most, queue + done);
    if (team.rank() == 0) volume.sizes[first] = count;
    done += count;
    for (int32_t base = first + 1; done < size; base += BlockTeam::kSize) {
      const int32_t voxel = base + team.rank();
      const bool left = voxel < volume.num_voxels && volume.maps.components[voxel] == component;
      const uint64_t found = team.greatest(left ? static_cast<uint64_t>(INT32_MAX - voxel) + 1 : 0);
      if (found == 0) continue;
      first = static_cast<int32_t>(INT32_MAX - (found - 1));
      break;
    }
  }
  for (int32_t i = team.rank(); i < size; i += BlockTeam::kSize) {
    volume.maps.claims[queue[i]] = kUnclaimed;
    volume.maps.components[queue[i]] = ~volume.maps.components[queue[i]];
  }
  team.sync();
}

__global__ void cut_kernel(Pass pass) {
  const Volume volume(pass, static_cast<int>(blockIdx.x / pass.blocks));
  const int32_t voxel = own_voxel(pass);
  const bool large = volume.is_component(voxel) && volume.sizes[voxel] > volume.most;
  one_by_one(large, voxel, [&](int32_t component) { cut(BlockTeam(), volume, component); });
}

}  // namespace ace3d
