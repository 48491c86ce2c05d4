// A brick and its centres, on the GPU: any number of channels and of centres. All is read from memory where
// it is used, and each sum is an atomic of its own; fast_brick.cuh is the way of most bricks.
#pragma once

#include "slic3d/narrow.cuh"

namespace ace3d {

constexpr float kTie = 1e-6f;  // see assign_simd.cpp

// Which voxels of a brick a lane has: 2 * lane and 2 * lane + 1, neighbours of a row.
struct LaneVoxels {
  int lane;
  __device__ LaneVoxels() : lane(static_cast<int>(threadIdx.x % 32)) {}
  __device__ int t() const { return lane >> 3; }
  __device__ int y() const { return lane >> 1 & 3; }
  __device__ int x() const { return 2 * (lane & 1); }
  __device__ unsigned bits_of(unsigned low, unsigned high) const {
    return (lane < 16 ? low : high) >> (2 * lane & 31) & 3u;
  }
  // A count and the sums of t, y, x, packed for one reduction: 7 bits and three times 8.
  __device__ int packed(bool even, bool odd) const {
    const int place = 1 | t() << 7 | y() << 15 | x() << 23;
    return (even ? place : 0) + (odd ? place + (1 << 23) : 0);
  }
};

__device__ __forceinline__ uint32_t brick_index(const SlicTask& task, const int at[3]) {
  // A clip has fewer than 2^31 voxels.
  return (static_cast<uint32_t>(at[0]) * static_cast<uint32_t>(task.bricks[1]) +
          static_cast<uint32_t>(at[1])) *
             static_cast<uint32_t>(task.bricks[2]) +
         static_cast<uint32_t>(at[2]);
}

// One voxel that no centre reaches stays with the centre that it has; its colours begin at `colors`.
__device__ inline void add_old(const Centers<kDynamic>& centers, int k, const int at[3],
                               const BrickHead& head, const float* colors) {
  if (k < 0) return;
  Word* const own = centers.sums(k);
  atomicAdd(&own[0], Word{1});
  for (int axis = 0; axis < 3; ++axis) atomicAdd(&own[1 + axis], static_cast<Word>(at[axis]));
  for (int64_t c = 0; c < centers.task.channels; ++c) {
    const int units = static_cast<int>(colors[c * kBrickVoxels]) * (1 << __float_as_int(head.at[3]));
    atomicAdd(&own[4 + c], static_cast<Word>(int64_t{units + head.middle_units()[c]}));
  }
}

// What a block knows of its box and all its bricks share.
struct GeneralBox {
  const Centers<kDynamic>& centers;
  uint32_t first_brick;  // of the clip
  int32_t* labels;       // of the clip and map
  int num_centers;       // all of them are looked at
  bool accumulate;
};

// Candidates of a brick that is gone through: centres and the voxels that they reach.
struct GeneralStage {
  float costs[32];
  int centers[32];
  uint64_t reached[32];
};

template <bool kColors>
__device__ void run_general_brick(const GeneralBox& work, const int at[3], GeneralStage& staged) {
  const SlicTask& task = work.centers.task;
  const Centers<kDynamic>& centers = work.centers;
  const LaneVoxels own;
  const uint64_t brick = work.first_brick + brick_index(task, at);
  const BrickHead head{task.heads + brick * head_floats(task.channels), task.channels};
  const unsigned mine = own.bits_of(static_cast<unsigned>(__float_as_int(head.at[0])),
                                    static_cast<unsigned>(__float_as_int(head.at[1])));
  if (!__any_sync(~0u, mine != 0)) return;
  const int first[3] = {4 * at[0], 4 * at[1], 4 * at[2]};
  const Box<kDynamic> box = box_at<kDynamic>(task, first, 4, head.box_middle(), head.box_half());

  // The nearest in the middle of those that reach the whole brick.
  int best = __float_as_int(kUnreached), best_k = 0;
  for (int begin = 0; begin < work.num_centers; begin += 32) {
    const int k = begin + own.lane;
    int rank = __float_as_int(kUnreached);
    if (k < work.num_centers) rank = Candidate<kDynamic>::of<kColors>(centers, k, box).rank();
    const int least = __reduce_min_sync(~0u, rank);
    const unsigned has_least = __ballot_sync(~0u, rank == least);
    if (least < best) best = least, best_k = begin + __ffs(static_cast<int>(has_least)) - 1;
  }
  const Rival<kDynamic, kColors> rival(centers, best_k, __int_as_float(best), box);
  const float tie = kTie * rival.scale;

  const float* const colors = task.colors + brick * task.channels * kBrickVoxels + 2 * own.lane;
  const float d[3] = {static_cast<float>(own.t()) - 1.5f, static_cast<float>(own.y()) - 1.5f,
                      static_cast<float>(own.x()) - 1.5f};
  float lowest[2] = {kUnreached, kUnreached};
  int label[2] = {-1, -1};
  for (int begin = 0; begin < work.num_centers; begin += 32) {
    const int k = begin + own.lane;
    bool kept = false;
    if (k < work.num_centers) {
      const Candidate<kDynamic> candidate = Candidate<kDynamic>::of<kColors>(centers, k, box);
      kept = rival.leaves(centers, candidate, box);
      staged.costs[own.lane] = candidate.cost;
      staged.reached[own.lane] = reached_voxels(Window(centers.window(k)), first);
    }
    unsigned left = __ballot_sync(~0u, kept);
    __syncwarp();
    for (; left != 0; left &= left - 1) {
      const int s = __ffs(static_cast<int>(left)) - 1;
      const float* row = centers.row(begin + s);
      float slopes[3];
      for (int axis = 0; axis < 3; ++axis) {
        slopes[axis] =
            (row[1 + axis] - (static_cast<float>(first[axis]) + 1.5f)) * (-2.0f * centers.weight[axis]);
      }
      float costs[2];
      for (int j = 0; j < 2; ++j) {
        costs[j] = __fmaf_rn(slopes[2], d[2] + static_cast<float>(j), staged.costs[s]);
        costs[j] = __fmaf_rn(slopes[0], d[0], __fmaf_rn(slopes[1], d[1], costs[j]));
      }
      for (int64_t c = 0; kColors && c < task.channels; ++c) {
        const float slope = (row[4 + c] - head.middle()[c]) * (-2.0f * head.at[2]);
        for (int j = 0; j < 2; ++j) costs[j] = __fmaf_rn(slope, colors[c * kBrickVoxels + j], costs[j]);
      }
      const unsigned reached = static_cast<unsigned>(staged.reached[s] >> (2 * own.lane)) & 3u;
      for (int j = 0; j < 2; ++j) {
        if (costs[j] < lowest[j] && (reached >> j & 1) != 0) lowest[j] = costs[j] - tie, label[j] = begin + s;
      }
    }
    __syncwarp();  // before others are staged
  }

  const int64_t row =
      (int64_t{first[0] + own.t()} * task.shape.height + first[1] + own.y()) * task.shape.width;
  int32_t* const to = work.labels + row + first[2] + own.x();
  bool pending[2];
  for (int j = 0; j < 2; ++j) {
    const bool counts = (mine >> j & 1) != 0;
    pending[j] = counts && label[j] >= 0;
    if (pending[j]) to[j] = label[j];
    if (counts && label[j] < 0 && work.accumulate) {
      const int here[3] = {first[0] + own.t(), first[1] + own.y(), first[2] + own.x() + j};
      add_old(centers, to[j], here, head, colors + j);
    }
  }
  while (work.accumulate) {
    const unsigned left = __ballot_sync(~0u, pending[0] || pending[1]);
    if (left == 0) return;
    const int k = __shfl_sync(~0u, pending[0] ? label[0] : label[1], __ffs(static_cast<int>(left)) - 1);
    const bool won[2] = {pending[0] && label[0] == k, pending[1] && label[1] == k};
    const int sum = __reduce_add_sync(~0u, own.packed(won[0], won[1])), count = sum & 127;
    Word* const sums = centers.sums(k);
    if (own.lane == 0) atomicAdd(&sums[0], static_cast<Word>(count));
    if (own.lane >= 1 && own.lane < 4) {
      const int from = own.lane == 1 ? first[0] : own.lane == 2 ? first[1] : first[2];
      atomicAdd(&sums[own.lane],
                static_cast<Word>(count * int64_t{from} + (sum >> (8 * own.lane - 1) & 255)));
    }
    for (int64_t c = 0; c < task.channels; ++c) {
      int quanta = 0;
      for (int j = 0; j < 2; ++j) quanta += won[j] ? static_cast<int>(colors[c * kBrickVoxels + j]) : 0;
      const int64_t units = int64_t{__reduce_add_sync(~0u, quanta)} * (1 << __float_as_int(head.at[3])) +
                            int64_t{count} * head.middle_units()[c];
      if (own.lane == 0) atomicAdd(&sums[4 + c], static_cast<Word>(units));
    }
    for (int j = 0; j < 2; ++j) pending[j] = pending[j] && !won[j];
  }
}

}  // namespace ace3d
