// Which regions lie in which cells of the features, on the GPU: found once, used for every channel.
//
// Cells go in chunks. A chunk numbers the regions that lie in it from 0, in their order, so that their sums
// fit shared memory.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/team.cuh"
#define ACE3D_WITH_CUDA
#include "region_pool/region_pool.h"

namespace ace3d {

inline constexpr int kTileCells = 32;
inline constexpr int kGroupChannels = kWarpThreads;

struct PoolGrid {
  int64_t num_cells, num_voxels;
  int32_t num_clips;  // of one pass
  int32_t num_channels, num_maps, num_regions;
  int32_t cells[3], voxels[3];
  int32_t firsts[kMaxCudaPoolMaps], counts[kMaxCudaPoolMaps];  // regions of the maps
  bool single;                                                 // one label a cell and map
  int32_t slots;                                               // entries a cell has room for
  int32_t chunk_cells, num_chunks, num_words, num_groups;

  ACE3D_HOST_DEVICE int64_t chunk_at(int64_t clip, int64_t chunk) const { return clip * num_chunks + chunk; }
};

// Entries of cells: slot s of a cell holds a region and its points in the cell. Without `points`, slots are
// maps and -1 is background; with them, -1 ends the entries of a cell.
struct CellMaps {
  int32_t* regions;   // [clip, slot, cell]
  int32_t* points;    // likewise, or null: 1 each
  uint32_t* present;  // [clip, chunk, word]: bit r, whether region r lies in the chunk
  int32_t* before;    // [clip, chunk, word + 1]: how many regions are below 32 * word
  int32_t* lists;     // [clip, chunk, region]: the regions of the chunk in their order
};

// A pass takes as many clips as keep the workspace small.
struct PoolPlan {
  PoolGrid grid;
  int64_t all_clips;
  int64_t bytes_per_clip;
  bool sums;  // whether partial sums are needed too

  int64_t clips_per_pass() const {
    return std::clamp<int64_t>((int64_t{1} << 29) / bytes_per_clip, 1, std::max<int64_t>(all_clips, 1));
  }
};

PoolPlan plan_pool(const RegionPoolShape& shape, bool sums);
CellMaps cell_maps(const PoolPlan& plan, uint8_t* work);
float* partial_sums(const PoolPlan& plan, uint8_t* work);

// Fill `maps`; `counts` [num_clips, num_regions] of this pass, if wanted, are written too.
void launch_find_cells(const PoolGrid& grid, const int32_t* labels, const CellMaps& maps, int64_t* counts,
                       void* stream);

// One warp's channels and cells of features.
template <class T>
struct alignas(4 * sizeof(T)) Four {
  T at[4];
};

inline constexpr int kTileStride = kTileCells + 4;  // floats: rows begin in different banks, 16 bytes apart

// `tile` is aligned to 16 bytes. Fill tile[channel of the group * kTileStride + cell - first] with features,
// 0 beyond the last of either.
template <class T>
__device__ void load_tile(const PoolGrid& grid, const T* features, bool channels_last, bool by_four,
                          int64_t clip, int32_t channel, int64_t first, float* tile) {
  const int lane = WarpTeam().rank();
  const int64_t left = grid.num_cells - first;
  if (channels_last) {
    const T* from = features + (clip * grid.num_cells + first) * grid.num_channels + channel + lane;
    const bool there = channel + lane < grid.num_channels;
    for (int cell = 0; cell < kTileCells; ++cell) {
      const bool inside = there && cell < left;
      tile[lane * kTileStride + cell] = inside ? widen(from[int64_t{1} * cell * grid.num_channels]) : 0.0f;
    }
    return;
  }
  constexpr int kLanesARow = kTileCells / 4, kRows = kWarpThreads / kLanesARow;
  const int cell = lane % kLanesARow * 4;
  Four<T> fours[kGroupChannels / kRows];
  for (int i = 0; i < kGroupChannels / kRows; ++i) {
    const int32_t row = channel + i * kRows + lane / kLanesARow;
    const T* from = features + (clip * grid.num_channels + row) * grid.num_cells + first + cell;
    const bool there = row < grid.num_channels;
    if (there && by_four && cell + 4 <= left) {
      fours[i] = *reinterpret_cast<const Four<T>*>(from);
    } else {
      for (int k = 0; k < 4; ++k) fours[i].at[k] = there && cell + k < left ? from[k] : T{};
    }
  }
  for (int i = 0; i < kGroupChannels / kRows; ++i) {
    Four<float> wide;
    for (int k = 0; k < 4; ++k) wide.at[k] = widen(fours[i].at[k]);
    *reinterpret_cast<Four<float>*>(tile + (i * kRows + lane / kLanesARow) * kTileStride + cell) = wide;
  }
}

}  // namespace ace3d
