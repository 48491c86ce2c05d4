#include "region_pool/region_pool.h"

#include <algorithm>

#include "common/cpu.h"
#include "common/parallel.h"
#include "region_pool/cells.h"

namespace ace3d {
namespace {

constexpr int64_t kGrainValues = 131072;  // features; fewer are not worth a second thread

std::vector<CellRegions> regions_of_clips(const int32_t* labels, const RegionPoolShape& shape) {
  std::vector<CellRegions> clips(shape.num_clips);
  const int64_t labels_of_clip = shape.num_maps * shape.num_voxels();
  parallel_for(0, shape.num_clips, kGrainValues / (labels_of_clip + 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t clip = begin; clip < end; ++clip) {
      clips[clip] = find_cell_regions(labels + clip * labels_of_clip, shape);
    }
  });
  return clips;
}

void count_points(const CellRegions& regions, const RegionPoolShape& shape, int64_t* counts) {
  std::fill_n(counts, shape.num_regions, 0);
  for (const Stretch& stretch : regions.stretches) {
    counts[stretch.region] += (stretch.end - stretch.begin) * static_cast<int64_t>(stretch.points);
  }
}

// Channels [first, first + 16) of one clip; `zeros` [cells] stands for those beyond the last.
void sum_channels(const float* features, const CellRegions& regions, const RegionPoolShape& shape,
                  int64_t first, const float* zeros, double* totals) {
  const float* rows[kBlockChannels];
  for (int64_t c = 0; c < kBlockChannels; ++c) {
    rows[c] = first + c < shape.num_channels ? features + (first + c) * shape.num_cells() : zeros;
  }
  ACE3D_DISPATCH(add_stretches, rows, shape.num_cells(), regions.stretches.data(),
                 regions.first_of_chunk.data(), totals);
}

void sum_channels(const double* features, const CellRegions& regions, const RegionPoolShape& shape,
                  int64_t first, const double*, double* totals) {
  const int64_t count = std::min(kBlockChannels, shape.num_channels - first);
  for (int64_t c = 0; c < count; ++c) {
    const double* row = features + (first + c) * shape.num_cells();
    for (const Stretch& stretch : regions.stretches) {
      for (int64_t cell = stretch.begin; cell < stretch.end; ++cell) {
        totals[stretch.region * kBlockChannels + c] += row[cell] * static_cast<double>(stretch.points);
      }
    }
  }
}

}  // namespace

template <class T>
void region_pool_cpu(const T* features, const int32_t* labels, const RegionPoolShape& shape, bool mean,
                     T* pooled, int64_t* counts) {
  const int64_t num_cells = shape.num_cells(), channels = shape.num_channels, num_regions = shape.num_regions;
  const std::vector<CellRegions> clips = regions_of_clips(labels, shape);
  for (int64_t clip = 0; clip < shape.num_clips; ++clip) {
    count_points(clips[clip], shape, counts + clip * num_regions);
  }
  const int64_t num_blocks = (channels + kBlockChannels - 1) / kBlockChannels;
  const std::vector<T> zeros(channels % kBlockChannels == 0 ? 0 : num_cells);
  const int64_t grain = kGrainValues / (kBlockChannels * num_cells) + 1;
  parallel_for(0, shape.num_clips * num_blocks, grain, [&](int64_t begin, int64_t end) {
    std::vector<double> totals(num_regions * kBlockChannels);
    for (int64_t job = begin; job < end; ++job) {
      const int64_t clip = job / num_blocks, first = job % num_blocks * kBlockChannels;
      std::fill(totals.begin(), totals.end(), 0.0);
      sum_channels(features + clip * channels * num_cells, clips[clip], shape, first, zeros.data(),
                   totals.data());
      const int64_t count = std::min(kBlockChannels, channels - first);
      for (int64_t r = 0; r < num_regions; ++r) {
        const int64_t at = clip * num_regions + r;
        const double points = mean ? static_cast<double>(std::max<int64_t>(counts[at], 1)) : 1.0;
        T* to = pooled + at * channels + first;
        for (int64_t c = 0; c < count; ++c) to[c] = static_cast<T>(totals[r * kBlockChannels + c] / points);
      }
    }
  });
}

template <class T>
void region_max_cpu(const T* features, const int32_t* labels, const RegionPoolShape& shape, T* values,
                    int32_t* cells) {
  const int64_t num_cells = shape.num_cells(), channels = shape.num_channels, num_regions = shape.num_regions;
  const std::vector<CellRegions> clips = regions_of_clips(labels, shape);
  std::fill_n(values, shape.num_clips * num_regions * channels, T(0));
  std::fill_n(cells, shape.num_clips * num_regions * channels, -1);
  parallel_for(0, shape.num_clips * channels, kGrainValues / num_cells + 1, [&](int64_t begin, int64_t end) {
    for (int64_t job = begin; job < end; ++job) {
      const int64_t clip = job / channels, c = job % channels;
      const T* row = features + job * num_cells;
      for (const Stretch& stretch : clips[clip].stretches) {
        const int64_t at = (clip * num_regions + stretch.region) * channels + c;
        for (int32_t cell = stretch.begin; cell < stretch.end; ++cell) {
          const bool more = row[cell] > values[at] || (row[cell] != row[cell] && values[at] == values[at]);
          const bool first = row[cell] == values[at] && cell < cells[at];
          if (cells[at] < 0 || more || first) values[at] = row[cell], cells[at] = cell;
        }
      }
    }
  });
}

template <class T>
void region_spread_cpu(const T* grad_sums, const int32_t* labels, const RegionPoolShape& shape,
                       T* grad_features) {
  const int64_t num_cells = shape.num_cells(), channels = shape.num_channels, num_regions = shape.num_regions;
  const std::vector<CellRegions> clips = regions_of_clips(labels, shape);
  parallel_for(0, shape.num_clips * channels, kGrainValues / num_cells + 1, [&](int64_t begin, int64_t end) {
    for (int64_t job = begin; job < end; ++job) {
      const int64_t clip = job / channels, c = job % channels;
      const T* grads = grad_sums + clip * num_regions * channels + c;
      T* row = grad_features + job * num_cells;
      std::fill_n(row, num_cells, T(0));
      for (const Stretch& stretch : clips[clip].stretches) {
        const T value = grads[stretch.region * channels] * static_cast<T>(stretch.points);
        for (int64_t cell = stretch.begin; cell < stretch.end; ++cell) row[cell] += value;
      }
    }
  });
}

template void region_pool_cpu<float>(const float*, const int32_t*, const RegionPoolShape&, bool, float*,
                                     int64_t*);
template void region_pool_cpu<double>(const double*, const int32_t*, const RegionPoolShape&, bool, double*,
                                      int64_t*);
template void region_max_cpu<float>(const float*, const int32_t*, const RegionPoolShape&, float*, int32_t*);
template void region_max_cpu<double>(const double*, const int32_t*, const RegionPoolShape&, double*,
                                     int32_t*);
template void region_spread_cpu<float>(const float*, const int32_t*, const RegionPoolShape&, float*);
template void region_spread_cpu<double>(const double*, const int32_t*, const RegionPoolShape&, double*);

}  // namespace ace3d
