// enforce_connectivity on the GPU: the labels of the CPU.
//
// A component is named by its first voxel. Components are found by union-find (Playne and Hawick 2018); those
// above the largest size are cut by a block each, the small ones are walked by a warp or a block each, and
// what a small one joins follows from its own walk alone. Only components that meet no neighbour before them
// depend on each other; they are rare (without background at most the first one of a volume), and one block
// takes them in order. New labels are ranks, from a scan over voxels.
//
// `queue` holds the voxels of small components in the order of their walks. Volumes are taken in passes, so
// that the workspace stays small; nothing returns to the host.
#include <algorithm>

#define ACE3D_WITH_CUDA
#include "connectivity/components.cuh"
#include "connectivity/connectivity.h"
#include "connectivity/pass.cuh"
#include "connectivity/small_components.cuh"

namespace ace3d {
namespace {

// Whether a component has a label of its own.
__device__ bool is_counted(const Volume& volume, int32_t voxel) {
  if (!volume.is_component(voxel)) return false;
  return volume.repair ? volume.firsts[voxel] == voxel : volume.is_region(voxel);
}

__global__ void count_kernel(Pass pass) {
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
__global__ void sum_tiles_kernel(Pass pass) {
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

__global__ void rank_kernel(Pass pass) {
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

__global__ void write_kernel(Pass pass) {
  const Volume volume(pass, static_cast<int>(blockIdx.x / pass.blocks));
  const int32_t voxel = own_voxel(pass);
  if (voxel >= volume.num_voxels) return;
  const int32_t component = volume.maps.components[voxel];
  volume.out[voxel] = component < 0 ? -1 : volume.ranks[find(volume.firsts, component)];
}

void launch_pass(const Pass& pass, int64_t num_jobs, void* stream) {
  const int64_t blocks = num_jobs * pass.blocks, tiles = num_jobs * pass.tiles;
  ACE3D_LAUNCH(start_kernel, blocks, 0, stream, pass);
  ACE3D_LAUNCH(join_kernel, blocks, 0, stream, pass);
  ACE3D_LAUNCH(measure_kernel, blocks, 0, stream, pass);
  ACE3D_LAUNCH(cut_kernel, blocks, 0, stream, pass);
  ACE3D_LAUNCH(settle_kernel, blocks, 0, stream, pass);
  if (pass.repair) {
    ACE3D_LAUNCH(list_kernel, blocks, 0, stream, pass);
    ACE3D_LAUNCH(repair_kernel, num_jobs, 0, stream, pass);
  }
  ACE3D_LAUNCH(count_kernel, tiles, 0, stream, pass);
  ACE3D_LAUNCH(sum_tiles_kernel, num_jobs, 0, stream, pass);
  ACE3D_LAUNCH(rank_kernel, tiles, 0, stream, pass);
  if (!pass.repair) ACE3D_LAUNCH(publish_kernel, num_jobs, 0, stream, pass);
  ACE3D_LAUNCH(write_kernel, blocks, 0, stream, pass);
}

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Volumes of one pass, of `num_maps` maps a clip.
int64_t clips_per_pass(int64_t num_clips, int64_t num_maps, int64_t num_voxels) {
  return std::clamp<int64_t>(kPassVoxels / (num_maps * num_voxels), 1, std::max<int64_t>(num_clips, 1));
}

int64_t words_per_volume(int64_t num_voxels, bool repair) {
  constexpr int64_t kCounterWords = sizeof(Counters) / sizeof(int32_t);
  return (repair ? 6 : 7) * num_voxels + divide_up(num_voxels, kTileVoxels) + kCounterWords;
}

}  // namespace

int64_t connectivity_work_words(int64_t num_clips, int64_t num_maps, VolumeShape shape, bool repair) {
  const int64_t num_voxels = shape.num_voxels(), maps = std::min<int64_t>(num_maps, kMaxMaps);
  if (num_clips == 0) return 0;
  return clips_per_pass(num_clips, maps, num_voxels) * maps * words_per_volume(num_voxels, repair);
}

void launch_enforce_connectivity(const int32_t* labels, int64_t num_clips, int64_t num_maps,
                                 VolumeShape shape, const ConnectivityOptions* options, int32_t* out,
                                 int32_t* num_labels, int32_t* work, void* stream) {
  const int64_t num_voxels = shape.num_voxels();
  Pass pass{};
  pass.extent = {static_cast<int32_t>(shape.depth), static_cast<int32_t>(shape.height),
                 static_cast<int32_t>(shape.width)};
  pass.stride = num_maps * num_voxels;
  pass.labels_stride = num_maps;
  pass.tiles = static_cast<int32_t>(divide_up(num_voxels, kTileVoxels));
  pass.blocks = static_cast<int32_t>(divide_up(num_voxels, kThreadsPerBlock));
  pass.repair = num_maps > 0 && options[0].repair;
  for (int64_t map = 0; map < num_maps; map += kMaxMaps) {
    pass.num_maps = static_cast<int32_t>(std::min<int64_t>(num_maps - map, kMaxMaps));
    for (int32_t i = 0; i < pass.num_maps; ++i) {
      const ConnectivityOptions& of_map = options[map + i];
      pass.least[i] = static_cast<int32_t>(std::min<int64_t>(of_map.min_size, INT32_MAX));
      pass.most[i] = static_cast<int32_t>(std::min<int64_t>(of_map.max_size, INT32_MAX));
    }
    const int64_t step = clips_per_pass(num_clips, pass.num_maps, num_voxels);
    for (int64_t clip = 0; clip < num_clips; clip += step) {
      const int64_t num_jobs = std::min(step, num_clips - clip) * pass.num_maps, all = num_jobs * num_voxels;
      const int64_t given = (clip * num_maps + map) * num_voxels;
      pass.labels = labels + given;
      pass.out = out + given;
      pass.num_labels = num_labels + clip * num_maps + map;
      pass.counters = reinterpret_cast<Counters*>(work);
      int32_t* rest = work + num_jobs * static_cast<int64_t>(sizeof(Counters) / sizeof(int32_t));
      for (int32_t** part :
           {&pass.components, &pass.claims, &pass.queue, &pass.sizes, &pass.firsts, &pass.places}) {
        *part = rest;
        rest += all;
      }
      pass.ranks = pass.places;  // which the scan no longer needs, unless labels are as published
      if (!pass.repair) {
        pass.ranks = rest;
        rest += all;
      }
      pass.tile_counts = rest;
      launch_pass(pass, num_jobs, stream);
    }
  }
}

}  // namespace ace3d
