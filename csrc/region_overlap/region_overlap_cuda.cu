// region_overlap on the GPU: voxels of a warp that form the same pair are counted by one of its lanes.
#include "common/team.cuh"
#define ACE3D_WITH_CUDA
#include "region_overlap/region_overlap.h"

namespace ace3d {
namespace {

using Word = unsigned long long;

constexpr int kVoxelsPerBlock = 8 * kThreadsPerBlock;

__global__ void overlap_kernel(const int32_t* __restrict__ a, const int32_t* __restrict__ b,
                               int64_t num_voxels, int64_t num_a, int64_t num_b, int64_t blocks,
                               Word* __restrict__ counts) {
  const int64_t clip = blockIdx.x / blocks, first = blockIdx.x % blocks * kVoxelsPerBlock;
  Word* const of_clip = counts + clip * num_a * num_b;
  for (int64_t step = 0; step < kVoxelsPerBlock; step += kThreadsPerBlock) {
    const int64_t voxel = first + step + threadIdx.x;
    const int64_t i = voxel < num_voxels ? a[clip * num_voxels + voxel] : -1;
    const int64_t j = voxel < num_voxels ? b[clip * num_voxels + voxel] : -1;
    const bool inside = i >= 0 && i < num_a && j >= 0 && j < num_b;
    const int64_t pair = inside ? i * num_b + j : -1;
    const unsigned same = __match_any_sync(kAllLanes, pair);
    const bool speaks = __ffs(static_cast<int>(same)) - 1 == WarpTeam().rank();
    if (inside && speaks) atomicAdd(&of_clip[pair], static_cast<Word>(__popc(same)));
  }
}

}  // namespace

void launch_region_overlap(const int32_t* a, const int32_t* b, int64_t num_clips, int64_t num_voxels,
                           int64_t num_a, int64_t num_b, int64_t* counts, void* stream) {
  const int64_t blocks = (num_voxels + kVoxelsPerBlock - 1) / kVoxelsPerBlock;
  if (num_clips * blocks * num_a * num_b == 0) return;
  ACE3D_LAUNCH(overlap_kernel, num_clips * blocks, 0, stream, a, b, num_voxels, num_a, num_b, blocks,
               reinterpret_cast<Word*>(counts));
}

}  // namespace ace3d
