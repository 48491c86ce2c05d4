// Every voxel to its nearest centre, on the GPU: the labels of assign_simd.cpp.
//
// A block takes a box: all its threads choose the centres that can win there, then each warp takes bricks,
// one at a time. For a brick a lane looks at a centre; those that can still win leave their costs, as affine
// functions of position and colour, in shared memory, and each lane goes through them for its two voxels:
// 2 * lane and 2 * lane + 1. Sums of what centres won are whole numbers, so their order does not matter:
// 32-bit parts by centre of the box in shared memory, then one 64-bit atomic for each sum.
//
// The choice need not be the CPU's: whoever is left out loses by more than rounding everywhere.
#define ACE3D_WITH_CUDA
#include "slic3d/narrow.cuh"

namespace ace3d {
namespace {

constexpr float kTie = 1e-6f;  // see assign_simd.cpp
constexpr int kListed = 128;   // centres of a box; where there are more, bricks look at all
constexpr int kSlots = 64;     // of these have their sums in shared memory

// Bits of the voxels of a brick at those coordinates of the three axes whose bits are set.
__device__ __forceinline__ uint64_t voxels_at(unsigned t, unsigned y, unsigned x) {
  const unsigned rows = (y & 1) * 0xf | (y >> 1 & 1) * 0xf0 | (y >> 2 & 1) * 0xf00 | (y >> 3 & 1) * 0xf000;
  const unsigned plane = rows & x * 0x1111u;
  return (t & 1 ? uint64_t{plane} : 0) | (t & 2 ? uint64_t{plane} << 16 : 0) |
         (t & 4 ? uint64_t{plane} << 32 : 0) | (t & 8 ? uint64_t{plane} << 48 : 0);
}

__device__ uint64_t reached_voxels(const Window& window, const int first[3]) {
  unsigned set[3];
  for (int axis = 0; axis < 3; ++axis) {
    const int begin = window.begin[axis] - first[axis], end = window.end[axis] - first[axis];
    const unsigned after = begin <= 0 ? 15u : begin < 4 ? 15u << begin & 15u : 0u;
    const unsigned before = end >= 4 ? 15u : end > 0 ? (1u << end) - 1u : 0u;
    set[axis] = after & before;
  }
  return voxels_at(set[0], set[1], set[2]);
}

// The least of the block and the first centre that has it; all threads call it once.
__device__ void nearest_of_block(int rank, int k, int* least, int* least_k) {
  __shared__ int ranks[kWarps], ks[kWarps];
  const int of_warp = __reduce_min_sync(~0u, rank);
  const int first = __reduce_min_sync(~0u, rank == of_warp ? k : 0x7fffffff);
  if (threadIdx.x % 32 == 0) ranks[threadIdx.x / 32] = of_warp, ks[threadIdx.x / 32] = first;
  __syncthreads();
  *least = ranks[0], *least_k = ks[0];
  for (int w = 1; w < kWarps; ++w) {
    if (ranks[w] < *least || (ranks[w] == *least && ks[w] < *least_k)) *least = ranks[w], *least_k = ks[w];
  }
}

// The centres that can win in a box, ascending, into `list`; returns how many, though no more than kListed
// are written.
template <int C, bool kColors>
__device__ int list_centers(const Centers& centers, int num_centers, const Box<C>& box, int* list) {
  __shared__ int counts[kWarps];
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
  int best = __float_as_int(kUnreached), best_k = 0;
  for (int k = thread; k < num_centers; k += kThreadsPerBlock) {
    const int rank = Candidate<C>::template of<kColors>(centers, k, box).rank();
    if (rank < best) best = rank, best_k = k;
  }
  int least, rival_k;
  nearest_of_block(best, best_k, &least, &rival_k);
  const Rival<C, kColors> rival(centers, rival_k, __int_as_float(least), box);
  int size = 0;
  for (int begin = 0; begin < num_centers; begin += kThreadsPerBlock) {
    const int k = begin + thread;
    const bool kept =
        k < num_centers && rival.leaves(centers, Candidate<C>::template of<kColors>(centers, k, box), box);
    const unsigned of_warp = __ballot_sync(~0u, kept);
    if (lane == 0) counts[warp] = __popc(of_warp);
    __syncthreads();
    int at = size + __popc(of_warp & ((1u << lane) - 1u));
    for (int w = 0; w < kWarps; ++w) {
      if (w < warp) at += counts[w];
      size += counts[w];
    }
    if (kept && at < kListed) list[at] = k;
    __syncthreads();
  }
  return size;
}

// What a warp works with in shared memory: the candidates of its brick.
struct Staged {
  float slopes[32][8];  // cost in the middle, slopes along t, y, x and of up to four colours
  int slots[32];
  uint64_t reached[32];
};

// Sums of one centre of the box: count, t, y, x from the box's first voxel, low and high parts of colours.
template <int C>
struct PartSums {
  static constexpr int kSize = 4 + 2 * (C == kDynamic ? 0 : C);
};

// A block at work on its box.
template <int C, bool kColors>
struct BoxWork {
  const SlicTask& task;
  const Centers& centers;
  int64_t clip;
  Word* sums;       // of the centres, in global memory
  int32_t* labels;  // of the clip and map
  const int* list;  // null: all centres
  int num_listed, origin[3];
  bool accumulate;
  int* parts;  // [slot, PartSums::kSize]

  __device__ int64_t channels() const { return C == kDynamic ? task.channels : C; }
  __device__ int center_of(int slot) const { return list != nullptr ? list[slot] : slot; }

  // Add voxels that a centre has won, all lanes: how many, the sum of their offsets in the brick, their
  // colours.
  template <class Totals>
  __device__ void add(int slot, int count, const int offsets[3], const int first[3], const BrickHead& head,
                      const Totals& totals) const {
    const int lane = static_cast<int>(threadIdx.x % 32), shift = __float_as_int(head.at[3]);
    if constexpr (C != kDynamic) {
      const bool shared = list != nullptr && slot < kSlots;
      int value = lane == 0 ? count : 0;
      for (int axis = 0; axis < 3; ++axis) {
        const int from = shared ? first[axis] - origin[axis] : first[axis];
        if (lane == 1 + axis) value = count * from + offsets[axis];
      }
      for (int c = 0; c < C; ++c) {
        const int units = totals(c) * (1 << shift) + count * head.middle_units()[c];
        if (shared) {
          if (lane == 4 + 2 * c) value = units & 0xffff;
          if (lane == 5 + 2 * c) value = units >> 16;
        } else if (lane == 4 + c) {
          value = units;
        }
      }
      if (shared) {
        if (lane < PartSums<C>::kSize) atomicAdd(&parts[slot * PartSums<C>::kSize + lane], value);
      } else if (lane < 4 + C) {
        const int64_t at = center_of(slot) * sums_stride() + lane;
        atomicAdd(&sums[at], static_cast<Word>(static_cast<int64_t>(value)));
      }
    } else {
      Word* const own = sums + center_of(slot) * sums_stride();
      if (lane == 0) atomicAdd(&own[0], static_cast<Word>(count));
      if (lane >= 1 && lane < 4) {
        const int at = lane == 1 ? first[0] : lane == 2 ? first[1] : first[2];
        const int offset = lane == 1 ? offsets[0] : lane == 2 ? offsets[1] : offsets[2];
        atomicAdd(&own[lane], static_cast<Word>(count) * at + offset);
      }
      for (int64_t c = 0; c < task.channels; ++c) {
        const int64_t units = int64_t{totals(c)} * (1 << shift) + int64_t{count} * head.middle_units()[c];
        if (lane == 0) atomicAdd(&own[4 + c], static_cast<Word>(units));
      }
    }
  }

  __device__ int64_t sums_stride() const { return sums_stride_of(channels()); }

  // One voxel that no centre reaches: it stays with the centre that it has.
  __device__ void add_old(int64_t voxel, const int at[3], const BrickHead& head, const float* colors) const {
    const int k = labels[voxel];
    if (k < 0) return;
    Word* const own = sums + k * sums_stride();
    atomicAdd(&own[0], Word{1});
    for (int axis = 0; axis < 3; ++axis) atomicAdd(&own[1 + axis], static_cast<Word>(at[axis]));
    for (int64_t c = 0; c < channels(); ++c) {
      const int units = static_cast<int>(colors[c * kBrickVoxels]) * (1 << __float_as_int(head.at[3]));
      atomicAdd(&own[4 + c], static_cast<Word>(int64_t{units + head.middle_units()[c]}));
    }
  }

  // Counts and offsets of the voxels of a warp, packed: 7 bits and three times 8.
  static __device__ int packed(int lane, bool even, bool odd) {
    const int place = 1 | (lane >> 3) << 7 | (lane >> 1 & 3) << 15 | 2 * (lane & 1) << 23;
    return (even ? place : 0) + (odd ? place + (1 << 23) : 0);
  }

  template <class Totals>
  __device__ void add_packed(int slot, int sum, const int first[3], const BrickHead& head,
                             const Totals& totals) const {
    const int offsets[3] = {sum >> 7 & 255, sum >> 15 & 255, sum >> 23 & 255};
    add(slot, sum & 127, offsets, first, head, totals);
  }

  __device__ void store(int64_t voxel, int slot_even, int slot_odd) const {
    if (slot_even >= 0 && slot_odd >= 0 && task.shape.width % 2 == 0) {
      *reinterpret_cast<int2*>(labels + voxel) = make_int2(center_of(slot_even), center_of(slot_odd));
      return;
    }
    if (slot_even >= 0) labels[voxel] = center_of(slot_even);
    if (slot_odd >= 0) labels[voxel + 1] = center_of(slot_odd);
  }

  __device__ void run_brick(const int at[3], Staged& staged) const;
};

template <int C, bool kColors>
__device__ void BoxWork<C, kColors>::run_brick(const int at[3], Staged& staged) const {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int64_t brick = (at[0] * task.bricks[1] + at[1]) * task.bricks[2] + at[2];
  const BrickHead head{task.head(clip, brick), channels()};
  const int mine = __float_as_int(head.at[lane / 16]) >> (2 * lane & 31) & 3;
  const bool even_counts = (mine & 1) != 0, odd_counts = (mine & 2) != 0;
  if (!__any_sync(~0u, mine != 0)) return;
  const int first[3] = {4 * at[0], 4 * at[1], 4 * at[2]};
  const Box<C> box = box_at<C>(task, first, 4, head.box_middle(), head.box_half());
  const int here[3] = {first[0] + (lane >> 3), first[1] + (lane >> 1 & 3), first[2] + 2 * (lane & 1)};
  const int64_t voxel = (here[0] * task.shape.height + here[1]) * task.shape.width + here[2];

  // The nearest in the middle of those that reach the whole brick.
  const bool one_round = num_listed <= 32;
  int best = __float_as_int(kUnreached), best_slot = 0;
  for (int begin = 0; begin < num_listed; begin += 32) {
    const int slot = begin + lane;
    int rank = __float_as_int(kUnreached);
    if (slot < num_listed) rank = Candidate<C>::template of<kColors>(centers, center_of(slot), box).rank();
    const int least = __reduce_min_sync(~0u, rank);
    if (least < best)
      best = least, best_slot = begin + __ffs(static_cast<int>(__ballot_sync(~0u, rank == least))) - 1;
  }
  const int rival_k = num_listed > 0 ? center_of(best_slot) : 0;
  const Rival<C, kColors> rival(centers, rival_k, __int_as_float(best), box);
  const float tie = kTie * rival.scale;

  const float* const colors = task.colors_of(clip, brick) + 2 * lane;
  float even_color[C == kDynamic ? 1 : C], odd_color[C == kDynamic ? 1 : C];
  float even_lowest = kUnreached, odd_lowest = kUnreached;
  int even_slot = -1, odd_slot = -1;
  for (int begin = 0; begin < num_listed; begin += 32) {
    const int slot = begin + lane;
    const int k = center_of(slot < num_listed ? slot : 0);
    const Candidate<C> own = Candidate<C>::template of<kColors>(centers, k, box);
    const bool kept = slot < num_listed && rival.leaves(centers, own, box);
    const unsigned all_kept = __ballot_sync(~0u, kept);
    const bool all_cover = __all_sync(~0u, !kept || own.covers) != 0;
    const int num_kept = __popc(all_kept);
    if (one_round && num_kept == 1 && all_cover) {  // the brick is won unread
      const int winner = __ffs(static_cast<int>(all_kept)) - 1;
      if (accumulate) {
        const int sum = __reduce_add_sync(~0u, packed(lane, even_counts, odd_counts));
        add_packed(winner, sum, first, head, [&](int64_t c) { return head.totals()[c]; });
      }
      store(voxel, even_counts ? winner : -1, odd_counts ? winner : -1);
      return;
    }
    if constexpr (C != kDynamic) {
      if (begin == 0) {
        for (int c = 0; c < C; ++c) {
          const float2 pair = *reinterpret_cast<const float2*>(colors + c * kBrickVoxels);
          even_color[c] = pair.x, odd_color[c] = pair.y;
        }
      }
    }
    if (kept) {
      const int rank = __popc(all_kept & ((1u << lane) - 1u));
      float* const slopes = staged.slopes[rank];
      slopes[0] = own.cost;
      for (int axis = 0; axis < 3; ++axis) {
        const float middle = static_cast<float>(first[axis]) + 1.5f;
        slopes[1 + axis] = (own.center.at[axis] - middle) * (-2.0f * centers.weight[axis]);
      }
      if constexpr (C != kDynamic) {
        for (int c = 0; c < C; ++c) {
          slopes[4 + c] = (own.center.colors[c] - head.middle()[c]) * (-2.0f * head.at[2]);
        }
      }
      staged.slots[rank] = slot;
      if (!all_cover) {
        const Window window(centers.windows + 8 * static_cast<int64_t>(k));
        staged.reached[rank] = own.covers ? ~uint64_t{0} : reached_voxels(window, first);
      }
    }
    __syncwarp();
    const float dt = static_cast<float>(lane >> 3) - 1.5f, dy = static_cast<float>(lane >> 1 & 3) - 1.5f;
    const float dx = static_cast<float>(2 * (lane & 1)) - 1.5f;
    int even_rank = -1, odd_rank = -1;
    for (int s = 0; s < num_kept; ++s) {
      const float4 slopes = *reinterpret_cast<const float4*>(staged.slopes[s]);
      float even = __fmaf_rn(slopes.w, dx, slopes.x), odd = __fmaf_rn(slopes.w, dx + 1.0f, slopes.x);
      even = __fmaf_rn(slopes.y, dt, __fmaf_rn(slopes.z, dy, even));
      odd = __fmaf_rn(slopes.y, dt, __fmaf_rn(slopes.z, dy, odd));
      if constexpr (kColors && C != kDynamic) {
        const float4 of_colors = *reinterpret_cast<const float4*>(staged.slopes[s] + 4);
        const float by_color[4] = {of_colors.x, of_colors.y, of_colors.z, of_colors.w};
        for (int c = 0; c < C; ++c) {
          even = __fmaf_rn(by_color[c], even_color[c], even);
          odd = __fmaf_rn(by_color[c], odd_color[c], odd);
        }
      } else if constexpr (kColors) {
        const float* row = centers.rows + center_of(staged.slots[s]) * centers.stride + 4;
        for (int64_t c = 0; c < task.channels; ++c) {
          const float slope = (row[c] - head.middle()[c]) * (-2.0f * head.at[2]);
          even = __fmaf_rn(slope, colors[c * kBrickVoxels], even);
          odd = __fmaf_rn(slope, colors[c * kBrickVoxels + 1], odd);
        }
      }
      bool even_wins = even < even_lowest, odd_wins = odd < odd_lowest;
      if (!all_cover) {
        const unsigned reached = static_cast<unsigned>(staged.reached[s] >> (2 * lane)) & 3u;
        even_wins = even_wins && (reached & 1) != 0;
        odd_wins = odd_wins && (reached & 2) != 0;
      }
      if (even_wins) even_lowest = even - tie, even_rank = s;
      if (odd_wins) odd_lowest = odd - tie, odd_rank = s;
    }
    if (even_rank >= 0) even_slot = staged.slots[even_rank];
    if (odd_rank >= 0) odd_slot = staged.slots[odd_rank];
    __syncwarp();  // before others are staged
  }

  bool even_left = even_counts && even_slot >= 0, odd_left = odd_counts && odd_slot >= 0;
  store(voxel, even_left ? even_slot : -1, odd_left ? odd_slot : -1);
  if (!accumulate) return;
  const int odd_here[3] = {here[0], here[1], here[2] + 1};
  if (even_counts && even_slot < 0) add_old(voxel, here, head, colors);
  if (odd_counts && odd_slot < 0) add_old(voxel + 1, odd_here, head, colors + 1);
  for (;;) {
    const unsigned left = __ballot_sync(~0u, even_left || odd_left);
    if (left == 0) return;
    const int slot = __shfl_sync(~0u, even_left ? even_slot : odd_slot, __ffs(static_cast<int>(left)) - 1);
    const bool even = even_left && even_slot == slot, odd = odd_left && odd_slot == slot;
    const int sum = __reduce_add_sync(~0u, packed(lane, even, odd));
    add_packed(slot, sum, first, head, [&](int64_t c) {
      float own[2];
      if constexpr (C != kDynamic) {
        own[0] = even_color[c], own[1] = odd_color[c];
      } else {
        own[0] = colors[c * kBrickVoxels], own[1] = colors[c * kBrickVoxels + 1];
      }
      return __reduce_add_sync(~0u,
                               (even ? static_cast<int>(own[0]) : 0) + (odd ? static_cast<int>(own[1]) : 0));
    });
    even_left = even_left && !even;
    odd_left = odd_left && !odd;
  }
}

// One block a clip, map and box.
template <int C, bool kColors>
__global__ void __launch_bounds__(kThreadsPerBlock)
    assign_kernel(SlicTask task, bool accumulate, bool first) {
  constexpr int kPart = PartSums<C>::kSize;
  __shared__ int list[kListed], parts[kSlots * kPart];
  __shared__ Staged staged[kWarps];
  const int64_t box = blockIdx.x % task.num_boxes, job = blockIdx.x / task.num_boxes;
  const int64_t m = job % task.num_maps, clip = job / task.num_maps;
  const MapTask& map = task.maps[m];
  const int64_t state = clip * task.all_maps + task.first_map + m;
  if (task.done[state] != 0 || (first && map.analytic)) return;
  const int64_t channels = C == kDynamic ? task.channels : C, at = task.center(clip, map);
  const int64_t stride = row_floats_of(channels);
  const Centers centers{task.rows + at * stride,
                        task.windows + at * 8,
                        stride,
                        channels,
                        {map.weight[0], map.weight[1], map.weight[2]},
                        task.errors[state]};
  const int per_side = task.box_side / 4;
  const int corner[3] = {static_cast<int>(box / (task.boxes[1] * task.boxes[2])),
                         static_cast<int>(box / task.boxes[2] % task.boxes[1]),
                         static_cast<int>(box % task.boxes[2])};
  const int origin[3] = {corner[0] * task.box_side, corner[1] * task.box_side, corner[2] * task.box_side};
  for (int i = static_cast<int>(threadIdx.x); i < kSlots * kPart; i += kThreadsPerBlock) parts[i] = 0;
  const float* color_box = task.color_boxes + (clip * task.num_boxes + box) * 2 * channels;
  const int num_centers = static_cast<int>(map.num_centers);
  const int found = list_centers<C, kColors>(
      centers, num_centers, box_at<C>(task, origin, task.box_side, color_box, color_box + channels), list);
  const bool fits = found <= kListed;
  const BoxWork<C, kColors> work{task,
                                 centers,
                                 clip,
                                 task.sums + at * sums_stride_of(channels),
                                 task.labels_of(clip, m),
                                 fits ? list : nullptr,
                                 fits ? found : num_centers,
                                 {origin[0], origin[1], origin[2]},
                                 accumulate,
                                 parts};
  const int warp = static_cast<int>(threadIdx.x / 32);
  for (int i = warp; i < per_side * per_side * per_side; i += kWarps) {
    const int brick[3] = {corner[0] * per_side + i / (per_side * per_side),
                          corner[1] * per_side + i / per_side % per_side,
                          corner[2] * per_side + i % per_side};
    if (brick[0] >= task.bricks[0] || brick[1] >= task.bricks[1] || brick[2] >= task.bricks[2]) continue;
    work.run_brick(brick, staged[warp]);
  }
  if (C == kDynamic || !accumulate || !fits) return;
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < (found < kSlots ? found : kSlots) * 8;
       i += kThreadsPerBlock) {
    const int slot = i / 8, f = i % 8, *own = parts + slot * kPart, count = own[0];
    if (count == 0 || f >= 4 + channels) continue;
    int64_t value = count;
    if (f >= 1 && f < 4)
      value = own[f] + int64_t{count} * (f == 1 ? origin[0] : f == 2 ? origin[1] : origin[2]);
    if (f >= 4) value = own[2 * f - 4] + int64_t{own[2 * f - 3]} * 65536;
    atomicAdd(&work.sums[list[slot] * sums_stride_of(channels) + f], static_cast<Word>(value));
  }
}

template <int C, bool kColors>
void launch(const SlicTask& task, bool accumulate, bool first, void* stream) {
  const int64_t blocks = task.num_clips * task.num_maps * task.num_boxes;
  ACE3D_LAUNCH((assign_kernel<C, kColors>), blocks, 0, stream, task, accumulate, first);
}

}  // namespace

void launch_assign(const SlicTask& task, bool use_colors, bool accumulate, bool first, void* stream) {
  if (!use_colors) return launch<kDynamic, false>(task, accumulate, first, stream);
  if (task.channels == 1) return launch<1, true>(task, accumulate, first, stream);
  if (task.channels == 3) return launch<3, true>(task, accumulate, first, stream);
  launch<kDynamic, true>(task, accumulate, first, stream);
}

}  // namespace ace3d
