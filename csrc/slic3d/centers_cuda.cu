// Centres of SLIC on the GPU: the arithmetic of slic3d_fast.cpp and brick_passes.h, in double.
#define ACE3D_WITH_CUDA
#include "slic3d/task.cuh"

namespace ace3d {
namespace {

constexpr int64_t kVoxelsPerThread = 4;  // few, so that the blocks of few seeds fill a GPU

// A centre from t, y, x and colours divided by the compactness: see CenterRows of brick_passes.h. Where t is
// not a number it is dead and reaches nothing; nor does it where another coordinate is not.
struct CenterWriter {
  const SlicTask& task;
  const MapTask& map;
  float* row;
  int4* window;
  __device__ CenterWriter(const SlicTask& of_task, const MapTask& of_map, int64_t center)
      : task(of_task),
        map(of_map),
        row(of_task.rows + center * row_floats_of(of_task.channels)),
        window(of_task.windows + 2 * center) {}
  __device__ void set_place(const double at[3]) {
    const bool known = at[0] == at[0] && at[1] == at[1] && at[2] == at[2];
    int reach[6];
    for (int axis = 0; axis < 3; ++axis) {
      row[1 + axis] = static_cast<float>(at[axis]);
      const double reach_here = static_cast<double>(2 * map.window[axis]), size = task.size(axis);
      const double low = at[axis] - reach_here, high = at[axis] + reach_here + 1.0;
      // Past either end of the axis it does not matter how far.
      reach[axis] = known ? static_cast<int>(low < 0 ? 0.0 : low < size ? low : size) : 0;
      reach[3 + axis] = known ? static_cast<int>(size < high ? size : high > 0 ? high : 0.0) : 0;
    }
    window[0] = make_int4(reach[0], reach[1], reach[2], reach[3]);
    window[1] = make_int4(reach[4], reach[5], 0, 0);
  }
  __device__ void set_color(int64_t c, double value) { row[4 + c] = static_cast<float>(value); }
};

// One block a clip and map.
__global__ void start_kernel(SlicTask task, const double* __restrict__ given) {
  const int64_t m = blockIdx.x % task.num_maps, clip = blockIdx.x / task.num_maps;
  const MapTask& map = task.maps[m];
  for (int64_t k = threadIdx.x; k < map.num_centers; k += blockDim.x) {
    const int64_t center = task.center(clip, map) + k;
    CenterWriter writer(task, map, center);
    double place[3];
    if (given != nullptr) {
      const double scale = 1.0 / task.compactness, *from = given + center * (3 + task.channels);
      for (int f = 0; f < 3; ++f) place[f] = from[f];
      for (int64_t c = 0; c < task.channels; ++c) writer.set_color(c, from[3 + c] * scale);
    } else {
      const int64_t at[3] = {k / (map.seed_counts[1] * map.seed_counts[2]),
                             k / map.seed_counts[2] % map.seed_counts[1], k % map.seed_counts[2]};
      for (int f = 0; f < 3; ++f)
        place[f] = static_cast<double>(map.grid.start[f] + at[f] * map.grid.step[f]);
      for (int64_t c = 0; c < task.channels; ++c) writer.set_color(c, 0.0);
    }
    writer.set_place(place);
  }
  if (threadIdx.x != 0) return;
  const int64_t state = clip * task.all_maps + task.first_map + m;
  // By how much rounding of colours changes a cost: see assign_task of brick_passes.cpp.
  const double off = ldexp(2.0 * sqrt(static_cast<double>(task.channels)), task.unit_exponent(clip) - 1);
  task.errors[state] = map.error + static_cast<float>(off * off / 2e-5);
  task.done[state] = 0;
}

// The coordinates to which seed i of an axis is the nearest, the lower seed of two as near.
__device__ void range_of_seed(const MapTask& map, int axis, int64_t i, int64_t size, int64_t range[2]) {
  const int64_t seed = map.grid.start[axis] + i * map.grid.step[axis], step = map.grid.step[axis];
  range[0] = i == 0 ? 0 : (seed - step + seed) / 2 + 1;
  range[1] = i + 1 == map.seed_counts[axis] ? size : (seed + seed + step) / 2 + 1;
}

// The first pass where seeds lie on the grid and have no colour: labels are a matter of coordinates. `splits`
// blocks share the voxels of a seed.
__global__ void first_kernel(SlicTask task, int m, int64_t splits) {
  const MapTask& map = task.maps[m];
  const int64_t split = blockIdx.x % splits, job = blockIdx.x / splits;
  const int64_t k = job % map.num_centers, clip = job / map.num_centers;
  const int64_t at[3] = {k / (map.seed_counts[1] * map.seed_counts[2]),
                         k / map.seed_counts[2] % map.seed_counts[1], k % map.seed_counts[2]};
  int64_t range[3][2];
  for (int axis = 0; axis < 3; ++axis) range_of_seed(map, axis, at[axis], task.size(axis), range[axis]);
  // 32 bits, for the divisions: a clip has fewer than 2^31 voxels.
  const auto height = static_cast<unsigned>(range[1][1] - range[1][0]);
  const auto width = static_cast<unsigned>(range[2][1] - range[2][0]);
  const unsigned size = static_cast<unsigned>(range[0][1] - range[0][0]) * height * width;
  const auto begin = static_cast<unsigned>(split) * blockDim.x + threadIdx.x;
  const auto step = static_cast<unsigned>(splits) * blockDim.x;
  const int first[3] = {static_cast<int>(range[0][0]), static_cast<int>(range[1][0]),
                        static_cast<int>(range[2][0])};
  Word* const sums = task.sums + (task.center(clip, map) + k) * sums_stride_of(task.channels);
  int32_t* const labels = task.labels_of(clip, m);
  // Count, t, y, x; then four colours at a time.
  for (int64_t group = 0; group < 4 + task.channels; group += 4) {
    int64_t added[4] = {0, 0, 0, 0};
    for (unsigned i = begin; i < size; i += step) {
      const int t = first[0] + static_cast<int>(i / width / height);
      const int y = first[1] + static_cast<int>(i / width % height),
                x = first[2] + static_cast<int>(i % width);
      const int64_t brick = ((t >> 2) * task.bricks[1] + (y >> 2)) * task.bricks[2] + (x >> 2);
      const int v = (t & 3) << 4 | (y & 3) << 2 | (x & 3);
      const BrickHead head{task.head(clip, brick), task.channels};
      if ((__float_as_int(head.at[v >> 5]) >> (v & 31) & 1) == 0) continue;
      if (group == 0) {
        labels[(t * task.shape.height + y) * task.shape.width + x] = static_cast<int32_t>(k);
        added[0] += 1, added[1] += t, added[2] += y, added[3] += x;
        continue;
      }
      const int shift = __float_as_int(head.at[3]);
      for (int j = 0; j < 4 && group - 4 + j < task.channels; ++j) {
        const int64_t c = group - 4 + j;
        const int quanta = static_cast<int>(task.colors_of(clip, brick)[c * kBrickVoxels + v]);
        added[j] += quanta * (1 << shift) + head.middle_units()[c];
      }
    }
    for (int j = 0; j < 4; ++j) {
      for (int lanes = 16; lanes > 0; lanes /= 2) added[j] += __shfl_down_sync(~0u, added[j], lanes);
      if (threadIdx.x % 32 == 0 && added[j] != 0) atomicAdd(&sums[group + j], static_cast<Word>(added[j]));
    }
  }
}

// One block a clip and map: centres from the sums of this pass, which are kept; the next pass finds zeros.
__global__ void move_kernel(SlicTask task, bool compare) {
  const int64_t m = blockIdx.x % task.num_maps, clip = blockIdx.x / task.num_maps;
  const MapTask& map = task.maps[m];
  const int64_t state = clip * task.all_maps + task.first_map + m, stride = sums_stride_of(task.channels);
  if (task.done[state] != 0) return;
  const double unit = ldexp(1.0, task.unit_exponent(clip));
  bool changed = false;
  for (int64_t k = threadIdx.x; k < map.num_centers; k += blockDim.x) {
    const int64_t center = task.center(clip, map) + k;
    Word *const sums = task.sums + center * stride, *const before = task.sums_before + center * stride;
    CenterWriter writer(task, map, center);
    // Four sums at a time, all of them read before one is written: a read behind a write waits for it.
    const auto take = [&](int64_t first, double (&taken)[4]) {
      Word now[4], old[4];
      for (int j = 0; j < 4; ++j) {
        now[j] = sums[first + j];
        old[j] = first + j < 4 + task.channels ? before[first + j] : 0;
      }
      for (int j = 0; j < 4; ++j) {
        changed |= now[j] != old[j];
        before[first + j] = now[j];
        sums[first + j] = 0;
        taken[j] = static_cast<double>(static_cast<int64_t>(now[j]));
      }
    };
    double sum[4];
    take(0, sum);
    const double count = sum[0];
    // The mean of a sum, in multiples of `to`.
    const auto mean_of = [count](double whole, double to) {
      return count > 0 ? whole * to / count : static_cast<double>(NAN);
    };
    const double place[3] = {mean_of(sum[1], 1.0), mean_of(sum[2], 1.0), mean_of(sum[3], 1.0)};
    for (int64_t c = 0; c < task.channels; c += 4) {
      take(4 + c, sum);
      for (int j = 0; j < 4; ++j) {
        if (c + j < task.channels) writer.set_color(c + j, mean_of(sum[j], unit));
      }
    }
    writer.set_place(place);
  }
  // The same sums give the same centres, and these the same labels.
  const bool ended = __syncthreads_or(changed ? 1 : 0) == 0 && compare;
  if (ended && threadIdx.x == 0) task.done[state] = 1;
}

__global__ void give_kernel(SlicTask task, double* __restrict__ moved) {
  const int64_t m = blockIdx.x % task.num_maps, clip = blockIdx.x / task.num_maps;
  const MapTask& map = task.maps[m];
  const int64_t row = 3 + task.channels;
  const double unit = ldexp(1.0, task.unit_exponent(clip));
  for (int64_t i = threadIdx.x; i < map.num_centers * row; i += blockDim.x) {
    const int64_t center = task.center(clip, map) + i / row, f = i % row;
    const Word* const sums = task.sums_before + center * sums_stride_of(task.channels);
    const auto count = static_cast<double>(static_cast<int64_t>(sums[0]));
    const double mean = static_cast<double>(static_cast<int64_t>(sums[1 + f])) * (f < 3 ? 1.0 : unit) / count;
    moved[center * row + f] = count > 0 ? mean * (f < 3 ? 1.0 : task.compactness) : static_cast<double>(NAN);
  }
}

}  // namespace

void launch_start(const SlicTask& task, const double* centers, void* stream) {
  ACE3D_LAUNCH(start_kernel, task.num_clips * task.num_maps, 0, stream, task, centers);
}

void launch_first(const SlicTask& task, void* stream) {
  for (int m = 0; m < task.num_maps; ++m) {
    const MapTask& map = task.maps[m];
    if (!map.analytic) continue;
    const int64_t per_center = task.shape.num_voxels() / map.num_centers,
                  per_block = kVoxelsPerThread * kThreadsPerBlock;
    const int64_t splits = (per_center + per_block - 1) / per_block;
    ACE3D_LAUNCH(first_kernel, task.num_clips * map.num_centers * splits, 0, stream, task, m, splits);
  }
}

void launch_move(const SlicTask& task, bool compare, void* stream) {
  ACE3D_LAUNCH(move_kernel, task.num_clips * task.num_maps, 0, stream, task, compare);
}

void launch_give(const SlicTask& task, double* moved_centers, void* stream) {
  ACE3D_LAUNCH(give_kernel, task.num_clips * task.num_maps, 0, stream, task, moved_centers);
}

}  // namespace ace3d
