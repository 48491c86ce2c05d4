// Gaussian smoothing on the GPU: the bits of gaussian_smooth_cpu.
//
// One pass an axis, T, H, W, from a volume into another: a pass reads and writes each voxel once, as far as
// the caches hold what a block shares. A sample is weights[0] * v[0] and then, from the farthest pair to the
// nearest, weights[d] * (v[-d] + v[d]) added: fused in float, not in double.
#include <algorithm>
#include <vector>

#define ACE3D_WITH_CUDA
#include "common/launch.h"
#include "smooth/smooth.h"
#include "smooth/weights.h"

namespace ace3d {
namespace {

constexpr int kRows = 4;        // samples a thread makes, one after the other along the axis
constexpr int kWeightsAt = 64;  // weights that one launch carries

__device__ __forceinline__ float add_pair(float weight, float before, float after, float sum) {
  return __fmaf_rn(weight, before + after, sum);
}
__device__ __forceinline__ double add_pair(double weight, double before, double after, double sum) {
  return sum + weight * (before + after);
}
__device__ __forceinline__ float4 add_pair(float weight, float4 before, float4 after, float4 sum) {
  return make_float4(add_pair(weight, before.x, after.x, sum.x), add_pair(weight, before.y, after.y, sum.y),
                     add_pair(weight, before.z, after.z, sum.z), add_pair(weight, before.w, after.w, sum.w));
}
__device__ __forceinline__ float scaled(float weight, float value) { return weight * value; }
__device__ __forceinline__ double scaled(double weight, double value) { return weight * value; }
__device__ __forceinline__ float4 scaled(float weight, float4 value) {
  return make_float4(weight * value.x, weight * value.y, weight * value.z, weight * value.w);
}

template <class T>
struct WeightsPart {
  T values[kWeightsAt];
};

// Weights come in the arguments of a launch: nothing is copied from the host, and a graph can hold it.
template <class T>
__global__ void put_weights_kernel(WeightsPart<T> part, int64_t size, T* __restrict__ to) {
  for (int64_t i = threadIdx.x; i < size; i += blockDim.x) to[i] = part.values[i];
}

// [outer, size, inner] along the axis of `size`; V is T, or four T side by side. A block makes 32 columns of
// 32 samples: eight warps of kRows each.
template <class T, class V>
__global__ void weigh_columns_kernel(const V* __restrict__ from, const T* __restrict__ weights,
                                     int64_t radius, int64_t size, int64_t inner, unsigned blocks_inner,
                                     unsigned blocks_size, V* __restrict__ to) {
  const unsigned block_row = blockIdx.x / blocks_inner % blocks_size;
  const int64_t outer = blockIdx.x / blocks_inner / blocks_size;
  const int64_t column = int64_t{blockIdx.x % blocks_inner} * 32 + threadIdx.x % 32;
  const int64_t row = (int64_t{block_row} * 8 + threadIdx.x / 32) * kRows;
  if (column >= inner || row >= size) return;
  const V* origin = from + outer * size * inner + column;
  const int64_t last = size - 1;
  V sums[kRows];
  for (int j = 0; j < kRows; ++j) {
    sums[j] = scaled(weights[0], origin[(row + j < last ? row + j : last) * inner]);
  }
  if (row >= radius && row + kRows + radius <= size) {
    for (int64_t d = radius; d > 0; --d) {
      const T weight = weights[d];
      for (int j = 0; j < kRows; ++j) {
        const V* at = origin + (row + j) * inner;
        sums[j] = add_pair(weight, at[-d * inner], at[d * inner], sums[j]);
      }
    }
  } else {
    for (int64_t d = radius; d > 0; --d) {
      const T weight = weights[d];
      for (int j = 0; j < kRows; ++j) {
        const V before = origin[mirrored(row + j - d, size) * inner];
        const V after = origin[mirrored(row + j + d, size) * inner];
        sums[j] = add_pair(weight, before, after, sums[j]);
      }
    }
  }
  for (int j = 0; j < kRows && row + j < size; ++j) to[(outer * size + row + j) * inner + column] = sums[j];
}

// Along the last axis: a warp a row.
template <class T>
__global__ void weigh_rows_kernel(const T* __restrict__ from, const T* __restrict__ weights, int64_t radius,
                                  int64_t size, int64_t num_rows, T* __restrict__ to) {
  const int64_t number = int64_t{blockIdx.x} * (kThreadsPerBlock / 32) + threadIdx.x / 32;
  if (number >= num_rows) return;
  const T* row = from + number * size;
  for (int64_t x = threadIdx.x % 32; x < size; x += 32) {
    T sum = weights[0] * row[x];
    if (x >= radius && x + radius < size) {
      for (int64_t d = radius; d > 0; --d) sum = add_pair(weights[d], row[x - d], row[x + d], sum);
    } else {
      for (int64_t d = radius; d > 0; --d) {
        sum = add_pair(weights[d], row[mirrored(x - d, size)], row[mirrored(x + d, size)], sum);
      }
    }
    to[number * size + x] = sum;
  }
}

int64_t blocks_for(int64_t size, int64_t per_block) { return (size + per_block - 1) / per_block; }

template <class T, class V>
void weigh_columns(const T* from, const T* weights, int64_t radius, int64_t outer, int64_t size,
                   int64_t inner, T* to, void* stream) {
  const int64_t columns = blocks_for(inner, 32), rows = blocks_for(size, 8 * kRows);
  ACE3D_LAUNCH((weigh_columns_kernel<T, V>), outer * columns * rows, 0, stream,
               reinterpret_cast<const V*>(from), weights, radius, size, inner, static_cast<unsigned>(columns),
               static_cast<unsigned>(rows), reinterpret_cast<V*>(to));
}

template <class T>
void weigh_axis(const T* from, const T* weights, int64_t radius, int64_t outer, int64_t size, int64_t inner,
                T* to, void* stream) {
  if (inner == 1) {
    ACE3D_LAUNCH(weigh_rows_kernel<T>, blocks_for(outer, kThreadsPerBlock / 32), 0, stream, from, weights,
                 radius, size, outer, to);
    return;
  }
  if constexpr (sizeof(T) == 4) {
    const bool aligned =
        reinterpret_cast<uintptr_t>(from) % 16 == 0 && reinterpret_cast<uintptr_t>(to) % 16 == 0;
    if (inner % 4 == 0 && aligned) {
      weigh_columns<T, float4>(from, weights, radius, outer, size, inner / 4, to, stream);
      return;
    }
  }
  weigh_columns<T, T>(from, weights, radius, outer, size, inner, to, stream);
}

// The axes that are smoothed at all, and their weights.
template <class T>
struct Passes {
  std::vector<int> axes;
  std::vector<T> weights[3];
  int64_t num_weights = 0;

  explicit Passes(const double sigma[3]) {
    for (int axis = 0; axis < 3; ++axis) {
      weights[axis] = gaussian_weights<T>(sigma[axis]);
      if (weights[axis].size() == 1) continue;
      axes.push_back(axis);
      num_weights += static_cast<int64_t>(weights[axis].size());
    }
  }
  // Aligned, so that a volume can stand behind them.
  int64_t bytes() const { return (num_weights * static_cast<int64_t>(sizeof(T)) + 255) / 256 * 256; }
};

// Smooth what lies at `first`; results lie in `out` and, between passes, in `other`, by turns.
template <class T>
void run_passes(const Passes<T>& passes, const T* first, T* out, T* other, T* weights, int64_t num_volumes,
                VolumeShape shape, void* stream) {
  const int64_t sizes[3] = {shape.depth, shape.height, shape.width};
  const T* from = first;
  for (size_t i = 0; i < passes.axes.size(); ++i) {
    const int axis = passes.axes[i];
    const std::vector<T>& own = passes.weights[axis];
    for (size_t at = 0; at < own.size(); at += kWeightsAt) {
      WeightsPart<T> part{};
      const size_t size = std::min<size_t>(kWeightsAt, own.size() - at);
      std::copy_n(own.data() + at, size, part.values);
      ACE3D_LAUNCH(put_weights_kernel<T>, 1, 0, stream, part, static_cast<int64_t>(size), weights + at);
    }
    int64_t outer = num_volumes, inner = 1;
    for (int before = 0; before < axis; ++before) outer *= sizes[before];
    for (int after = axis + 1; after < 3; ++after) inner *= sizes[after];
    T* to = (passes.axes.size() - i) % 2 == 1 ? out : other;
    weigh_axis(from, weights, static_cast<int64_t>(own.size()) - 1, outer, sizes[axis], inner, to, stream);
    from = to;
    weights += own.size();
  }
}

}  // namespace

template <class T>
int64_t smooth_work_bytes(int64_t num_volumes, VolumeShape shape, const double sigma[3]) {
  const Passes<T> passes(sigma);
  return passes.axes.empty()
             ? 0
             : passes.bytes() + num_volumes * shape.num_voxels() * static_cast<int64_t>(sizeof(T));
}

template <class T>
void launch_gaussian_smooth(const T* volume, T* out, void* work, int64_t num_volumes, VolumeShape shape,
                            const double sigma[3], void* stream) {
  if (num_volumes == 0) return;
  const Passes<T> passes(sigma);
  if (passes.axes.empty()) {
    const size_t bytes = sizeof(T) * static_cast<size_t>(num_volumes * shape.num_voxels());
    check_cuda(
        cudaMemcpyAsync(out, volume, bytes, cudaMemcpyDeviceToDevice, static_cast<cudaStream_t>(stream)),
        "gaussian_smooth");
    return;
  }
  T* const other = reinterpret_cast<T*>(static_cast<char*>(work) + passes.bytes());
  run_passes(passes, volume, out, other, static_cast<T*>(work), num_volumes, shape, stream);
}

void launch_smooth_lab(const uint8_t* frames, const LightTable* tables, float* out, void* work,
                       int64_t num_clips, VolumeShape shape, const double sigma[3], void* stream) {
  if (num_clips == 0) return;
  const Passes<float> passes(sigma);
  float* const other = reinterpret_cast<float*>(static_cast<char*>(work) + passes.bytes());
  float* const lab = passes.axes.size() % 2 == 0 ? out : other;
  launch_clips_to_lab(frames, tables, lab, num_clips, shape.num_voxels(), stream);
  run_passes(passes, lab, out, other, static_cast<float*>(work), 3 * num_clips, shape, stream);
}

template int64_t smooth_work_bytes<float>(int64_t, VolumeShape, const double[3]);
template int64_t smooth_work_bytes<double>(int64_t, VolumeShape, const double[3]);
template void launch_gaussian_smooth<float>(const float*, float*, void*, int64_t, VolumeShape,
                                            const double[3], void*);
template void launch_gaussian_smooth<double>(const double*, double*, void*, int64_t, VolumeShape,
                                             const double[3], void*);

}  // namespace ace3d
