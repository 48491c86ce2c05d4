// What the components below the least size join.
#pragma once

#include "connectivity/pass.cuh"

namespace ace3d {

inline constexpr int kWarpVoxels = 512;  // a larger component is walked by a block

// Find what a small component joins.
template <class Team>
__device__ void settle(const Team& team, const Volume& volume, int32_t component, int32_t place) {
  int32_t* const queue = volume.queue + place;
  const int32_t count = walk(team, volume.maps, component, component, component, volume.most, queue);
  const int32_t met =
      last_met(team, volume.maps, component, count, volume.most, queue, [](int32_t) { return true; });
  if (team.rank() != 0) return;
  volume.firsts[component] = met < 0 ? component : met;
  volume.places[component] = met < 0 ? ~place : place;
  if (met >= 0) return;
  atomicMin(&volume.counters->first_lost, component);
  atomicMax(&volume.counters->last_lost, component);
}

__global__ void settle_kernel(Pass pass) {
  __shared__ int32_t block_place;
  const Volume volume(pass, static_cast<int>(blockIdx.x / pass.blocks));
  const int32_t voxel = own_voxel(pass);
  const bool component = volume.is_component(voxel), small = component && !volume.is_region(voxel);
  const int32_t size = small ? volume.sizes[voxel] : 0;
  if (component && !small) volume.firsts[voxel] = voxel;
  const WarpTeam warp;
  for (unsigned left = __ballot_sync(kAllLanes, small && size <= kWarpVoxels); left != 0; left &= left - 1) {
    const int lane = __ffs(static_cast<int>(left)) - 1;
    int32_t place = warp.rank() == lane ? atomicAdd(&volume.counters->queue_used, size) : 0;
    place = __shfl_sync(kAllLanes, place, lane);
    settle(warp, volume, voxel - warp.rank() + lane, place);
  }
  one_by_one(small && size > kWarpVoxels, voxel, [&](int32_t wide) {
    if (threadIdx.x == 0) block_place = atomicAdd(&volume.counters->queue_used, volume.sizes[wide]);
    __syncthreads();
    const int32_t place = block_place;
    __syncthreads();
    settle(BlockTeam(), volume, wide, place);
  });
}

// The first voxel in [begin, end) that `wanted` takes; `end` where there is none.
template <class Wanted>
__device__ int32_t next_voxel(int32_t begin, int32_t end, const Wanted& wanted) {
  const BlockTeam team;
  for (int32_t base = begin; base < end; base += BlockTeam::kSize) {
    const int32_t voxel = base + team.rank();
    const bool found = voxel < end && wanted(voxel);
    const uint64_t first = team.greatest(found ? static_cast<uint64_t>(INT32_MAX - voxel) + 1 : 0);
    if (first != 0) return static_cast<int32_t>(INT32_MAX - (first - 1));
  }
  return end;
}

// The components that joined one that met none, as lists: `claims` of each holds the next.
__global__ void list_kernel(Pass pass) {
  const Volume volume(pass, static_cast<int>(blockIdx.x / pass.blocks));
  const int32_t voxel = own_voxel(pass);
  if (volume.counters->last_lost < 0 || !volume.is_component(voxel) || volume.is_region(voxel)) return;
  const int32_t first = find(volume.firsts, voxel);
  if (first != voxel && volume.is_lost(first)) {
    volume.maps.claims[voxel] = atomicExch(&volume.maps.claims[first], voxel);
  }
}

// One that met none joins, with those that joined it, the first region that they touch.
__global__ void repair_kernel(Pass pass) {
  const Volume volume(pass, static_cast<int>(blockIdx.x));
  const BlockTeam team;
  const int32_t end = volume.counters->last_lost + 1;
  for (int32_t lost = volume.counters->first_lost; lost < end;) {
    const int32_t own = find(volume.firsts, lost);
    uint64_t touched = 0;
    for (int32_t member = lost; member != kFirstClaim; member = volume.maps.claims[member]) {
      const int32_t* const voxels = volume.walked(member);
      for (int32_t i = team.rank(); i < volume.sizes[member]; i += BlockTeam::kSize) {
        const Place place(pass.extent, voxels[i]);
        for (int side = 0; side < kSides; ++side) {
          const int32_t voxel = place.beside(side);
          if (voxel < 0 || volume.maps.components[voxel] < 0) continue;
          const int32_t region = find(volume.firsts, volume.maps.components[voxel]);
          const uint64_t order = static_cast<uint64_t>(INT32_MAX - region) + 1;
          if (region != own && order > touched) touched = order;
        }
      }
    }
    touched = team.greatest(touched);
    if (touched != 0 && team.rank() == 0) {
      const int32_t region = static_cast<int32_t>(INT32_MAX - (touched - 1));
      volume.firsts[region > own ? region : own] = region > own ? own : region;
    }
    team.sync();
    lost = next_voxel(lost + 1, end, [&](int32_t v) { return volume.is_component(v) && volume.is_lost(v); });
  }
}

// As published: one that met none gets the label that the next region gets, and until then does not count as
// a neighbour. `ranks` are known. So from each of them up to the next region, in order, components that would
// join such a one are asked again.
__global__ void publish_kernel(Pass pass) {
  const Volume volume(pass, static_cast<int>(blockIdx.x));
  const BlockTeam team;
  const int32_t end = volume.counters->last_lost + 1;
  int32_t lost = volume.counters->first_lost;
  while (lost < end) {
    const int32_t label = volume.ranks[lost];
    if (team.rank() == 0) atomicMax(volume.num_labels, label + 1);
    const auto waits = [&](int32_t component) {
      const int32_t first = find(volume.firsts, component);
      return !volume.is_region(first) && volume.ranks[first] == label;
    };
    int32_t at = lost;
    while (true) {
      at = next_voxel(at + 1, volume.num_voxels, [&](int32_t v) { return volume.is_component(v); });
      if (at == volume.num_voxels || volume.is_region(at)) break;
      const bool again = volume.firsts[at] != at && waits(volume.firsts[at]);
      team.sync();  // all have read `firsts`
      if (!again) continue;
      const int32_t met = last_met(team, volume.maps, at, volume.sizes[at], volume.most, volume.walked(at),
                                   [&](int32_t other) { return !waits(other); });
      if (team.rank() == 0) volume.firsts[at] = met < 0 ? at : met;
      team.sync();
    }
    lost = next_voxel(at + 1, end, [&](int32_t v) { return volume.is_component(v) && volume.is_lost(v); });
  }
}

}  // namespace ace3d
