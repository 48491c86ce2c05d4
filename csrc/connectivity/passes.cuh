// Label maps taken in passes, so that the workspace stays small; nothing returns to the host.
#pragma once

#include <algorithm>

#include "common/volume.h"
#include "connectivity/pass.cuh"

namespace ace3d {

// Labels [num_clips, num_maps] volumes; num_labels alike.
struct LabelMaps {
  const int32_t* labels;
  int64_t num_clips, num_maps;
  VolumeShape shape;
  int32_t *out, *num_labels;
};

struct SizeLimits {
  int64_t least, most;
};

inline int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Clips of one pass, of `num_maps` maps each.
inline int64_t clips_per_pass(int64_t num_clips, int64_t num_maps, int64_t num_voxels) {
  return std::clamp<int64_t>(kPassVoxels / (num_maps * num_voxels), 1, std::max<int64_t>(num_clips, 1));
}

// Volumes of the largest pass.
inline int64_t volumes_per_pass(int64_t num_clips, int64_t num_maps, int64_t num_voxels) {
  const int64_t maps = std::min<int64_t>(num_maps, kMaxMaps);
  return num_clips == 0 ? 0 : clips_per_pass(num_clips, maps, num_voxels) * maps;
}

// 32-bit words of the workspace of `for_each_pass`.
inline int64_t words_of_passes(int64_t num_clips, int64_t num_maps, int64_t num_voxels, bool repair) {
  constexpr int64_t kCounterWords = sizeof(Counters) / sizeof(int32_t);
  const int64_t words = (repair ? 6 : 7) * num_voxels + divide_up(num_voxels, kTileVoxels) + kCounterWords;
  return volumes_per_pass(num_clips, num_maps, num_voxels) * words;
}

// Calls launch(pass, first clip, number of volumes); limits_of(map) are the sizes of that map.
template <class LimitsOf, class Launch>
void for_each_pass(const LabelMaps& maps, bool repair, const LimitsOf& limits_of, int32_t* work,
                   const Launch& launch) {
  const int64_t num_voxels = maps.shape.num_voxels();
  Pass pass{};
  pass.extent = {static_cast<int32_t>(maps.shape.depth), static_cast<int32_t>(maps.shape.height),
                 static_cast<int32_t>(maps.shape.width)};
  pass.stride = maps.num_maps * num_voxels;
  pass.labels_stride = maps.num_maps;
  pass.tiles = static_cast<int32_t>(divide_up(num_voxels, kTileVoxels));
  pass.blocks = static_cast<int32_t>(divide_up(num_voxels, kThreadsPerBlock));
  pass.repair = repair;
  for (int64_t map = 0; map < maps.num_maps; map += kMaxMaps) {
    pass.num_maps = static_cast<int32_t>(std::min<int64_t>(maps.num_maps - map, kMaxMaps));
    for (int32_t i = 0; i < pass.num_maps; ++i) {
      const SizeLimits limits = limits_of(map + i);
      pass.least[i] = static_cast<int32_t>(std::min<int64_t>(limits.least, INT32_MAX));
      pass.most[i] = static_cast<int32_t>(std::min<int64_t>(limits.most, INT32_MAX));
    }
    const int64_t step = clips_per_pass(maps.num_clips, pass.num_maps, num_voxels);
    for (int64_t clip = 0; clip < maps.num_clips; clip += step) {
      const int64_t num_jobs = std::min(step, maps.num_clips - clip) * pass.num_maps;
      const int64_t given = (clip * maps.num_maps + map) * num_voxels;
      pass.labels = maps.labels + given;
      pass.out = maps.out + given;
      pass.num_labels = maps.num_labels + clip * maps.num_maps + map;
      pass.counters = reinterpret_cast<Counters*>(work);
      int32_t* rest = work + num_jobs * static_cast<int64_t>(sizeof(Counters) / sizeof(int32_t));
      const auto take = [&] {
        int32_t* const part = rest;
        rest += num_jobs * num_voxels;
        return part;
      };
      for (int32_t** part :
           {&pass.components, &pass.claims, &pass.queue, &pass.sizes, &pass.firsts, &pass.places}) {
        *part = take();
      }
      // Of places the scan no longer has need, unless labels are as published.
      pass.ranks = pass.repair ? pass.places : take();
      pass.tile_counts = rest;
      launch(pass, clip, num_jobs);
    }
  }
}

}  // namespace ace3d
