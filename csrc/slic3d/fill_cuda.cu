// The volume in bricks, on the GPU: the bits of fill_simd.cpp.
//
// A warp makes a brick, a lane two neighbours of a row: voxels 2 * lane and 2 * lane + 1. A block makes the
// bricks of a box, and the colour box around them.
#define ACE3D_WITH_CUDA
#include "color/lab.cuh"
#include "common/racing.cuh"
#include "slic3d/task.cuh"

namespace ace3d {
namespace {

constexpr float kFar = 3e38f;
constexpr int kColorBits = 17;
constexpr int kValuesPerThread = 16;

// Ints in the order of the floats.
__device__ __forceinline__ int ordered(float value) {
  const int bits = __float_as_int(value);
  return bits ^ (bits >> 31 & 0x7fffffff);
}
__device__ __forceinline__ float from_ordered(int value) {
  return __int_as_float(value ^ (value >> 31 & 0x7fffffff));
}
__device__ __forceinline__ float least_of_warp(float a, float b) {
  return from_ordered(__reduce_min_sync(~0u, ordered(a < b ? a : b)));
}
__device__ __forceinline__ float largest_of_warp(float a, float b) {
  return from_ordered(__reduce_max_sync(~0u, ordered(a > b ? a : b)));
}

__device__ __forceinline__ float round_to_whole(float value) { return (value + 12582912.0f) - 12582912.0f; }

__global__ void largest_kernel(const float* __restrict__ volume, int64_t clip_values,
                               unsigned blocks_per_clip, int* __restrict__ largest_bits) {
  const int64_t clip = blockIdx.x / blocks_per_clip, block = blockIdx.x % blocks_per_clip;
  const float* values = volume + clip * clip_values;
  int largest = 0;
  const int64_t step = int64_t{blocks_per_clip} * blockDim.x;
  for (int64_t i = block * blockDim.x + threadIdx.x; i < clip_values; i += step) {
    const int magnitude = __float_as_int(values[i]) & 0x7fffffff;
    largest = magnitude > largest ? magnitude : largest;
  }
  largest = __reduce_max_sync(~0u, largest);
  // It only grows: most warps see that theirs is not the largest, and do not queue up for it.
  if (threadIdx.x % 32 == 0 && largest > racing_read(&largest_bits[clip])) {
    atomicMax(&largest_bits[clip], largest);
  }
}

// Colours of a clip, one at a time or all of a voxel.
struct FloatColors {
  const float* volume;
  const uint8_t* masks;
  __device__ void prepare(int64_t, float4*) {}
  __device__ bool counts(int64_t clip, int64_t voxel, int64_t num_voxels) const {
    return masks == nullptr || masks[clip * num_voxels + voxel] != 0;
  }
  __device__ float at(int64_t clip, int64_t voxel, int64_t num_voxels, int64_t channels, int64_t c) const {
    return volume[(clip * channels + c) * num_voxels + voxel];
  }
};

struct ByteColors {
  const uint8_t* frames;
  const LightTable* tables;
  const float4* light;
  __device__ void prepare(int64_t clip, float4* shared) {
    load_light(tables + clip, shared);
    light = shared;
  }
  __device__ bool counts(int64_t, int64_t, int64_t) const { return true; }
  __device__ LabColor lab(int64_t clip, int64_t voxel, int64_t num_voxels) const {
    const uint8_t* rgb = frames + 3 * (clip * num_voxels + voxel);
    return lab_of_pixel(light, rgb[0], rgb[1], rgb[2]);
  }
};

// The colours of a lane's two voxels: in registers where the channels are known, else read again.
template <int C, class Source>
struct LaneColors {
  float held[2][C];
  __device__ LaneColors(const Source& from, int64_t clip, const int64_t voxels[2], const SlicTask& task) {
    for (int j = 0; j < 2; ++j) {
      for (int c = 0; c < C; ++c) {
        held[j][c] = from.at(clip, voxels[j], task.shape.num_voxels(), C, c) * task.scale;
      }
    }
  }
  __device__ float operator()(int j, int64_t c) const { return held[j][c]; }
};
template <>
struct LaneColors<3, ByteColors> {
  float held[2][3];
  __device__ LaneColors(const ByteColors& from, int64_t clip, const int64_t voxels[2], const SlicTask& task) {
    for (int j = 0; j < 2; ++j) {
      const LabColor lab = from.lab(clip, voxels[j], task.shape.num_voxels());
      held[j][0] = lab.l * task.scale;
      held[j][1] = lab.a * task.scale;
      held[j][2] = lab.b * task.scale;
    }
  }
  __device__ float operator()(int j, int64_t c) const { return held[j][c]; }
};
template <>
struct LaneColors<kDynamic, FloatColors> {
  const FloatColors& from;
  const SlicTask& task;
  int64_t clip, voxels[2];
  __device__ LaneColors(const FloatColors& source, int64_t of_clip, const int64_t of_voxels[2],
                        const SlicTask& of_task)
      : from(source), task(of_task), clip(of_clip), voxels{of_voxels[0], of_voxels[1]} {}
  __device__ float operator()(int j, int64_t c) const {
    return from.at(clip, voxels[j], task.shape.num_voxels(), task.channels, c) * task.scale;
  }
};

// Fill the brick, all lanes of a warp; returns whether it has voxels, and widens `low` and `high`, by
// channel.
template <int C, class Source>
__device__ void fill_brick(const SlicTask& task, const Source& source, int64_t clip, const int at[3],
                           float* low, float* high) {
  const int64_t channels = C == kDynamic ? task.channels : C;
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int64_t brick = (at[0] * task.bricks[1] + at[1]) * task.bricks[2] + at[2];
  float* const head = task.heads + (clip * task.num_bricks + brick) * head_floats(channels);
  float* const colors = task.colors + (clip * task.num_bricks + brick) * channels * kBrickVoxels;
  const int64_t t = 4 * at[0] + (lane >> 3), y = 4 * at[1] + (lane >> 1 & 3), x = 4 * at[2] + 2 * (lane & 1);
  const int64_t voxel = (t * task.shape.height + y) * task.shape.width + x;
  const int64_t num_voxels = task.shape.num_voxels();
  const bool row_inside = t < task.shape.depth && y < task.shape.height;
  bool counts[2];
  for (int j = 0; j < 2; ++j) {
    counts[j] = row_inside && x + j < task.shape.width && source.counts(clip, voxel + j, num_voxels);
  }
  const unsigned even = __ballot_sync(~0u, counts[0]), odd = __ballot_sync(~0u, counts[1]);
  if ((even | odd) == 0) {
    if (lane < 2) head[lane] = 0.0f;
    return;
  }
  // Those that do not count repeat the first that does.
  const int any_lane = __ffs(static_cast<int>(even | odd)) - 1;
  const int64_t any = __shfl_sync(~0u, counts[0] ? voxel : voxel + 1, any_lane);
  const int64_t voxels[2] = {counts[0] ? voxel : any, counts[1] ? voxel + 1 : any};
  const LaneColors<C, Source> color(source, clip, voxels, task);

  float widest = 0.0f;
  for (int64_t c = 0; c < channels; ++c) {
    const float least = least_of_warp(color(0, c), color(1, c));
    const float largest = largest_of_warp(color(0, c), color(1, c));
    const float half = 0.5f * (largest - least);
    widest = half > widest ? half : widest;
  }
  const int unit = task.unit_exponent(clip);
  int shift = (__float_as_int(widest) >> 23 & 255) - 126 - kColorBits - unit;
  shift = shift < 0 ? 0 : shift;
  const float quantum = power_of_two(unit + shift), per_quantum = power_of_two(-unit - shift);
  const auto bit_of = [&](int word) {  // voxels 32 * word ... of the brick
    const unsigned evens = word == 0 ? even & 0xffff : even >> 16,
                   odds = word == 0 ? odd & 0xffff : odd >> 16;
    unsigned bits = 0;
    for (int i = 0; i < 16; ++i) bits |= (evens >> i & 1) << (2 * i) | (odds >> i & 1) << (2 * i + 1);
    return static_cast<int>(bits);
  };
  if (lane < 2) head[lane] = __int_as_float(bit_of(lane));
  if (lane == 2) head[2] = quantum;
  if (lane == 3) head[3] = __int_as_float(shift);
  for (int64_t c = 0; c < channels; ++c) {
    const float least = least_of_warp(color(0, c), color(1, c));
    const float largest = largest_of_warp(color(0, c), color(1, c));
    const float whole = round_to_whole(0.5f * (least + largest) * per_quantum), middle = whole * quantum;
    const float first = round_to_whole((color(0, c) - middle) * per_quantum);
    const float second = round_to_whole((color(1, c) - middle) * per_quantum);
    const float bottom = middle + least_of_warp(first, second) * quantum;
    const float top = middle + largest_of_warp(first, second) * quantum;
    const float kept[2] = {counts[0] ? first : 0.0f, counts[1] ? second : 0.0f};
    *reinterpret_cast<float2*>(colors + c * kBrickVoxels + 2 * lane) = make_float2(kept[0], kept[1]);
    const int total = __reduce_add_sync(~0u, static_cast<int>(kept[0]) + static_cast<int>(kept[1]));
    if (lane == 0) {
      const float box_middle = 0.5f * (bottom + top);
      const float below = box_middle - bottom, above = top - box_middle;
      head[4 + c] = middle;
      head[4 + channels + c] = __int_as_float(static_cast<int>(whole) * (1 << shift));
      head[4 + 2 * channels + c] = __int_as_float(total);
      head[4 + 3 * channels + c] = box_middle;
      head[4 + 4 * channels + c] = below > above ? below : above;
      low[c] = bottom < low[c] ? bottom : low[c];
      high[c] = top > high[c] ? top : high[c];
    }
  }
}

// One block a box.
template <int C, class Source, int kLightSize>
__global__ void fill_kernel(SlicTask task, Source source) {
  __shared__ float low[kWarps][C == kDynamic ? kMaxChannels : C],
      high[kWarps][C == kDynamic ? kMaxChannels : C];
  __shared__ float4 light[kLightSize];
  const int64_t channels = C == kDynamic ? task.channels : C;
  const auto num_boxes = static_cast<unsigned>(task.num_boxes), rows = static_cast<unsigned>(task.boxes[1]);
  const auto columns = static_cast<unsigned>(task.boxes[2]);
  const unsigned box = blockIdx.x % num_boxes;
  const int64_t clip = blockIdx.x / num_boxes;
  const int warp = static_cast<int>(threadIdx.x / 32), side = task.box_side / 4;
  source.prepare(clip, light);
  if (threadIdx.x % 32 == 0) {
    for (int64_t c = 0; c < channels; ++c) low[warp][c] = kFar, high[warp][c] = -kFar;
  }
  __syncwarp();
  const int first[3] = {static_cast<int>(box / columns / rows) * side,
                        static_cast<int>(box / columns % rows) * side,
                        static_cast<int>(box % columns) * side};
  for (int i = warp; i < side * side * side; i += kWarps) {
    const int at[3] = {first[0] + i / (side * side), first[1] + i / side % side, first[2] + i % side};
    if (at[0] >= task.bricks[0] || at[1] >= task.bricks[1] || at[2] >= task.bricks[2]) continue;
    fill_brick<C>(task, source, clip, at, low[warp], high[warp]);
  }
  __syncthreads();
  float* const boxes = task.color_boxes + (clip * task.num_boxes + box) * 2 * channels;
  for (int64_t c = threadIdx.x; c < channels; c += blockDim.x) {
    float bottom = kFar, top = -kFar;
    for (int w = 0; w < kWarps; ++w) {
      bottom = low[w][c] < bottom ? low[w][c] : bottom;
      top = high[w][c] > top ? high[w][c] : top;
    }
    const bool empty = bottom > top;
    const float middle = empty ? 0.0f : 0.5f * (bottom + top);
    const float below = middle - bottom, above = top - middle;
    boxes[c] = middle;
    boxes[channels + c] = empty ? 0.0f : below > above ? below : above;
  }
}

}  // namespace

void launch_fill(const SlicTask& task, const float* volume, const uint8_t* mask, void* stream) {
  const int64_t values = task.channels * task.shape.num_voxels();
  const int64_t per_block = kValuesPerThread * kThreadsPerBlock,
                blocks = (values + per_block - 1) / per_block;
  const size_t bytes = sizeof(int) * static_cast<size_t>(task.num_clips);
  check_cuda(cudaMemsetAsync(task.largest_bits, 0, bytes, static_cast<cudaStream_t>(stream)), "slic3d");
  ACE3D_LAUNCH(largest_kernel, task.num_clips * blocks, 0, stream, volume, values,
               static_cast<unsigned>(blocks), task.largest_bits);
  const FloatColors source{volume, mask};
  const int64_t num_boxes = task.num_clips * task.num_boxes;
  switch (task.channels) {
    case 1:
      ACE3D_LAUNCH((fill_kernel<1, FloatColors, 1>), num_boxes, 0, stream, task, source);
      break;
    case 3:
      ACE3D_LAUNCH((fill_kernel<3, FloatColors, 1>), num_boxes, 0, stream, task, source);
      break;
    default:
      ACE3D_LAUNCH((fill_kernel<kDynamic, FloatColors, 1>), num_boxes, 0, stream, task, source);
  }
}

void launch_fill(const SlicTask& task, const uint8_t* frames, const LightTable* tables, void* stream) {
  const ByteColors source{frames, tables, nullptr};
  ACE3D_LAUNCH((fill_kernel<3, ByteColors, 3 * 256>), task.num_clips * task.num_boxes, 0, stream, task,
               source);
}

}  // namespace ace3d
