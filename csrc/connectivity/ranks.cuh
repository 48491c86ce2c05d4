// New labels: the ranks of the components that have one, in scan order.
#pragma once

#include "connectivity/pass.cuh"

namespace ace3d {

// Whether a component has a label of its own.
__device__ inline bool is_counted(const Volume& volume, int32_t voxel) {
  if (!volume.is_component(voxel)) return false;
  return volume.repair ? volume.firsts[voxel] == voxel : volume.is_region(voxel);
}

static __global__ void count_kernel(Pass pass) {
  const int tile = static_cast<int>(blockIdx.x % pass.tiles);
  const Volume volume(pass, static_cast<int>(blockIdx.x / pass.tiles));
  int count = 0;
  for (int32_t i = static_cast<int32_t>(threadIdx.x); i < kTileVoxels; i += kThreadsPerBlock) {
    count += static_cast<int>(is_counted(volume, tile * kTileVoxels + i));
  }
  int total = 0;
  BlockTeam().before(count, total);
  if (threadIdx.x == 0) volume.tile_counts[tile] = total;
}

// From the number in each tile to the number before it.
static __global__ void sum_tiles_kernel(Pass pass) {
  const Volume volume(pass, static_cast<int>(blockIdx.x));
  int sum = 0;
  for (int32_t base = 0; base < pass.tiles; base += kThreadsPerBlock) {
    const int32_t tile = base + static_cast<int32_t>(threadIdx.x);
    int total = 0;
    const int before = BlockTeam().before(tile < pass.tiles ? volume.tile_counts[tile] : 0, total);
    if (tile < pass.tiles) volume.tile_counts[tile] = sum + before;
    sum += total;
  }
  if (threadIdx.x == 0) *volume.num_labels = sum;
}

static __global__ void rank_kernel(Pass pass) {
  const int tile = static_cast<int>(blockIdx.x % pass.tiles);
  const Volume volume(pass, static_cast<int>(blockIdx.x / pass.tiles));
  int sum = volume.tile_counts[tile];
  for (int32_t base = tile * kTileVoxels; base < (tile + 1) * kTileVoxels; base += kThreadsPerBlock) {
    const int32_t voxel = base + static_cast<int32_t>(threadIdx.x);
    int total = 0;
    const int before = BlockTeam().before(static_cast<int>(is_counted(volume, voxel)), total);
    if (volume.is_component(voxel)) volume.ranks[voxel] = sum + before;
    sum += total;
  }
}

inline void launch_ranks(const Pass& pass, int64_t num_jobs, void* stream) {
  const int64_t tiles = num_jobs * pass.tiles;
  ACE3D_LAUNCH(count_kernel, tiles, 0, stream, pass);
  ACE3D_LAUNCH(sum_tiles_kernel, num_jobs, 0, stream, pass);
  ACE3D_LAUNCH(rank_kernel, tiles, 0, stream, pass);
}

static __global__ void write_kernel(Pass pass) {
  const Volume volume(pass, static_cast<int>(blockIdx.x / pass.blocks));
  const int32_t voxel = own_voxel(pass);
  if (voxel >= volume.num_voxels) return;
  const int32_t component = volume.maps.components[voxel];
  volume.out[voxel] = component < 0 ? -1 : volume.ranks[find(volume.firsts, component)];
}

}  // namespace ace3d
