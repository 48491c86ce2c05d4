// region_pool on the GPU.
//
//   features  [N, C, cells]   labels  [N, S, voxels]   pooled  [N, R, C]   counts  [N, R]
//   work      [2, N, R, C] 64-bit integers: sums, and which of NaN, inf and -inf a sum has met
//
// One block owns one (clip, channel). It finds the largest magnitude of its features and adds them as whole
// multiples of 2^-30 of the power of two above it, so that sums are the same in any order: bit for bit from
// run to run. A value is off by at most 2^-31 of the largest one in its channel. Values that are not finite
// reach the regions they lie in and no other.
#include "common/launch.h"
#define ACE3D_WITH_CUDA
#include "region_pool/region_pool.h"

namespace ace3d {
namespace {

using Word = unsigned long long;

constexpr int kFractionBits = 30;
constexpr Word kNan = 1, kInf = 2, kMinusInf = 4;

__device__ __forceinline__ int64_t finer(int64_t a, int64_t b) { return a > b ? a : b; }

// The points of the finer grid, and where features and labels have them.
struct Points {
  int64_t depth, height, width;
  __device__ explicit Points(const RegionGrid& grid)
      : depth(finer(grid.cells[0], grid.voxels[0])),
        height(finer(grid.cells[1], grid.voxels[1])),
        width(finer(grid.cells[2], grid.voxels[2])) {}
  __device__ int64_t count() const { return depth * height * width; }
  __device__ int64_t index(int64_t point, const int64_t size[3]) const {
    const int64_t t = point / (height * width), y = point / width % height, x = point % width;
    return (t * size[0] / depth * size[1] + y * size[1] / height) * size[2] + x * size[2] / width;
  }
};

__global__ void count_points_kernel(const int32_t* __restrict__ labels, RegionGrid grid,
                                    Word* __restrict__ counts) {
  const Points points(grid);
  const int64_t clip = blockIdx.x;
  for (int64_t point = threadIdx.x; point < points.count(); point += blockDim.x) {
    const int64_t voxel = points.index(point, grid.voxels);
    for (int64_t map = 0; map < grid.num_maps; ++map) {
      const int32_t region = labels[(clip * grid.num_maps + map) * grid.num_voxels() + voxel];
      if (region >= 0 && region < grid.num_regions) {
        atomicAdd(&counts[clip * grid.num_regions + region], Word{1});
      }
    }
  }
}

// The power of two above the largest finite magnitude of a row, for all threads of the block.
__device__ int exponent_above(const float* row, int64_t num_cells) {
  __shared__ int largest_bits;
  if (threadIdx.x == 0) largest_bits = 0;
  __syncthreads();
  int bits = 0;
  for (int64_t cell = threadIdx.x; cell < num_cells; cell += blockDim.x) {
    const int magnitude = __float_as_int(row[cell]) & 0x7fffffff;
    if (magnitude < 0x7f800000 && magnitude > bits) bits = magnitude;
  }
  atomicMax(&largest_bits, bits);
  __syncthreads();
  const int exponent = (largest_bits >> 23) - 126;
  __syncthreads();  // before another call sets it to 0
  return exponent;
}

__global__ void pool_kernel(const float* __restrict__ features, const int32_t* __restrict__ labels,
                            RegionGrid grid, bool mean, const int64_t* __restrict__ counts,
                            Word* __restrict__ sums, Word* __restrict__ flags, float* __restrict__ pooled) {
  const Points points(grid);
  const int64_t clip = blockIdx.x / grid.num_channels, channel = blockIdx.x % grid.num_channels;
  const float* row = features + (clip * grid.num_channels + channel) * grid.num_cells();
  const int shift = kFractionBits - exponent_above(row, grid.num_cells());
  for (int64_t point = threadIdx.x; point < points.count(); point += blockDim.x) {
    const float value = row[points.index(point, grid.cells)];
    const int64_t voxel = points.index(point, grid.voxels);
    const int magnitude = __float_as_int(value) & 0x7fffffff;
    const bool finite = magnitude < 0x7f800000;
    const Word flag = finite ? 0 : magnitude > 0x7f800000 ? kNan : value > 0 ? kInf : kMinusInf;
    const int64_t whole = finite ? static_cast<int64_t>(rint(ldexp(static_cast<double>(value), shift))) : 0;
    for (int64_t map = 0; map < grid.num_maps; ++map) {
      const int32_t region = labels[(clip * grid.num_maps + map) * grid.num_voxels() + voxel];
      if (region < 0 || region >= grid.num_regions) continue;
      const int64_t at = (clip * grid.num_regions + region) * grid.num_channels + channel;
      atomicAdd(&sums[at], static_cast<Word>(whole));
      if (!finite) atomicOr(&flags[at], flag);
    }
  }
  __syncthreads();
  for (int64_t region = threadIdx.x; region < grid.num_regions; region += blockDim.x) {
    const int64_t count = counts[clip * grid.num_regions + region];
    const int64_t at = (clip * grid.num_regions + region) * grid.num_channels + channel;
    const double sum = ldexp(static_cast<double>(static_cast<int64_t>(sums[at])), -shift);
    const double infinity = static_cast<double>(INFINITY);
    const Word flag = flags[at];
    double result = mean && count > 0 ? sum / static_cast<double>(count) : sum;
    if (flag == kInf) result = infinity;
    if (flag == kMinusInf) result = -infinity;
    if ((flag & kNan) != 0 || flag == (kInf | kMinusInf)) result = infinity - infinity;
    pooled[at] = static_cast<float>(result);
  }
}

}  // namespace

int64_t region_pool_work_words(const RegionGrid& grid) {
  return 2 * grid.num_clips * grid.num_regions * grid.num_channels;
}

void launch_region_pool(const float* features, const int32_t* labels, const RegionGrid& grid, bool mean,
                        float* pooled, int64_t* counts, int64_t* work, void* stream) {
  const int64_t num_counts = grid.num_clips * grid.num_regions, num_values = num_counts * grid.num_channels;
  const auto queue = static_cast<cudaStream_t>(stream);
  if (num_counts == 0) return;
  check_cuda(cudaMemsetAsync(counts, 0, sizeof(int64_t) * num_counts, queue), "region_pool");
  ACE3D_LAUNCH(count_points_kernel, grid.num_clips, 0, stream, labels, grid, reinterpret_cast<Word*>(counts));
  if (num_values == 0) return;
  check_cuda(cudaMemsetAsync(work, 0, sizeof(int64_t) * region_pool_work_words(grid), queue), "region_pool");
  auto* const sums = reinterpret_cast<Word*>(work);
  ACE3D_LAUNCH(pool_kernel, grid.num_clips * grid.num_channels, 0, stream, features, labels, grid, mean,
               counts, sums, sums + num_values, pooled);
}

}  // namespace ace3d
