// region_patches on the GPU, in whole numbers: the bytes of the CPU, and so its floats.
//
// Three launches for every 32 patches: the weights of both axes of each, a block an axis; lines masked and
// resized along x into bytes, a block a line; then along y and normalised, a thread a pixel. Regions and
// boxes travel with the launch.
#include <algorithm>

#include "common/team.cuh"
#define ACE3D_WITH_CUDA
#include "region_patches/bicubic.h"
#include "region_patches/region_patches.h"

namespace ace3d {
namespace {

constexpr int kPatchesPerLaunch = 32;

struct Shape {
  int32_t depth, height, width;
  int32_t num_maps;
  int32_t num_frames, out_height, out_width;
  int32_t num_patches;
  int32_t taps_x, taps_y;  // as many as any box can need
};

struct Boxes {
  RegionBox at[kPatchesPerLaunch];
};

// Weights of one axis of one patch in the workspace: precision, then for each output sample the first sample
// and the number of taps, then the weights.
struct AxisPlan {
  int32_t *precision, *firsts, *counts, *weights;
  int32_t most_taps;

  __device__ AxisPlan(int32_t* work, const Shape& shape, int patch, bool along_y) {
    const int64_t x_words = words(shape.out_width, shape.taps_x);
    const int64_t y_words = words(shape.out_height, shape.taps_y);
    const int32_t size = along_y ? shape.out_height : shape.out_width;
    precision = work + patch * (x_words + y_words) + (along_y ? x_words : 0);
    firsts = precision + 1;
    counts = firsts + size;
    weights = counts + size;
    most_taps = along_y ? shape.taps_y : shape.taps_x;
  }
  static ACE3D_HOST_DEVICE int64_t words(int64_t size, int64_t taps) { return 1 + 2 * size + size * taps; }
};

__global__ void plan_kernel(Shape shape, Boxes boxes, int32_t* work) {
  const int patch = static_cast<int>(blockIdx.x) / 2;
  const bool along_y = blockIdx.x % 2 != 0;
  const RegionBox& box = boxes.at[patch];
  const AxisPlan plan(work, shape, patch, along_y);
  const int32_t size = along_y ? shape.out_height : shape.out_width;
  const BicubicAxis axis(along_y ? box.bottom - box.top : box.right - box.left, size);
  const auto sum_of = [&](int32_t i, int64_t count) {
    double total = 0.0;
    for (int64_t k = 0; k < count; ++k) total += axis.weight(i, k);
    return total;
  };
  uint64_t largest = 0;  // as bits, which order numbers above 0
  for (int32_t i = static_cast<int32_t>(threadIdx.x); i < size; i += kThreadsPerBlock) {
    const int64_t count = axis.num_taps(i);
    const double total = sum_of(i, count);
    for (int64_t k = 0; k < count && total != 0.0; ++k) {
      const double weight = axis.weight(i, k) / total;
      const uint64_t bits = weight > 0.0 ? static_cast<uint64_t>(__double_as_longlong(weight)) : 0;
      if (bits > largest) largest = bits;
    }
  }
  largest = BlockTeam().greatest(largest);
  const int32_t precision = weight_precision(__longlong_as_double(static_cast<long long>(largest)));
  if (threadIdx.x == 0) *plan.precision = precision;
  for (int32_t i = static_cast<int32_t>(threadIdx.x); i < size; i += kThreadsPerBlock) {
    const int64_t count = axis.num_taps(i);
    const double total = sum_of(i, count);
    plan.firsts[i] = static_cast<int32_t>(axis.first(i));
    plan.counts[i] = static_cast<int32_t>(count);
    for (int64_t k = 0; k < count; ++k) {
      const double weight = total != 0.0 ? axis.weight(i, k) / total : axis.weight(i, k);
      plan.weights[i * plan.most_taps + k] = whole_weight(weight, precision);
    }
  }
}

__device__ __forceinline__ int32_t to_byte(int32_t sum, int32_t precision) {
  const int32_t half = precision > 0 ? 1 << (precision - 1) : 0;
  sum += half;
  if (sum < 0) return 0;
  sum >>= precision;
  return sum > 255 ? 255 : sum;
}

// lines [patch, frame, row of the clip, out_width, 3]: row y of a box in row y.
__global__ void lines_kernel(const uint8_t* __restrict__ frames, const int32_t* __restrict__ labels,
                             Shape shape, Boxes boxes, int32_t fill, int32_t* work,
                             uint8_t* __restrict__ lines) {
  ACE3D_DYNAMIC_SHARED(uint32_t, pixels);  // of one line, masked: a byte a channel
  const int32_t y = static_cast<int32_t>(blockIdx.x) % shape.height;
  const int32_t frame = static_cast<int32_t>(blockIdx.x / shape.height) % shape.num_frames;
  const int32_t patch = static_cast<int32_t>(blockIdx.x / shape.height / shape.num_frames);
  const RegionBox& box = boxes.at[patch];
  if (y >= box.bottom - box.top) return;
  const int64_t line =
      ((static_cast<int64_t>(box.start) + frame) * shape.height + box.top + y) * shape.width + box.left;
  const int64_t map_voxels = static_cast<int64_t>(shape.depth) * shape.height * shape.width;
  for (int32_t x = static_cast<int32_t>(threadIdx.x); x < box.right - box.left; x += kThreadsPerBlock) {
    bool shown = false;
    for (int32_t map = 0; map < shape.num_maps; ++map) {
      shown = shown || labels[map * map_voxels + line + x] == box.region;
    }
    const uint8_t* const rgb = frames + 3 * (line + x);
    const auto grey = static_cast<uint32_t>(fill);
    pixels[x] = shown ? rgb[0] | static_cast<uint32_t>(rgb[1]) << 8 | static_cast<uint32_t>(rgb[2]) << 16
                      : grey | grey << 8 | grey << 16;
  }
  __syncthreads();
  const AxisPlan plan(work, shape, patch, false);
  uint8_t* const to =
      lines +
      3 * ((static_cast<int64_t>(patch) * shape.num_frames + frame) * shape.height + y) * shape.out_width;
  for (int32_t x = static_cast<int32_t>(threadIdx.x); x < shape.out_width; x += kThreadsPerBlock) {
    int32_t red = 0, green = 0, blue = 0;
    const int32_t first = plan.firsts[x], count = plan.counts[x];
    for (int32_t k = 0; k < count; ++k) {
      const int32_t weight = plan.weights[static_cast<int64_t>(x) * plan.most_taps + k];
      const uint32_t pixel = pixels[first + k];
      red += weight * static_cast<int32_t>(pixel & 255);
      green += weight * static_cast<int32_t>(pixel >> 8 & 255);
      blue += weight * static_cast<int32_t>(pixel >> 16);
    }
    to[3 * x] = static_cast<uint8_t>(to_byte(red, *plan.precision));
    to[3 * x + 1] = static_cast<uint8_t>(to_byte(green, *plan.precision));
    to[3 * x + 2] = static_cast<uint8_t>(to_byte(blue, *plan.precision));
  }
}

__global__ void patches_kernel(const uint8_t* __restrict__ lines, Shape shape, PixelScale scale,
                               int32_t* work, float* __restrict__ patches) {
  const int64_t row_samples = 3 * static_cast<int64_t>(shape.out_width);
  const int64_t samples = row_samples * shape.out_height;
  const int64_t all = samples * shape.num_frames * shape.num_patches;
  const int64_t at = static_cast<int64_t>(blockIdx.x) * kThreadsPerBlock + threadIdx.x;
  if (at >= all) return;
  const auto patch = static_cast<int>(at / samples / shape.num_frames);
  const auto y = static_cast<int32_t>(at % samples / row_samples);
  const AxisPlan plan(work, shape, patch, true);
  const int32_t first = plan.firsts[y], count = plan.counts[y];
  const uint8_t* from = lines + (at / samples * shape.height + first) * row_samples + at % row_samples;
  int32_t sum = 0;
  for (int32_t k = 0; k < count; ++k, from += row_samples) {
    sum += plan.weights[static_cast<int64_t>(y) * plan.most_taps + k] * static_cast<int32_t>(*from);
  }
  const auto channel = static_cast<int>(at % 3);
  const auto value = static_cast<float>(to_byte(sum, *plan.precision));
  const float factor = channel == 0 ? scale.scale[0] : channel == 1 ? scale.scale[1] : scale.scale[2];
  const float shift = channel == 0 ? scale.shift[0] : channel == 1 ? scale.shift[1] : scale.shift[2];
  patches[at] = value * factor - shift;
}

Shape shape_of(const RegionPatchesShape& shape) {
  const auto small = [](int64_t value) { return static_cast<int32_t>(value); };
  return {small(shape.clip.depth),
          small(shape.clip.height),
          small(shape.clip.width),
          small(shape.num_maps),
          small(shape.patch.depth),
          small(shape.patch.height),
          small(shape.patch.width),
          small(std::min<int64_t>(shape.num_patches, kPatchesPerLaunch)),
          small(BicubicAxis(shape.clip.width, shape.patch.width).most_taps()),
          small(BicubicAxis(shape.clip.height, shape.patch.height).most_taps())};
}

int64_t plan_bytes(const Shape& shape) {
  return int64_t{4} * shape.num_patches *
         (AxisPlan::words(shape.out_width, shape.taps_x) + AxisPlan::words(shape.out_height, shape.taps_y));
}

}  // namespace

int64_t region_patches_work_bytes(const RegionPatchesShape& given) {
  const Shape shape = shape_of(given);
  return plan_bytes(shape) +
         int64_t{3} * shape.num_patches * shape.num_frames * shape.height * shape.out_width;
}

void launch_region_patches(const uint8_t* frames, const int32_t* labels, const RegionPatchesShape& given,
                           const RegionBox* boxes, const PixelScale& pixels, float* patches, uint8_t* work,
                           void* stream) {
  Shape shape = shape_of(given);
  auto* const plans = reinterpret_cast<int32_t*>(work);
  uint8_t* const lines = work + plan_bytes(shape);
  const int64_t samples = 3 * given.patch.num_voxels();
  const int line_bytes = static_cast<int>(4 * given.clip.width);
  if (line_bytes > kSharedUnasked) allow_shared(&lines_kernel, line_bytes);
  for (int64_t first = 0; first < given.num_patches; first += kPatchesPerLaunch) {
    shape.num_patches = static_cast<int32_t>(std::min<int64_t>(given.num_patches - first, kPatchesPerLaunch));
    Boxes batch{};
    std::copy_n(boxes + first, shape.num_patches, batch.at);
    const int64_t num_lines = int64_t{1} * shape.num_patches * shape.num_frames * shape.height;
    const int64_t blocks = (samples * shape.num_patches + kThreadsPerBlock - 1) / kThreadsPerBlock;
    ACE3D_LAUNCH(plan_kernel, 2 * shape.num_patches, 0, stream, shape, batch, plans);
    ACE3D_LAUNCH(lines_kernel, num_lines, line_bytes, stream, frames, labels, shape, batch, pixels.fill,
                 plans, lines);
    ACE3D_LAUNCH(patches_kernel, blocks, 0, stream, lines, shape, pixels, plans, patches + first * samples);
  }
}

}  // namespace ace3d
