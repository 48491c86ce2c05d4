// region_pool on the GPU.
//
//   features  [N, C, cells]   labels  [N, S, voxels]   sums  [N, R, C]   counts  [N, R]; both zeroed by the
//   launcher
//
// One block owns one (clip, channel): it walks the points of the finer grid and adds each feature to its
// region. Blocks of channel 0 count the points. Sums are added by atomics: their order, and so their last
// bits, may differ from run to run.
#include "common/launch.h"
#define ACE3D_WITH_CUDA
#include "region_pool/region_pool.h"

namespace ace3d {
namespace {

__device__ __forceinline__ int64_t finer(int64_t a, int64_t b) { return a > b ? a : b; }

__global__ void region_sums_kernel(const float* __restrict__ features, const int32_t* __restrict__ labels,
                                   RegionGrid shape, float* __restrict__ sums,
                                   unsigned long long* __restrict__ counts) {
  const int64_t clip = blockIdx.x / shape.num_channels, channel = blockIdx.x % shape.num_channels;
  const int64_t depth = finer(shape.cells[0], shape.voxels[0]),
                height = finer(shape.cells[1], shape.voxels[1]),
                width = finer(shape.cells[2], shape.voxels[2]);
  const float* row = features + (clip * shape.num_channels + channel) * shape.num_cells();
  for (int64_t point = threadIdx.x; point < depth * height * width; point += blockDim.x) {
    const int64_t t = point / (height * width), y = point / width % height, x = point % width;
    const int64_t cell =
        (t * shape.cells[0] / depth * shape.cells[1] + y * shape.cells[1] / height) * shape.cells[2] +
        x * shape.cells[2] / width;
    const int64_t voxel =
        (t * shape.voxels[0] / depth * shape.voxels[1] + y * shape.voxels[1] / height) * shape.voxels[2] +
        x * shape.voxels[2] / width;
    for (int64_t map = 0; map < shape.num_maps; ++map) {
      const int32_t region = labels[(clip * shape.num_maps + map) * shape.num_voxels() + voxel];
      if (region < 0 || region >= shape.num_regions) continue;
      atomicAdd(&sums[(clip * shape.num_regions + region) * shape.num_channels + channel], row[cell]);
      if (channel == 0) atomicAdd(&counts[clip * shape.num_regions + region], 1ull);
    }
  }
}

__global__ void divide_kernel(float* __restrict__ sums, const int64_t* __restrict__ counts,
                              int64_t num_channels, int64_t num_values) {
  const int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
  if (i >= num_values || counts[i / num_channels] == 0) return;
  sums[i] /= static_cast<float>(counts[i / num_channels]);
}

}  // namespace

void launch_region_pool(const float* features, const int32_t* labels, const RegionGrid& shape, bool mean,
                        float* sums, int64_t* counts, void* stream) {
  const int64_t num_sums = shape.num_clips * shape.num_regions;
  const auto queue = static_cast<cudaStream_t>(stream);
  check_cuda(cudaMemsetAsync(sums, 0, sizeof(float) * num_sums * shape.num_channels, queue), "region_pool");
  check_cuda(cudaMemsetAsync(counts, 0, sizeof(int64_t) * num_sums, queue), "region_pool");
  if (num_sums * shape.num_channels == 0) return;
  ACE3D_LAUNCH(region_sums_kernel, shape.num_clips * shape.num_channels, 0, stream, features, labels, shape,
               sums, reinterpret_cast<unsigned long long*>(counts));
  if (!mean) return;
  const int64_t num_values = num_sums * shape.num_channels;
  ACE3D_LAUNCH(divide_kernel, (num_values + kThreadsPerBlock - 1) / kThreadsPerBlock, 0, stream, sums, counts,
               shape.num_channels, num_values);
}

}  // namespace ace3d
