// Fast SLIC: which passes are made, and where the centres are after each.
#include "slic3d/brick_passes.h"

namespace ace3d {
namespace {

// Seeds of one axis: which one is nearest to each coordinate, the lower one of two as near.
// False where some coordinate is reached by none.
bool nearest_seeds(int64_t start, int64_t step, int64_t window, int64_t size, std::vector<int32_t>& nearest) {
  const int64_t num_seeds = (size - start + step - 1) / step;
  nearest.resize(size);
  for (int64_t v = 0; v < size; ++v) {
    const int64_t after = std::clamp<int64_t>((v - start + step - 1) / step, 0, num_seeds - 1);
    const int64_t before = std::max<int64_t>(after - 1, 0);
    const int64_t to_after = std::abs(start + after * step - v),
                  to_before = std::abs(v - start - before * step);
    nearest[v] = static_cast<int32_t>(to_before <= to_after ? before : after);
    if (std::min(to_before, to_after) > 2 * window) return false;
  }
  return true;
}

class FastSlic {
 public:
  FastSlic(const BrickStorage& storage, const SlicOptions& options, const SlicMap& map)
      : options_(options),
        map_(map),
        shape_(storage.volume().shape),
        channels_(storage.volume().channels),
        unit_(std::ldexp(1.0, storage.volume().unit_exponent)),
        task_(assign_task(storage, options, map)),
        centers_(first_centers<double>(shape_, map, channels_, options.compactness)),
        rows_(map.num_centers, channels_),
        sums_(map.num_centers * sums_per_center(channels_)) {}

  void run() {
    if (options_.settle_first) {
      iterate(false, true, true);
      task_.has_labels = false;
    }
    iterate(true, false, map_.moved_centers != nullptr);
    give_centers(centers_, channels_, options_.compactness, map_);
  }

 private:
  // Labels are written when they are final; before, only from when some voxel turns out to need its old one.
  void iterate(bool use_colors, bool store_all, bool move_last) {
    task_.use_colors = use_colors;
    std::vector<int64_t> sums_before;
    std::vector<double> centers_before;
    for (int64_t iteration = 0; iteration < options_.num_iterations; ++iteration) {
      const bool last = iteration + 1 == options_.num_iterations;
      task_.accumulate = !last || move_last;
      task_.store = store_all || last;
      const bool analytic = iteration == 0 && use_colors && start_on_grid();
      if (iteration == 0 && !analytic) forget_labels();
      if (pass(analytic) && !task_.has_labels) {
        redo_before(centers_before);
        store_all = task_.store = task_.has_labels = true;
        pass(false);
      }
      task_.has_labels = task_.store;
      if (!task_.accumulate) return;
      if (sums_ == sums_before) {  // the same centres give the same labels
        if (!task_.store) store_labels();
        return;
      }
      centers_before = centers_;
      move_centers();
      sums_before = sums_;
    }
  }

  bool pass(bool analytic) {
    if (analytic) {
      const FirstLabels first = {{nearest_[0].data(), nearest_[1].data(), nearest_[2].data()}};
      return assign_all(task_, &first, sums_.data());
    }
    for (int64_t k = 0; k < map_.num_centers; ++k) {
      rows_.set(k, centers_.data() + k * (3 + channels_), map_.window, shape_);
    }
    task_.centers = rows_.rows();
    task_.windows = rows_.windows();
    return assign_all(task_, nullptr, sums_.data());
  }

  void store_labels() {
    task_.accumulate = false;
    task_.store = true;
    pass(false);
  }

  // Write the labels of the pass before this one.
  void redo_before(const std::vector<double>& centers_before) {
    const std::vector<double> now = centers_;
    const bool accumulate = task_.accumulate;
    centers_ = centers_before;
    store_labels();
    centers_ = now;
    task_.accumulate = accumulate;
  }

  void forget_labels() {
    std::fill_n(map_.labels, shape_.num_voxels(), -1);
    task_.has_labels = true;
  }

  // Whether the first pass is a matter of coordinates alone: centres on the grid, none of a colour.
  bool start_on_grid() {
    if (map_.centers != nullptr || options_.settle_first) return false;
    const SeedGrid& grid = map_.grid;
    const int64_t sizes[3] = {shape_.depth, shape_.height, shape_.width};
    int64_t stride = 1;
    for (int axis = 2; axis >= 0; --axis) {
      const int64_t start = grid.start[axis], step = grid.step[axis];
      if (!nearest_seeds(start, step, map_.window[axis], sizes[axis], nearest_[axis])) return false;
      for (int32_t& label : nearest_[axis]) label = static_cast<int32_t>(label * stride);
      stride *= (sizes[axis] - start + step - 1) / step;
    }
    return true;
  }

  void move_centers() {
    for (int64_t k = 0; k < map_.num_centers; ++k) {
      const int64_t* sums = sums_.data() + k * sums_per_center(channels_);
      const auto count = static_cast<double>(sums[0]);
      for (int64_t f = 0; f < 3 + channels_; ++f) {
        const double unit = f < 3 ? 1.0 : unit_;
        centers_[k * (3 + channels_) + f] = sums[0] > 0 ? static_cast<double>(sums[1 + f]) * unit / count
                                                        : std::numeric_limits<double>::quiet_NaN();
      }
    }
  }

  const SlicOptions& options_;
  const SlicMap& map_;
  VolumeShape shape_;
  int64_t channels_;
  double unit_;
  AssignTask task_;
  std::vector<double> centers_;  // [center, 3 + channels]
  CenterRows rows_;
  std::vector<int64_t> sums_;
  std::vector<int32_t> nearest_[3];
};

void run_maps(const BrickStorage& storage, const uint8_t* mask, const SlicOptions& options,
              const SlicMap* maps, int64_t num_maps) {
  const int64_t num_voxels = storage.volume().shape.num_voxels();
  for (int64_t i = 0; i < num_maps; ++i) {
    FastSlic(storage, options, maps[i]).run();
    for (int64_t v = 0; mask != nullptr && v < num_voxels; ++v) {
      if (mask[v] == 0) maps[i].labels[v] = -1;
    }
  }
}

}  // namespace

void slic3d_fast_cpu(const float* volume, const uint8_t* mask, int64_t channels, VolumeShape shape,
                     const SlicOptions& options, const SlicMap* maps, int64_t num_maps) {
  run_maps(*lay_bricks(volume, mask, channels, shape, options.compactness), mask, options, maps, num_maps);
}

void slic3d_bytes_cpu(const uint8_t* rgb, const LightTable& light, VolumeShape shape,
                      const SlicOptions& options, const SlicMap* maps, int64_t num_maps) {
  run_maps(*lay_bricks_of_bytes(rgb, light, shape, options.compactness), nullptr, options, maps, num_maps);
}

}  // namespace ace3d
