// Fast SLIC on the GPU: where things lie in the workspace, and which kernels run. All passes are queued at
// once; nothing waits for the GPU.
#include <algorithm>
#include <cmath>
#include <vector>

#define ACE3D_WITH_CUDA
#include "slic3d/task.cuh"

// Boxes of 16 voxels a side where they make at least so many blocks, else of 8.
#if !defined(ACE3D_MANY_BLOCKS)
#define ACE3D_MANY_BLOCKS 1024
#endif

namespace ace3d {
namespace {

// Hands out parts of the workspace, or counts how large they are where there is none.
class Workspace {
 public:
  explicit Workspace(void* memory) : memory_(static_cast<char*>(memory)) {}
  template <class T>
  T* take(int64_t size) {
    T* at = memory_ == nullptr ? nullptr : reinterpret_cast<T*>(memory_ + used_);
    used_ += (size * static_cast<int64_t>(sizeof(T)) + 255) / 256 * 256;
    return at;
  }
  int64_t used() const { return used_; }

 private:
  char* memory_;
  int64_t used_ = 0;
};

// Seeds along each axis.
int64_t seed_count(const SeedGrid& grid, int axis, int64_t size) {
  return (size - grid.start[axis] + grid.step[axis] - 1) / grid.step[axis];
}

// Whether each coordinate of each axis is reached by its nearest seed: see nearest_seeds of slic3d_fast.cpp.
bool all_reached(const SlicMap& map, const int64_t sizes[3]) {
  for (int axis = 0; axis < 3; ++axis) {
    const int64_t start = map.grid.start[axis], step = map.grid.step[axis], reach = 2 * map.window[axis];
    const int64_t last = start + (seed_count(map.grid, axis, sizes[axis]) - 1) * step;
    if (start > reach || sizes[axis] - 1 - last > reach || (last > start && step / 2 > reach)) return false;
  }
  return true;
}

// All but the maps and where things lie.
SlicTask empty_task(const SlicClips& clips) {
  SlicTask task{};
  task.shape = clips.shape;
  task.channels = clips.channels;
  task.num_clips = clips.num_clips;
  const int64_t sizes[3] = {clips.shape.depth, clips.shape.height, clips.shape.width};
  for (int64_t side = 16; side >= 8; side -= 8) {
    task.box_side = static_cast<int32_t>(side);
    for (int axis = 0; axis < 3; ++axis) task.boxes[axis] = (sizes[axis] + side - 1) / side;
    task.num_boxes = task.boxes[0] * task.boxes[1] * task.boxes[2];
    if (task.num_clips * task.num_boxes >= ACE3D_MANY_BLOCKS) break;
  }
  for (int axis = 0; axis < 3; ++axis) task.bricks[axis] = (sizes[axis] + 3) / 4;
  task.num_bricks = task.bricks[0] * task.bricks[1] * task.bricks[2];
  return task;
}

int64_t lay_out(SlicTask& task, const SlicMap* maps, int64_t num_maps, void* memory) {
  task.all_maps = num_maps;
  for (int64_t m = 0; m < num_maps; ++m) task.all_centers += maps[m].num_centers;
  Workspace work(memory);
  const int64_t clips = task.num_clips, channels = task.channels, centers = clips * task.all_centers;
  task.heads = work.take<float>(clips * task.num_bricks * head_floats(channels));
  task.colors = work.take<float>(clips * task.num_bricks * channels * kBrickVoxels);
  task.color_boxes = work.take<float>(clips * task.num_boxes * 2 * channels);
  task.largest_bits = work.take<int>(clips);
  task.rows = work.take<float>(centers * row_floats_of(channels));
  task.windows = work.take<int4>(centers * 2);
  task.sums = work.take<Word>(centers * sums_stride_of(channels));
  task.sums_before = work.take<Word>(centers * sums_stride_of(channels));
  task.errors = work.take<float>(clips * num_maps);
  task.done = work.take<int>(clips * num_maps);
  return work.used();
}

MapTask map_task(const SlicMap& map, VolumeShape shape, const SlicOptions& options, bool on_grid) {
  const int64_t sizes[3] = {shape.depth, shape.height, shape.width};
  MapTask task{};
  task.num_centers = map.num_centers;
  task.grid = map.grid;
  for (int axis = 0; axis < 3; ++axis) {
    task.window[axis] = map.window[axis];
    task.seed_counts[axis] = seed_count(map.grid, axis, sizes[axis]);
    // As assign_task of brick_passes.cpp.
    const double spacing = options.spacing[axis], apart = map.spacing_of_centers;
    const double weight = spacing * spacing / (apart * apart);
    task.weight[axis] = static_cast<float>(weight);
    const double off = static_cast<double>(sizes[axis]) * std::ldexp(1.0, -24);
    task.error += static_cast<float>(8 * weight * static_cast<double>(map.window[axis] + 2) * off);
  }
  task.analytic = on_grid && all_reached(map, sizes);
  return task;
}

void clear(void* at, int value, int64_t bytes, void* stream) {
  check_cuda(cudaMemsetAsync(at, value, static_cast<size_t>(bytes), static_cast<cudaStream_t>(stream)),
             "slic3d");
}

// The maps of one launch, from start to end.
class MapGroup {
 public:
  MapGroup(const SlicTask& task, const SlicClips& clips, const SlicOptions& options, bool masked,
           void* stream)
      : task_(task), clips_(clips), options_(options), masked_(masked), stream_(stream) {}

  void run() {
    launch_start(task_, clips_.centers, stream_);
    if (options_.settle_first) {
      iterate(false, true);
      // Centres are where they are; nothing is known of labels.
      clear(task_.done, 0, sizeof(int) * task_.num_clips * task_.all_maps, stream_);
    }
    iterate(true, clips_.moved_centers != nullptr);
    if (clips_.moved_centers != nullptr) launch_give(task_, clips_.moved_centers, stream_);
  }

 private:
  void iterate(bool use_colors, bool move_last) {
    bool all_analytic = true;
    for (int64_t m = 0; m < task_.num_maps; ++m) all_analytic &= task_.maps[m].analytic;
    if (!all_analytic || masked_) forget_labels();
    for (int64_t iteration = 0; iteration < options_.num_iterations; ++iteration) {
      const bool accumulate = iteration + 1 < options_.num_iterations || move_last;
      if (iteration == 0) launch_first(task_, stream_);
      if (iteration > 0 || !all_analytic) {
        launch_assign(task_, use_colors, accumulate, iteration == 0, stream_);
      }
      if (accumulate) launch_move(task_, iteration > 0, stream_);
    }
  }

  void forget_labels() {
    const int64_t num_voxels = task_.shape.num_voxels();
    for (int64_t clip = 0; clip < task_.num_clips; ++clip) {
      int32_t* const labels = task_.labels + (clip * task_.all_maps + task_.first_map) * num_voxels;
      if (task_.num_maps == task_.all_maps) {
        clear(labels, -1, 4 * num_voxels * task_.num_maps * task_.num_clips, stream_);
        return;
      }
      clear(labels, -1, 4 * num_voxels * task_.num_maps, stream_);
    }
  }

  const SlicTask& task_;
  const SlicClips& clips_;
  const SlicOptions& options_;
  bool masked_;
  void* stream_;
};

template <class Fill>
void run(SlicTask task, const SlicClips& clips, const SlicOptions& options, const SlicMap* maps,
         int64_t num_maps, bool masked, void* work, void* stream, const Fill& fill) {
  if (clips.num_clips == 0) return;
  lay_out(task, maps, num_maps, work);
  task.scale = static_cast<float>(1.0 / options.compactness);
  task.compactness = options.compactness;
  task.labels = clips.labels;
  fill(task);
  clear(task.sums, 0, 8 * clips.num_clips * task.all_centers * sums_stride_of(task.channels), stream);
  const bool on_grid = clips.centers == nullptr && !options.settle_first;
  int64_t first_center = 0;
  for (int64_t first = 0; first < num_maps; first += kMaxMaps) {
    task.first_map = first;
    task.num_maps = std::min<int64_t>(kMaxMaps, num_maps - first);
    for (int64_t m = 0; m < task.num_maps; ++m) {
      task.maps[m] = map_task(maps[first + m], clips.shape, options, on_grid);
      task.maps[m].first_center = first_center;
      first_center += task.maps[m].num_centers;
    }
    MapGroup(task, clips, options, masked, stream).run();
  }
}

}  // namespace

int64_t slic3d_work_bytes(const SlicClips& clips, const SlicMap* maps, int64_t num_maps) {
  SlicTask task = empty_task(clips);
  return lay_out(task, maps, num_maps, nullptr);
}

void launch_slic3d(const float* volume, const uint8_t* mask, const SlicClips& clips,
                   const SlicOptions& options, const SlicMap* maps, int64_t num_maps, void* work,
                   void* stream) {
  run(empty_task(clips), clips, options, maps, num_maps, mask != nullptr, work, stream,
      [&](const SlicTask& task) { launch_fill(task, volume, mask, stream); });
}

void launch_slic3d_bytes(const uint8_t* frames, const LightTable* tables, const SlicClips& clips,
                         const SlicOptions& options, const SlicMap* maps, int64_t num_maps, void* work,
                         void* stream) {
  SlicTask task = empty_task(clips);
  task.fixed_largest = 128.0f * static_cast<float>(1.0 / options.compactness);  // of L, a and b
  run(task, clips, options, maps, num_maps, false, work, stream,
      [&](const SlicTask& laid) { launch_fill(laid, frames, tables, stream); });
}

}  // namespace ace3d
