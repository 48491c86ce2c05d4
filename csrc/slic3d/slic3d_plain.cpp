#include <algorithm>
#include <limits>
#include <vector>

#include "slic3d/brick_passes.h"

namespace ace3d {
namespace {

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

template <class T>
class PlainSlic {
 public:
  PlainSlic(const T* volume, const uint8_t* mask, int64_t channels, VolumeShape shape,
            const SlicOptions& options, const SlicMap& map)
      : mask_(mask),
        channels_(channels),
        row_(3 + channels),
        shape_(shape),
        options_(options),
        map_(map),
        colors_(shape.num_voxels() * channels),
        costs_(shape.num_voxels()),
        centers_(first_centers<T>(shape, map, channels, options.compactness)),
        sizes_(map.num_centers) {
    const T scale = static_cast<T>(1.0 / options.compactness);
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t v = 0; v < shape.num_voxels(); ++v) {
        colors_[v * channels + c] = volume[c * shape.num_voxels() + v] * scale;
      }
    }
  }

  void run() {
    if (options_.settle_first) iterate(false, true);
    iterate(true, map_.moved_centers != nullptr);
    give_centers(centers_, channels_, options_.compactness, map_);
  }

 private:
  void iterate(bool use_colors, bool move_last) {
    std::fill_n(map_.labels, shape_.num_voxels(), -1);
    largest_.assign(map_.num_centers, T(1));
    for (int64_t iteration = 0; iteration < options_.num_iterations; ++iteration) {
      if (!assign(use_colors)) return;
      if (iteration + 1 == options_.num_iterations && !move_last) return;
      move_centers();
      if (options_.adapt_compactness) raise_largest();
    }
  }

  T color_cost(int64_t voxel, const T* center) const {
    T cost = 0;
    for (int64_t c = 0; c < channels_; ++c) {
      const T difference = colors_[voxel * channels_ + c] - center[3 + c];
      cost += difference * difference;
    }
    return cost;
  }

  bool assign(bool use_colors) {
    const T weight = static_cast<T>(1.0 / (map_.spacing_of_centers * map_.spacing_of_centers));
    const T spacing[3] = {static_cast<T>(options_.spacing[0]), static_cast<T>(options_.spacing[1]),
                          static_cast<T>(options_.spacing[2])};
    std::fill(costs_.begin(), costs_.end(), std::numeric_limits<T>::max());
    bool changed = false;
    for (int64_t k = 0; k < map_.num_centers; ++k) {
      const T* center = centers_.data() + k * row_;
      const Range ts = reach_of(center[0], map_.window[0], shape_.depth);
      const Range ys = reach_of(center[1], map_.window[1], shape_.height);
      const Range xs = reach_of(center[2], map_.window[2], shape_.width);
      for (int64_t t = ts.begin; t < ts.end; ++t) {
        const T dt = spacing[0] * (center[0] - static_cast<T>(t));
        for (int64_t y = ys.begin; y < ys.end; ++y) {
          const T dy = spacing[1] * (center[1] - static_cast<T>(y));
          const T dtdy = dt * dt + dy * dy;
          for (int64_t x = xs.begin; x < xs.end; ++x) {
            const int64_t v = (t * shape_.height + y) * shape_.width + x;
            if (mask_ != nullptr && mask_[v] == 0) continue;
            const T dx = spacing[2] * (center[2] - static_cast<T>(x));
            T cost = (dtdy + dx * dx) * weight;
            if (use_colors) {
              const T of_color = color_cost(v, center);
              cost += options_.adapt_compactness ? of_color / largest_[k] : of_color;
            }
            if (cost < costs_[v]) {
              costs_[v] = cost;
              map_.labels[v] = static_cast<int32_t>(k);
              changed = true;
            }
          }
        }
      }
    }
    return changed;
  }

  void move_centers() {
    std::fill(centers_.begin(), centers_.end(), T(0));
    std::fill(sizes_.begin(), sizes_.end(), 0);
    for (int64_t v = 0, t = 0; t < shape_.depth; ++t) {
      for (int64_t y = 0; y < shape_.height; ++y) {
        for (int64_t x = 0; x < shape_.width; ++x, ++v) {
          if (map_.labels[v] < 0) continue;
          T* center = centers_.data() + map_.labels[v] * row_;
          sizes_[map_.labels[v]] += 1;
          center[0] += static_cast<T>(t);
          center[1] += static_cast<T>(y);
          center[2] += static_cast<T>(x);
          for (int64_t c = 0; c < channels_; ++c) center[3 + c] += colors_[v * channels_ + c];
        }
      }
    }
    for (int64_t k = 0; k < map_.num_centers; ++k) {
      for (int64_t f = 0; f < row_; ++f) centers_[k * row_ + f] /= static_cast<T>(sizes_[k]);
    }
  }

  // The largest colour distance that a voxel of each centre has had; never less than 1.
  void raise_largest() {
    for (int64_t v = 0; v < shape_.num_voxels(); ++v) {
      const int32_t k = map_.labels[v];
      if (k < 0) continue;
      const T cost = color_cost(v, centers_.data() + k * row_);
      if (largest_[k] < cost) largest_[k] = cost;
    }
  }

  const uint8_t* mask_;
  int64_t channels_, row_;
  VolumeShape shape_;
  const SlicOptions& options_;
  const SlicMap& map_;
  std::vector<T> colors_;  // those of a voxel side by side, divided by the compactness
  std::vector<T> costs_;
  std::vector<T> centers_;  // [center, 3 + channels]
  std::vector<T> largest_;
  std::vector<int64_t> sizes_;
};

}  // namespace

template <class T>
void slic3d_plain_cpu(const T* volume, const uint8_t* mask, int64_t channels, VolumeShape shape,
                      const SlicOptions& options, const SlicMap& map) {
  PlainSlic<T>(volume, mask, channels, shape, options, map).run();
}

template void slic3d_plain_cpu(const float*, const uint8_t*, int64_t, VolumeShape, const SlicOptions&,
                               const SlicMap&);
template void slic3d_plain_cpu(const double*, const uint8_t*, int64_t, VolumeShape, const SlicOptions&,
                               const SlicMap&);

}  // namespace ace3d
