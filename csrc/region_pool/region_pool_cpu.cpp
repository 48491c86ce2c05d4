#include "region_pool/region_pool.h"

#include <algorithm>

#include "common/parallel.h"
#include "region_pool/cells.h"

namespace ace3d {

CellShares cell_shares(const int32_t* clip_labels, const RegionPoolShape& shape) {
  std::vector<IndexRange> ranges[3];
  for (int axis = 0; axis < 3; ++axis) {
    for (int64_t cell = 0; cell < shape.cells[axis]; ++cell) {
      ranges[axis].push_back(labels_of_cell(cell, shape.cells[axis], shape.voxels[axis]));
    }
  }
  CellShares result;
  result.first.reserve(shape.num_cells() + 1);
  result.shares.reserve(shape.num_cells() * shape.num_maps);
  for (const IndexRange& ts : ranges[0]) {
    for (const IndexRange& ys : ranges[1]) {
      for (const IndexRange& xs : ranges[2]) {
        const size_t first = result.shares.size();
        result.first.push_back(static_cast<int64_t>(first));
        for (int64_t map = 0; map < shape.num_maps; ++map) {
          for (int64_t t = ts.begin; t < ts.end; ++t) {
            for (int64_t y = ys.begin; y < ys.end; ++y) {
              const int32_t* line =
                  clip_labels + ((map * shape.voxels[0] + t) * shape.voxels[1] + y) * shape.voxels[2];
              for (int64_t x = xs.begin; x < xs.end; ++x) {
                const int32_t region = line[x];
                if (region < 0 || region >= shape.num_regions) continue;
                size_t at = result.shares.size();
                while (at > first && result.shares[at - 1].region != region) --at;
                if (at > first) {
                  result.shares[at - 1].points += 1;
                } else {
                  result.shares.push_back({region, 1});
                }
              }
            }
          }
        }
      }
    }
  }
  result.first.push_back(static_cast<int64_t>(result.shares.size()));
  return result;
}

template <class T>
void region_sums_cpu(const T* features, const int32_t* labels, const RegionPoolShape& shape, T* sums,
                     int64_t* counts) {
  const int64_t num_cells = shape.num_cells(), channels = shape.num_channels, regions = shape.num_regions;
  for (int64_t clip = 0; clip < shape.num_clips; ++clip) {
    const CellShares cells = cell_shares(labels + clip * shape.num_maps * shape.num_voxels(), shape);
    int64_t* clip_counts = counts + clip * regions;
    std::fill_n(clip_counts, regions, 0);
    for (const Share& share : cells.shares) clip_counts[share.region] += share.points;
    parallel_for(0, channels, std::max<int64_t>(1, 32768 / (num_cells + 1)), [&](int64_t begin, int64_t end) {
      std::vector<double> totals(regions);
      for (int64_t c = begin; c < end; ++c) {
        const T* row = features + (clip * channels + c) * num_cells;
        std::fill(totals.begin(), totals.end(), 0.0);
        for (int64_t p = 0; p < num_cells; ++p) {
          for (int64_t s = cells.first[p]; s < cells.first[p + 1]; ++s) {
            const Share share = cells.shares[s];
            totals[share.region] += static_cast<double>(row[p]) * share.points;
          }
        }
        for (int64_t r = 0; r < regions; ++r)
          sums[(clip * regions + r) * channels + c] = static_cast<T>(totals[r]);
      }
    });
  }
}

template <class T>
void region_spread_cpu(const T* grad_sums, const int32_t* labels, const RegionPoolShape& shape,
                       T* grad_features) {
  const int64_t num_cells = shape.num_cells(), channels = shape.num_channels, regions = shape.num_regions;
  for (int64_t clip = 0; clip < shape.num_clips; ++clip) {
    const CellShares cells = cell_shares(labels + clip * shape.num_maps * shape.num_voxels(), shape);
    parallel_for(0, channels, std::max<int64_t>(1, 32768 / (num_cells + 1)), [&](int64_t begin, int64_t end) {
      std::vector<T> grads(regions);
      for (int64_t c = begin; c < end; ++c) {
        for (int64_t r = 0; r < regions; ++r) grads[r] = grad_sums[(clip * regions + r) * channels + c];
        T* row = grad_features + (clip * channels + c) * num_cells;
        for (int64_t p = 0; p < num_cells; ++p) {
          T sum = 0;
          for (int64_t s = cells.first[p]; s < cells.first[p + 1]; ++s) {
            sum += grads[cells.shares[s].region] * static_cast<T>(cells.shares[s].points);
          }
          row[p] = sum;
        }
      }
    });
  }
}

template void region_sums_cpu<float>(const float*, const int32_t*, const RegionPoolShape&, float*, int64_t*);
template void region_sums_cpu<double>(const double*, const int32_t*, const RegionPoolShape&, double*,
                                      int64_t*);
template void region_spread_cpu<float>(const float*, const int32_t*, const RegionPoolShape&, float*);
template void region_spread_cpu<double>(const double*, const int32_t*, const RegionPoolShape&, double*);

}  // namespace ace3d
