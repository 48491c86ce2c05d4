// Fast SLIC: which passes are made, and what the centres are after each.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <mutex>
#include <vector>

#include "common/cpu.h"
#include "common/parallel.h"
#include "slic3d/slic3d.h"
#include "slic3d/slic3d_simd.h"

namespace ace3d {
namespace {

constexpr int64_t kBlocksPerJob = 4;  // fewer are not worth a second thread

// The bricks of one volume and the memory they live in.
struct BrickStorage {
  BrickVolume volume;
  std::unique_ptr<float[]> memory;
  std::vector<Block> blocks;
  float largest = 0;  // of the absolute colours
};

void number_blocks(BrickStorage& storage) {
  BrickVolume& volume = storage.volume;
  const int64_t *groups = volume.num_boxes[3], *blocks = volume.num_boxes[2], *bricks = volume.num_boxes[0];
  int64_t first_brick = 0;
  for (int64_t group = 0; group < groups[0] * groups[1] * groups[2]; ++group) {
    const int64_t first[3] = {group / (groups[1] * groups[2]) * 4, group / groups[2] % groups[1] * 4,
                              group % groups[2] * 4};
    for (int64_t t = first[0]; t < std::min(first[0] + 4, blocks[0]); ++t) {
      for (int64_t y = first[1]; y < std::min(first[1] + 4, blocks[1]); ++y) {
        for (int64_t x = first[2]; x < std::min(first[2] + 4, blocks[2]); ++x) {
          storage.blocks.push_back(
              {{static_cast<int32_t>(t), static_cast<int32_t>(y), static_cast<int32_t>(x)},
               static_cast<int32_t>(first_brick)});
          first_brick += std::min<int64_t>(4, bricks[0] - 4 * t) * std::min<int64_t>(4, bricks[1] - 4 * y) *
                         std::min<int64_t>(4, bricks[2] - 4 * x);
        }
      }
    }
  }
  volume.blocks = storage.blocks.data();
  volume.num_blocks = static_cast<int64_t>(storage.blocks.size());
}

BrickStorage allocate_bricks(VolumeShape shape, int64_t channels) {
  BrickStorage storage;
  BrickVolume& volume = storage.volume;
  volume.shape = shape;
  volume.channels = channels;
  const int64_t sizes[3] = {shape.depth, shape.height, shape.width};
  int64_t num_boxes[kNumLevels], total = 0;
  for (int level = 0; level < kNumLevels; ++level) {
    const int64_t side = kBrickSide * kLevelBricks[level];
    num_boxes[level] = 1;
    for (int axis = 0; axis < 3; ++axis) {
      volume.num_boxes[level][axis] = (sizes[axis] + side - 1) / side;
      num_boxes[level] *= volume.num_boxes[level][axis];
    }
    total += level == 0 ? num_boxes[0] * record_floats(channels) : num_boxes[level] * 2 * channels;
  }
  storage.memory.reset(new float[total]);  // not zeroed: every record is written
  float* at = storage.memory.get();
  volume.records = at;
  at += num_boxes[0] * record_floats(channels);
  for (int level = 1; level < kNumLevels; ++level) {
    volume.boxes[level] = at;
    at += num_boxes[level] * 2 * channels;
  }
  number_blocks(storage);
  return storage;
}

// Colour boxes of level 3 from those of level 2.
void join_boxes(BrickVolume& volume) {
  const int64_t *outer = volume.num_boxes[3], *inner = volume.num_boxes[2], channels = volume.channels;
  constexpr int64_t side = kLevelBricks[3] / kLevelBricks[2];
  for (int64_t i = 0; i < outer[0] * outer[1] * outer[2]; ++i) {
    const int64_t at[3] = {i / (outer[1] * outer[2]), i / outer[2] % outer[1], i % outer[2]};
    float* box = volume.boxes[3] + i * 2 * channels;
    for (int64_t c = 0; c < channels; ++c) {
      float low = std::numeric_limits<float>::max(), high = std::numeric_limits<float>::lowest();
      for (int64_t t = at[0] * side; t < std::min((at[0] + 1) * side, inner[0]); ++t) {
        for (int64_t y = at[1] * side; y < std::min((at[1] + 1) * side, inner[1]); ++y) {
          for (int64_t x = at[2] * side; x < std::min((at[2] + 1) * side, inner[2]); ++x) {
            const float* part = volume.boxes[2] + ((t * inner[1] + y) * inner[2] + x) * 2 * channels;
            low = std::min(low, part[c] - part[channels + c]);
            high = std::max(high, part[c] + part[channels + c]);
          }
        }
      }
      box[c] = 0.5f * (low + high);
      box[channels + c] = std::max(high - box[c], box[c] - low);
    }
  }
}

BrickStorage lay_bricks(const float* colors, int64_t channels, VolumeShape shape, double compactness) {
  BrickStorage storage = allocate_bricks(shape, channels);
  BrickVolume& volume = storage.volume;
  const float scale = static_cast<float>(1.0 / compactness);
  parallel_for(0, volume.num_blocks, kBlocksPerJob, [&](int64_t begin, int64_t end) {
    ACE3D_DISPATCH(fill_bricks, colors, scale, volume, begin, end);
  });
  join_boxes(volume);
  const int64_t* num = volume.num_boxes[3];
  for (int64_t i = 0; i < num[0] * num[1] * num[2]; ++i) {
    const float* box = volume.boxes[3] + i * 2 * channels;
    for (int64_t c = 0; c < channels; ++c) {
      storage.largest = std::max(storage.largest, std::fabs(box[c]) + box[channels + c]);
    }
  }
  return storage;
}

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
  FastSlic(const BrickStorage& storage, const SlicOptions& options, int32_t* labels)
      : storage_(storage),
        options_(options),
        shape_(storage.volume.shape),
        channels_(storage.volume.channels) {
    const SeedGrid& grid = options.grid;
    const int64_t sizes[3] = {shape_.depth, shape_.height, shape_.width};
    for (int axis = 0; axis < 3; ++axis) {
      num_seeds_[axis] = (sizes[axis] - grid.start[axis] + grid.step[axis] - 1) / grid.step[axis];
    }
    task_.volume = &storage.volume;
    task_.num_centers = num_seeds_[0] * num_seeds_[1] * num_seeds_[2];
    task_.stride = (task_.num_centers + 23) / 8 * 8;
    const double step = static_cast<double>(*std::max_element(grid.step, grid.step + 3));
    for (int axis = 0; axis < 3; ++axis) {
      const double spacing = options.spacing[axis];
      task_.weight[axis] = static_cast<float>(spacing * spacing / (step * step));
      task_.reach[axis] = static_cast<float>(2 * grid.window[axis]);
    }
    // As many bits below the point as a sum over all voxels leaves free.
    const double most = (storage.largest + 1.0) * static_cast<double>(shape_.num_voxels());
    task_.color_scale = std::exp2(std::floor(60.0 - std::log2(most)));
    task_.labels = labels;
    place_seeds();
  }

  void run() {
    std::vector<int64_t> before;
    for (int64_t iteration = 0; iteration < options_.num_iterations; ++iteration) {
      task_.accumulate = iteration + 1 < options_.num_iterations;
      task_.centers = centers_.data();
      sums_.assign(task_.accumulate ? task_.num_centers * sums_per_center() : 0, 0);
      pass(iteration == 0);
      if (task_.accumulate && sums_ == before) return;  // the same centres give the same labels
      if (task_.accumulate) move_centers();
      before.swap(sums_);
    }
  }

 private:
  int64_t sums_per_center() const { return kSumsBeforeColors + channels_; }

  void place_seeds() {
    centers_.assign((4 + channels_) * task_.stride, 0.0f);
    int32_t* index = reinterpret_cast<int32_t*>(centers_.data() + (3 + channels_) * task_.stride);
    for (int64_t k = 0; k < task_.num_centers; ++k) {
      const int64_t along[3] = {k / (num_seeds_[1] * num_seeds_[2]), k / num_seeds_[2] % num_seeds_[1],
                                k % num_seeds_[2]};
      for (int axis = 0; axis < 3; ++axis) {
        centers_[axis * task_.stride + k] =
            static_cast<float>(options_.grid.start[axis] + along[axis] * options_.grid.step[axis]);
      }
      index[k] = static_cast<int32_t>(k);
    }
    for (int64_t k = task_.num_centers; k < task_.stride; ++k) centers_[k] = std::nanf("");
  }

  void pass(bool first) {
    FirstLabels labels{};
    std::vector<int32_t> nearest[3];
    bool separable = first;
    if (first) {
      const int64_t sizes[3] = {shape_.depth, shape_.height, shape_.width};
      const int64_t strides[3] = {num_seeds_[1] * num_seeds_[2], num_seeds_[2], 1};
      const SeedGrid& grid = options_.grid;
      for (int axis = 0; axis < 3; ++axis) {
        separable &=
            nearest_seeds(grid.start[axis], grid.step[axis], grid.window[axis], sizes[axis], nearest[axis]);
        for (int32_t& label : nearest[axis]) label = static_cast<int32_t>(label * strides[axis]);
        labels.along[axis] = nearest[axis].data();
      }
      if (!separable) std::fill_n(task_.labels, shape_.num_voxels(), -1);
    }
    std::mutex adding;
    const int64_t num_blocks = storage_.volume.num_blocks;
    parallel_for(0, num_blocks, kBlocksPerJob, [&](int64_t begin, int64_t end) {
      const bool alone = begin == 0 && end == num_blocks;
      std::vector<int64_t> part(alone ? 0 : sums_.size());
      int64_t* sums = alone ? sums_.data() : part.data();
      if (separable) {
        ACE3D_DISPATCH(assign_first, task_, labels, begin, end, sums);
      } else {
        std::vector<float> scratch(scratch_floats(task_.stride, channels_));
        ACE3D_DISPATCH(assign_nearest, task_, begin, end, sums, scratch.data());
      }
      const std::lock_guard<std::mutex> lock(adding);
      for (size_t i = 0; i < part.size(); ++i) sums_[i] += part[i];
    });
  }

  void move_centers() {
    for (int64_t k = 0; k < task_.num_centers; ++k) {
      const int64_t* sums = sums_.data() + k * sums_per_center();
      const double count = static_cast<double>(sums[0]);
      for (int64_t f = 0; f < 3 + channels_; ++f) {
        const double unit = f < 3 ? 1.0 : task_.color_scale;
        centers_[f * task_.stride + k] =
            sums[0] > 0 ? static_cast<float>(static_cast<double>(sums[1 + f]) / unit / count) : std::nanf("");
      }
    }
  }

  const BrickStorage& storage_;
  const SlicOptions& options_;
  VolumeShape shape_;
  int64_t channels_, num_seeds_[3];
  AssignTask task_{};
  std::vector<float> centers_;
  std::vector<int64_t> sums_;
};

}  // namespace

void slic3d_fast_cpu(const float* volume, int64_t channels, VolumeShape shape, const SlicOptions* options,
                     int64_t num_maps, int32_t* labels) {
  const BrickStorage storage = lay_bricks(volume, channels, shape, options[0].compactness);
  for (int64_t map = 0; map < num_maps; ++map) {
    FastSlic(storage, options[map], labels + map * shape.num_voxels()).run();
  }
}

}  // namespace ace3d
