// Every voxel to its nearest centre, on the GPU: the labels of assign_simd.cpp.
//
// A block takes a box: all its threads choose the centres that can win there, then each warp takes bricks,
// one at a time. Sums of what centres won are whole numbers, so their order does not matter: 32-bit parts by
// centre of the box in shared memory, then one 64-bit atomic for each sum.
#define ACE3D_WITH_CUDA
#include "slic3d/fast_brick.cuh"
#include "slic3d/general_brick.cuh"

namespace ace3d {
namespace {

// Blocks that are to fit a multiprocessor at once, as far as registers go without spills.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900 && __CUDA_ARCH__ < 1000
constexpr int kBlocksAtOnce = 3;
#else
constexpr int kBlocksAtOnce = 2;
#endif

// The least of the block and the first centre that has it; all threads call it once.
__device__ void nearest_of_block(int rank, int k, int* least, int* least_k) {
  __shared__ int ranks[kWarps], ks[kWarps];
  const int of_warp = __reduce_min_sync(~0u, rank);
  const int first = __reduce_min_sync(~0u, rank == of_warp ? k : 0x7fffffff);
  if (threadIdx.x % 32 == 0) ranks[threadIdx.x / 32] = of_warp, ks[threadIdx.x / 32] = first;
  __syncthreads();
  *least = ranks[0], *least_k = ks[0];
#pragma unroll 1
  for (int w = 1; w < kWarps; ++w) {
    if (ranks[w] < *least || (ranks[w] == *least && ks[w] < *least_k)) *least = ranks[w], *least_k = ks[w];
  }
}

// The centres that can win in a box, ascending, into `list`, and whether some of them do not reach all of it.
// Returns how many, though no more than kListed are written.
template <int C>
__device__ int list_centers(const Centers<C>& centers, int num_centers, const Box<C>& box, int* list,
                            bool* partial) {
  __shared__ int counts[kWarps];
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
  int best = __float_as_int(kUnreached), best_k = 0;
#pragma unroll 1
  for (int k = thread; k < num_centers; k += kThreadsPerBlock) {
    const int rank = Candidate<C>::template of<true>(centers, k, box).rank();
    if (rank < best) best = rank, best_k = k;
  }
  int least, rival_k;
  nearest_of_block(best, best_k, &least, &rival_k);
  const Rival<C, true> rival(centers, rival_k, __int_as_float(least), box);
  int size = 0;
  bool some_partial = false;
#pragma unroll 1
  for (int begin = 0; begin < num_centers; begin += kThreadsPerBlock) {
    const int k = begin + thread;
    bool kept = false;
    if (k < num_centers) {
      const Candidate<C> candidate = Candidate<C>::template of<true>(centers, k, box);
      kept = rival.leaves(centers, candidate, box);
      some_partial |= kept && !candidate.covers;
    }
    const unsigned of_warp = __ballot_sync(~0u, kept);
    if (lane == 0) counts[warp] = __popc(of_warp);
    __syncthreads();
    int at = size + __popc(of_warp & ((1u << lane) - 1u));
#pragma unroll 1
    for (int w = 0; w < kWarps; ++w) {
      if (w < warp) at += counts[w];
      size += counts[w];
    }
    if (kept && at < kListed) list[at] = k;
    __syncthreads();
  }
  *partial = __syncthreads_or(some_partial ? 1 : 0) != 0 || size == 0;
  return size;
}

// A block's place: clip, map and box, and what there is to know of them.
struct BlockPlace {
  int64_t clip, m, box, state;
  int corner[3], per_side;  // in boxes; bricks along a side
  __device__ explicit BlockPlace(const SlicTask& task) {
    // A launch has fewer than 2^31 blocks: divisions of 32 bits.
    const auto num_boxes = static_cast<unsigned>(task.num_boxes), rows = static_cast<unsigned>(task.boxes[1]);
    const auto columns = static_cast<unsigned>(task.boxes[2]),
               num_maps = static_cast<unsigned>(task.num_maps);
    const unsigned job = blockIdx.x / num_boxes, here = blockIdx.x % num_boxes;
    box = here;
    m = job % num_maps, clip = job / num_maps;
    state = clip * task.all_maps + task.first_map + m;
    corner[0] = static_cast<int>(here / columns / rows);
    corner[1] = static_cast<int>(here / columns % rows);
    corner[2] = static_cast<int>(here % columns);
    per_side = task.box_side / 4;
  }
  __device__ bool has_nothing_to_do(const SlicTask& task, bool first) const {
    return task.done[state] != 0 || (first && task.maps[m].analytic);
  }
  template <int C>
  __device__ Centers<C> centers(const SlicTask& task) const {
    const MapTask& map = task.maps[m];
    return {task,
            static_cast<uint32_t>(task.center(clip, map)),
            {map.weight[0], map.weight[1], map.weight[2]},
            task.errors[state]};
  }
  // Each brick of the box to one of the warps.
  template <class Run>
  __device__ void each_brick(const SlicTask& task, const Run& run) const {
    const int log = per_side == 4 ? 2 : 1;
#pragma unroll 1
    for (int i = static_cast<int>(threadIdx.x / 32); i < 1 << (3 * log); i += kWarps) {
      const int at[3] = {corner[0] * per_side + (i >> (2 * log)),
                         corner[1] * per_side + (i >> log & (per_side - 1)),
                         corner[2] * per_side + (i & (per_side - 1))};
      if (at[0] < task.bricks[0] && at[1] < task.bricks[1] && at[2] < task.bricks[2]) run(at);
    }
  }
};

template <bool kColors>
__device__ void run_general(const SlicTask& task, const BlockPlace& place, bool accumulate,
                            GeneralStage* staged) {
  const Centers<kDynamic> centers = place.centers<kDynamic>(task);
  const GeneralBox work{centers, static_cast<uint32_t>(place.clip * task.num_bricks),
                        task.labels_of(place.clip, place.m), static_cast<int>(task.maps[place.m].num_centers),
                        accumulate};
  place.each_brick(task,
                   [&](const int at[3]) { run_general_brick<kColors>(work, at, staged[threadIdx.x / 32]); });
}

// One block a clip, map and box.
template <bool kColors>
__global__ void __launch_bounds__(kThreadsPerBlock, kBlocksAtOnce)
    assign_general_kernel(SlicTask task, bool accumulate, bool first) {
  __shared__ GeneralStage staged[kWarps];
  const BlockPlace place(task);
  if (!place.has_nothing_to_do(task, first)) run_general<kColors>(task, place, accumulate, staged);
}

template <int C>
__global__ void __launch_bounds__(kThreadsPerBlock, kBlocksAtOnce)
    assign_kernel(SlicTask task, bool accumulate, bool first) {
  constexpr int kPart = kPartSums<C>;
  __shared__ Listed listed;
  __shared__ int parts[kListed * kPart];
  __shared__ union {
    Staged fast[kWarps];
    GeneralStage general[kWarps];
  } staged;
  const BlockPlace place(task);
  if (place.has_nothing_to_do(task, first)) return;
  const Centers<C> centers = place.centers<C>(task);
  const int origin[3] = {place.corner[0] * task.box_side, place.corner[1] * task.box_side,
                         place.corner[2] * task.box_side};
  const float* color_box = task.color_boxes + (place.clip * task.num_boxes + place.box) * 2 * C;
  const int thread = static_cast<int>(threadIdx.x),
            num_centers = static_cast<int>(task.maps[place.m].num_centers);
  bool partial;
  const int found =
      list_centers<C>(centers, num_centers, box_at<C>(task, origin, task.box_side, color_box, color_box + C),
                      listed.centers, &partial);
  if (found > kListed) {
    run_general<true>(task, place, accumulate, staged.general);
    return;
  }
  for (int i = thread; i < 2 * found; i += kThreadsPerBlock) {
    const int k = listed.centers[i / 2];
    listed.rows[i / 2][i % 2] = reinterpret_cast<const float4*>(centers.row(k))[i % 2];
    listed.windows[i / 2][i % 2] = centers.window(k)[i % 2];
  }
  for (int i = thread; i < found * kPart; i += kThreadsPerBlock) parts[i] = 0;
  if (thread == 0) {
    listed.slack = 0.0f;
    for (int axis = 0; axis < 3; ++axis) {
      listed.weight[axis] = centers.weight[axis];
      listed.slack = __fmaf_rn(centers.weight[axis] * 1.5f, 1.5f, listed.slack);
      listed.origin[axis] = origin[axis];
    }
    listed.error = centers.error;
    listed.first_center = centers.first;
  }
  __syncthreads();
  const FastBox work{task,
                     listed,
                     parts,
                     static_cast<uint32_t>(place.clip * task.num_bricks),
                     task.labels_of(place.clip, place.m),
                     found,
                     partial,
                     accumulate};
  place.each_brick(task,
                   [&](const int at[3]) { run_fast_brick<C>(work, at, staged.fast[threadIdx.x / 32]); });
  if (!accumulate) return;
  __syncthreads();
  for (int i = thread; i < found * 8; i += kThreadsPerBlock) {
    const int f = i % 8, *own = parts + i / 8 * kPart, count = own[0];
    if (count == 0 || f >= 4 + C) continue;
    int64_t value = count;
    if (f >= 1 && f < 4) value = own[f] + int64_t{count} * listed.origin[f - 1];
    if (f >= 4) value = own[2 * f - 4] + int64_t{own[2 * f - 3]} * 65536;
    atomicAdd(place.centers<C>(task).sums(listed.centers[i / 8]) + f, static_cast<Word>(value));
  }
}

}  // namespace

void launch_assign(const SlicTask& task, bool use_colors, bool accumulate, bool first, void* stream) {
  const int64_t blocks = task.num_clips * task.num_maps * task.num_boxes;
  if (!use_colors) {
    ACE3D_LAUNCH(assign_general_kernel<false>, blocks, 0, stream, task, accumulate, first);
  } else if (task.channels == 1) {
    ACE3D_LAUNCH(assign_kernel<1>, blocks, 0, stream, task, accumulate, first);
  } else if (task.channels == 3) {
    ACE3D_LAUNCH(assign_kernel<3>, blocks, 0, stream, task, accumulate, first);
  } else {
    ACE3D_LAUNCH(assign_general_kernel<true>, blocks, 0, stream, task, accumulate, first);
  }
}

}  // namespace ace3d
