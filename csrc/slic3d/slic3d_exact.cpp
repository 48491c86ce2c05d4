// Exact SLIC: bricks in float narrow the choice, T decides where float cannot, and T adds in scan order.
#include <cstring>
#include <type_traits>

#include "common/parallel.h"
#include "slic3d/brick_passes.h"

namespace ace3d {
namespace {

template <class T>
class ExactSlic {
 public:
  ExactSlic(const BrickStorage& storage, const T* colors, const SlicOptions& options, const SlicMap& map)
      : options_(options),
        map_(map),
        shape_(storage.volume().shape),
        channels_(storage.volume().channels),
        row_(3 + channels_),
        colors_(colors),
        color_scale_(static_cast<T>(1.0 / options.compactness)),
        weight_(static_cast<T>(1.0 / (map.spacing_of_centers * map.spacing_of_centers))),
        task_(assign_task(storage, options, map)),
        centers_(first_centers<T>(shape_, map, channels_, options.compactness)),
        rows_(map.num_centers, channels_),
        sizes_(map.num_centers) {
    for (int axis = 0; axis < 3; ++axis) spacing_[axis] = static_cast<T>(options.spacing[axis]);
    task_.store = task_.has_labels = true;
    task_.resolve = &ExactSlic::resolve;
    task_.resolve_context = this;
  }

  void run() {
    if (options_.settle_first) iterate(false, true);
    iterate(true, map_.moved_centers != nullptr);
    give_centers(centers_, channels_, options_.compactness, map_);
  }

 private:
  void iterate(bool use_colors, bool move_last) {
    task_.use_colors = use_colors;
    std::fill_n(map_.labels, shape_.num_voxels(), -1);
    for (int64_t iteration = 0; iteration < options_.num_iterations; ++iteration) {
      for (int64_t k = 0; k < map_.num_centers; ++k) {
        rows_.set(k, centers_.data() + k * row_, map_.window, shape_);
      }
      task_.centers = rows_.rows();
      task_.windows = rows_.windows();
      assign_all(task_, nullptr, nullptr);
      if (iteration + 1 == options_.num_iterations && !move_last) return;
      const std::vector<T> before = centers_;
      move_centers();
      // The same centres give the same labels.
      if (std::memcmp(before.data(), centers_.data(), centers_.size() * sizeof(T)) == 0) return;
    }
  }

  static int32_t resolve(const void* context, int64_t voxel, const int32_t at[3], const int32_t* candidates,
                         int64_t size) {
    return static_cast<const ExactSlic*>(context)->nearest(voxel, at, candidates, size);
  }

  int32_t nearest(int64_t voxel, const int32_t at[3], const int32_t* candidates, int64_t size) const {
    const int64_t num_voxels = shape_.num_voxels(), num_colors = task_.use_colors ? channels_ : 0;
    T colors[kMaxChannels], lowest = std::numeric_limits<T>::max();
    for (int64_t c = 0; c < num_colors; ++c) colors[c] = colors_[c * num_voxels + voxel] * color_scale_;
    int32_t label = -1;
    for (int64_t i = 0; i < size; ++i) {
      const T* center = centers_.data() + candidates[i] * row_;
      T squares[3], color_cost = 0;
      for (int axis = 0; axis < 3; ++axis) {
        const T d = spacing_[axis] * (center[axis] - static_cast<T>(at[axis]));
        squares[axis] = d * d;
      }
      for (int64_t c = 0; c < num_colors; ++c) {
        const T difference = colors[c] - center[3 + c];
        color_cost += difference * difference;
      }
      const T cost = ((squares[0] + squares[1]) + squares[2]) * weight_ + color_cost;
      if (cost < lowest) {
        lowest = cost;
        label = candidates[i];
      }
    }
    return label;
  }

  void move_centers() {
    std::fill(centers_.begin(), centers_.end(), T(0));
    std::fill(sizes_.begin(), sizes_.end(), 0);
    // A sum is added in scan order; different sums are no matter of order.
    const int64_t num_groups = (channels_ + kAtOnce - 1) / kAtOnce;
    parallel_for(0, num_groups, 1, [&](int64_t begin, int64_t end) {
      for (int64_t group = begin; group < end; ++group) add(group * kAtOnce);
    });
    for (int64_t k = 0; k < map_.num_centers; ++k) {
      for (int64_t f = 0; f < row_; ++f) centers_[k * row_ + f] /= static_cast<T>(sizes_[k]);
    }
  }

  // Call visit(first voxel, t, y, x, length, label) for every run of equal labels along x.
  template <class Visit>
  void for_runs(const Visit& visit) const {
    const int64_t width = shape_.width;
    for (int64_t row = 0; row < shape_.depth * shape_.height; ++row) {
      const int32_t* labels = map_.labels + row * width;
      for (int64_t x = 0, stop = 0; x < width; x = stop) {
        const int32_t label = labels[x];
        for (stop = x + 1; stop < width && labels[stop] == label; ++stop) {
        }
        if (label >= 0) visit(row * width + x, row / shape_.height, row % shape_.height, x, stop - x, label);
      }
    }
  }

  // Add a run along x to the positions of its centre.
  void add_positions(int64_t t, int64_t y, int64_t x, int64_t length, int32_t label) {
    T* center = centers_.data() + label * row_;
    sizes_[label] += length;
    if constexpr (std::is_same_v<T, double>) {  // whole numbers: exact in any order
      center[0] += static_cast<T>(t * length);
      center[1] += static_cast<T>(y * length);
      center[2] += static_cast<T>(x * length + length * (length - 1) / 2);
    } else {
      for (int64_t i = 0; i < length; ++i) {
        center[0] += static_cast<T>(t);
        center[1] += static_cast<T>(y);
        center[2] += static_cast<T>(x + i);
      }
    }
  }

  // Add channels from `first` on, and with the first one positions.
  void add(int64_t first) {
    switch (std::min(channels_ - first, kAtOnce)) {
      case 1:
        return add_channels<1>(first);
      case 2:
        return add_channels<2>(first);
      default:
        return add_channels<kAtOnce>(first);
    }
  }

  // Some channels at once: while one sum waits for its last addition, another goes on.
  template <int64_t kCount>
  void add_channels(int64_t first) {
    const T* channels[kCount];
    for (int64_t c = 0; c < kCount; ++c) channels[c] = colors_ + (first + c) * shape_.num_voxels();
    for_runs([&](int64_t voxel, int64_t t, int64_t y, int64_t x, int64_t length, int32_t label) {
      if (first == 0) add_positions(t, y, x, length, label);
      T* center = centers_.data() + label * row_ + 3 + first;
      T totals[kCount];
      for (int64_t c = 0; c < kCount; ++c) totals[c] = center[c];
      for (int64_t i = 0; i < length; ++i) {
        for (int64_t c = 0; c < kCount; ++c) totals[c] += channels[c][voxel + i] * color_scale_;
      }
      for (int64_t c = 0; c < kCount; ++c) center[c] = totals[c];
    });
  }

  static constexpr int64_t kAtOnce = 3;

  const SlicOptions& options_;
  const SlicMap& map_;
  VolumeShape shape_;
  int64_t channels_, row_;
  const T* colors_;
  T color_scale_, weight_, spacing_[3];
  AssignTask task_;
  std::vector<T> centers_;  // [center, 3 + channels]
  CenterRows rows_;
  std::vector<int64_t> sizes_;
};

}  // namespace

template <class T>
void slic3d_exact_cpu(const T* volume, const uint8_t* mask, int64_t channels, VolumeShape shape,
                      const SlicOptions& options, const SlicMap* maps, int64_t num_maps) {
  const auto storage = lay_bricks(volume, mask, channels, shape, options.compactness);
  for (int64_t i = 0; i < num_maps; ++i) ExactSlic<T>(*storage, volume, options, maps[i]).run();
}

template void slic3d_exact_cpu(const float*, const uint8_t*, int64_t, VolumeShape, const SlicOptions&,
                               const SlicMap*, int64_t);
template void slic3d_exact_cpu(const double*, const uint8_t*, int64_t, VolumeShape, const SlicOptions&,
                               const SlicMap*, int64_t);

}  // namespace ace3d
