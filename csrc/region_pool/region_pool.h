// Sums, means and maxima of features over regions, and the gradient of sums.
//
//   features  [N, C, cells]       cells = (T', H', W'), any grid
//   labels    [N, S, voxels]      voxels = (T, H, W), any grid; background outside [0, regions of the map)
//   pooled    [N, R, C]           counts  [N, R]
//
// Along each axis both are read on the finer of the two grids: its point i belongs to index floor(i * size /
// finer) of either. A point counts once in each of the S maps. All results are written, none is read.
// Sums are added in a fixed order: the same for any number of threads and layout of the features.
#pragma once

#include <cstdint>
#include <vector>

#include "common/half.h"

namespace ace3d {

// What values of type T are added up in.
template <class T>
struct SumOf {
  using Type = float;
};
template <>
struct SumOf<double> {
  using Type = double;
};
template <class T>
using Sum = typename SumOf<T>::Type;

// The regions of a label map are `count` from `first` on. Maps either have regions of their own, one after
// the other, or all have the same.
struct MapRegions {
  int64_t first, count;
};

struct RegionPoolShape {
  int64_t num_clips, num_channels, num_maps, num_regions;
  int64_t cells[3];              // T', H', W'
  int64_t voxels[3];             // T, H, W
  std::vector<MapRegions> maps;  // [S]
  int64_t num_cells() const { return cells[0] * cells[1] * cells[2]; }
  int64_t num_voxels() const { return voxels[0] * voxels[1] * voxels[2]; }
};

// Features as they lie in memory: cells side by side, one plane a channel, or channels side by side.
template <class T>
struct FeatureGrid {
  const T* data;
  bool channels_last;
};

// Sums, or with `mean` those divided by the counts: 0 where a region has no points. Out: T or Sum<T>.
template <class T, class Out>
void region_pool_cpu(const FeatureGrid<T>& features, const int32_t* labels, const RegionPoolShape& shape,
                     bool mean, Out* pooled, int64_t* counts);

// The greatest value in each region, NaN before all others, and the first cell that has it; 0 and -1 where a
// region has no points.
template <class T>
void region_max_cpu(const FeatureGrid<T>& features, const int32_t* labels, const RegionPoolShape& shape,
                    T* values, int32_t* cells);

// grad_features [N, C, cells] = sum over regions of (points of the region in the cell) * grad_sums [N, R, C].
template <class T>
void region_spread_cpu(const Sum<T>* grad_sums, const int32_t* labels, const RegionPoolShape& shape,
                       T* grad_features);

#if defined(ACE3D_WITH_CUDA)
// On the GPU T is float, Half or BFloat16, and there are at most 64 maps and 2^31 - 1 regions and channels.
// `work` holds as many bytes as the functions before each say. Sums are added in an order that depends on the
// shapes alone; that of the CPU is another.
inline constexpr int64_t kMaxCudaPoolMaps = 64;
int64_t region_pool_work_bytes(const RegionPoolShape& shape);
template <class T, class Out>
void launch_region_pool(const FeatureGrid<T>& features, const int32_t* labels, const RegionPoolShape& shape,
                        bool mean, Out* pooled, int64_t* counts, uint8_t* work, void* stream);

int64_t region_max_work_bytes(const RegionPoolShape& shape);
template <class T>
void launch_region_max(const FeatureGrid<T>& features, const int32_t* labels, const RegionPoolShape& shape,
                       T* values, int32_t* cells, uint8_t* work, void* stream);

int64_t region_spread_work_bytes(const RegionPoolShape& shape);
template <class T>
void launch_region_spread(const float* grad_sums, const int32_t* labels, const RegionPoolShape& shape,
                          T* grad_features, uint8_t* work, void* stream);
#endif

}  // namespace ace3d
