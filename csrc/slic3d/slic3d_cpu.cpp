#include <algorithm>
#include <limits>
#include <vector>

#include "slic3d/slic3d.h"

namespace ace3d {
namespace {

// Rows (t, y, x, colours...) of the seeds, in scan order.
template <class T>
std::vector<T> seed_rows(VolumeShape shape, const SeedGrid& grid, int64_t channels) {
  std::vector<T> rows;
  for (int64_t t = grid.start[0]; t < shape.depth; t += grid.step[0]) {
    for (int64_t y = grid.start[1]; y < shape.height; y += grid.step[1]) {
      for (int64_t x = grid.start[2]; x < shape.width; x += grid.step[2]) {
        rows.insert(rows.end(), {static_cast<T>(t), static_cast<T>(y), static_cast<T>(x)});
        rows.resize(rows.size() + channels, T(0));
      }
    }
  }
  return rows;
}

struct Range {
  int64_t begin, end;
};

template <class T>
Range reach_of(T center, int64_t window, int64_t size) {
  if (!(center == center)) return {0, 0};  // a dead centre
  const T low = std::max(center - static_cast<T>(2 * window), T(0));
  const T high = std::min(center + static_cast<T>(2 * window) + T(1), static_cast<T>(size));
  return {static_cast<int64_t>(low), static_cast<int64_t>(high)};
}

}  // namespace

template <class T>
void slic3d_exact_cpu(const T* volume, int64_t channels, VolumeShape shape, const SlicOptions& options,
                      int32_t* labels) {
  const int64_t num_voxels = shape.num_voxels(), row = 3 + channels;
  std::vector<T> centers = seed_rows<T>(shape, options.grid, channels);
  const int64_t num_centers = static_cast<int64_t>(centers.size()) / row;

  // Colours of a voxel side by side, divided by the compactness.
  const T color_scale = static_cast<T>(1.0 / options.compactness);
  std::vector<T> colors(num_voxels * channels);
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t v = 0; v < num_voxels; ++v)
      colors[v * channels + c] = volume[c * num_voxels + v] * color_scale;
  }

  const SeedGrid& grid = options.grid;
  const double step = static_cast<double>(*std::max_element(grid.step, grid.step + 3));
  const T weight = static_cast<T>(1.0 / (step * step));
  const T spacing[3] = {static_cast<T>(options.spacing[0]), static_cast<T>(options.spacing[1]),
                        static_cast<T>(options.spacing[2])};

  std::vector<T> costs(num_voxels);
  std::vector<int64_t> sizes(num_centers);
  std::fill_n(labels, num_voxels, -1);
  for (int64_t iteration = 0; iteration < options.num_iterations; ++iteration) {
    std::fill(costs.begin(), costs.end(), std::numeric_limits<T>::max());
    bool changed = false;
    for (int64_t k = 0; k < num_centers; ++k) {
      const T* center = centers.data() + k * row;
      const Range ts = reach_of(center[0], grid.window[0], shape.depth);
      const Range ys = reach_of(center[1], grid.window[1], shape.height);
      const Range xs = reach_of(center[2], grid.window[2], shape.width);
      for (int64_t t = ts.begin; t < ts.end; ++t) {
        const T dt = spacing[0] * (center[0] - static_cast<T>(t));
        for (int64_t y = ys.begin; y < ys.end; ++y) {
          const T dy = spacing[1] * (center[1] - static_cast<T>(y));
          const T dtdy = dt * dt + dy * dy;
          for (int64_t x = xs.begin; x < xs.end; ++x) {
            const int64_t v = (t * shape.height + y) * shape.width + x;
            const T dx = spacing[2] * (center[2] - static_cast<T>(x));
            T color_cost = 0;
            for (int64_t c = 0; c < channels; ++c) {
              const T difference = colors[v * channels + c] - center[3 + c];
              color_cost += difference * difference;
            }
            const T cost = (dtdy + dx * dx) * weight + color_cost;
            if (cost < costs[v]) {
              costs[v] = cost;
              labels[v] = static_cast<int32_t>(k);
              changed = true;
            }
          }
        }
      }
    }
    if (!changed || iteration + 1 == options.num_iterations) break;

    std::fill(centers.begin(), centers.end(), T(0));
    std::fill(sizes.begin(), sizes.end(), 0);
    for (int64_t v = 0, t = 0; t < shape.depth; ++t) {
      for (int64_t y = 0; y < shape.height; ++y) {
        for (int64_t x = 0; x < shape.width; ++x, ++v) {
          if (labels[v] < 0) continue;
          T* center = centers.data() + labels[v] * row;
          sizes[labels[v]] += 1;
          center[0] += static_cast<T>(t);
          center[1] += static_cast<T>(y);
          center[2] += static_cast<T>(x);
          for (int64_t c = 0; c < channels; ++c) center[3 + c] += colors[v * channels + c];
        }
      }
    }
    for (int64_t k = 0; k < num_centers; ++k) {
      for (int64_t f = 0; f < row; ++f) centers[k * row + f] /= static_cast<T>(sizes[k]);
    }
  }
}

template void slic3d_exact_cpu<float>(const float*, int64_t, VolumeShape, const SlicOptions&, int32_t*);
template void slic3d_exact_cpu<double>(const double*, int64_t, VolumeShape, const SlicOptions&, int32_t*);

}  // namespace ace3d
