// Components above the largest size, cut.
#pragma once

#include "connectivity/pass.cuh"

namespace ace3d {

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
    if (team.rank() == 0) racing_write(&volume.sizes[first], count);
    done += count;
    for (int32_t base = first + 1; done < size; base += BlockTeam::kSize) {
      const int32_t voxel = base + team.rank();
      const bool left = voxel < volume.num_voxels && racing_read(&volume.maps.components[voxel]) == component;
      const uint64_t found = team.greatest(left ? static_cast<uint64_t>(INT32_MAX - voxel) + 1 : 0);
      if (found == 0) continue;
      first = static_cast<int32_t>(INT32_MAX - (found - 1));
      break;
    }
  }
  for (int32_t i = team.rank(); i < size; i += BlockTeam::kSize) {
    volume.maps.claims[queue[i]] = kUnclaimed;
    int32_t* const piece = &volume.maps.components[queue[i]];
    racing_write(piece, ~*piece);
  }
  team.sync();
}

__global__ void cut_kernel(Pass pass) {
  const Volume volume(pass, static_cast<int>(blockIdx.x / pass.blocks));
  const int32_t voxel = own_voxel(pass);
  // What other blocks have cut by now is never too large, whether its size is there yet or is still 0.
  const bool large = voxel < volume.num_voxels && racing_read(&volume.maps.components[voxel]) == voxel &&
                     racing_read(&volume.sizes[voxel]) > volume.most;
  one_by_one(large, voxel, [&](int32_t component) { cut(BlockTeam(), volume, component); });
}

}  // namespace ace3d
