// A brick and the few centres that can win in its box, on the GPU: up to four channels, centres in shared
// memory.
//
// A lane looks at a centre; those that can still win leave their costs, as affine functions of position and
// colour, in shared memory, and each lane goes through them for its two voxels. Then each centre that won
// something is summed up by the warp, and its lane adds the sums to those of the box.
#pragma once

#include "slic3d/general_brick.cuh"

namespace ace3d {

constexpr int kListed = 128;  // centres of a box

// Sums of a centre of the box: count, t, y, x from the box's first voxel, low and high parts of colours.
template <int C>
inline constexpr int kPartSums = 4 + 2 * C;

// The centres of a box, and what else all its bricks read: in shared memory, since registers are scarce.
struct Listed {
  float4 rows[kListed][2];  // unused, t, y, x; colours
  int4 windows[kListed][2];
  int centers[kListed];
  float weight[3], error;
  float slack;    // of positions within a brick: see Rival of narrow.cuh
  int origin[3];  // first voxel
  uint32_t first_center;
};

// Candidates of a brick.
struct Staged {
  float4 slopes[32][2];  // cost in the middle, slopes along t, y, x; of colours
  int2 who[32];          // place in the list, centre
  uint64_t reached[32];
};

// What a block knows of its box and all its bricks share.
struct FastBox {
  const SlicTask& task;
  const Listed& listed;
  int* parts;            // [listed centre, kPartSums]
  uint32_t first_brick;  // of the clip
  int32_t* labels;       // of the clip and map
  int num_listed;
  bool partial;  // whether some listed centre does not reach all of the box
  bool accumulate;
};

__device__ __forceinline__ float part_of(const float4& quad, int i) {
  return i == 0 ? quad.x : i == 1 ? quad.y : i == 2 ? quad.z : quad.w;
}

template <int C>
__device__ void run_fast_brick(const FastBox& work, const int at[3], Staged& staged) {
  static_assert(C <= 4);
  const SlicTask& task = work.task;
  const float* const weight = work.listed.weight;
  const LaneVoxels own;
  const uint64_t brick = work.first_brick + brick_index(task, at);
  const BrickHead head{task.heads + brick * head_floats(C), C};
  const float4 begin_of_head = *reinterpret_cast<const float4*>(head.at);
  const auto low = static_cast<unsigned>(__float_as_int(begin_of_head.x));
  const auto high = static_cast<unsigned>(__float_as_int(begin_of_head.y));
  if ((low | high) == 0) return;
  const unsigned mine = own.bits_of(low, high);
  const int first[3] = {4 * at[0], 4 * at[1], 4 * at[2]};
  const float middle[3] = {static_cast<float>(first[0]) + 1.5f, static_cast<float>(first[1]) + 1.5f,
                           static_cast<float>(first[2]) + 1.5f};
  float color_middle[C], color_half[C], slack = work.listed.slack;
  for (int c = 0; c < C; ++c) color_middle[c] = head.box_middle()[c], color_half[c] = head.box_half()[c];
  for (int c = 0; c < C; ++c) slack = __fmaf_rn(color_half[c], color_half[c], slack);

  // What a lane knows of the centre in one place of the list: as Candidate of narrow.cuh.
  float4 place, color;
  float cost;
  bool covers;
  const auto look_at = [&](int slot) {
    const bool there = slot < work.num_listed;
    const int safe = there ? slot : 0;
    place = work.listed.rows[safe][0], color = work.listed.rows[safe][1];
    cost = 0.0f;
    for (int axis = 0; axis < 3; ++axis) {
      const float d = part_of(place, 1 + axis) - middle[axis];
      cost = __fmaf_rn(d * d, weight[axis], cost);
    }
    for (int c = 0; c < C; ++c) {
      const float d = part_of(color, c) - color_middle[c];
      cost = __fmaf_rn(d, d, cost);
    }
    covers = there;
    if (work.partial) {
      const Window window(work.listed.windows[safe]);
      const int size[3] = {task.size(0), task.size(1), task.size(2)};
      bool touches = true;
      for (int axis = 0; axis < 3; ++axis) {
        const int last = first[axis] + 3 < size[axis] ? first[axis] + 3 : size[axis] - 1;
        touches &= window.begin[axis] <= last && first[axis] < window.end[axis];
        covers &= window.begin[axis] <= first[axis] && last < window.end[axis];
      }
      if (!touches) cost = kUnreached;
    }
    if (!there) cost = kUnreached;
  };

  // The nearest in the middle of those that reach the whole brick.
  int best = __float_as_int(kUnreached), best_slot = 0;
  const auto compare = [&](int begin) {
    const int rank = __float_as_int(covers && cost < kUnreached ? cost : kUnreached);
    const int least = __reduce_min_sync(~0u, rank);
    const unsigned has_least = __ballot_sync(~0u, rank == least);
    if (least < best) best = least, best_slot = begin + __ffs(static_cast<int>(has_least)) - 1;
  };
#pragma unroll 1
  for (int begin = 32; begin < work.num_listed; begin += 32) {
    look_at(begin + own.lane);
    compare(begin);
  }
  // The first ones last, since they are looked at next; among those as near the first place counts.
  {
    const int of_others = best, slot_of_others = best_slot;
    best = __float_as_int(kUnreached);
    look_at(own.lane);
    compare(0);
    if (of_others < best) best = of_others, best_slot = slot_of_others;
  }
  const float nearest = __int_as_float(best);
  const bool has_rival = nearest < kUnreached;
  const float4 rival_place = work.listed.rows[best_slot][0], rival_color = work.listed.rows[best_slot][1];
  const float scale = (has_rival ? nearest : 0.0f) + slack, tie = kTie * scale;

  float even_color[C], odd_color[C];
  float even_lowest = kUnreached, odd_lowest = kUnreached;
  int2 even_winner = make_int2(-1, -1), odd_winner = make_int2(-1, -1);
  bool unread = false;  // whether the brick is won without a look at its voxels
#pragma unroll 1
  for (int begin = 0; begin < work.num_listed; begin += 32) {
    if (begin > 0) look_at(begin + own.lane);
    float bound = cost - nearest;
    for (int axis = 0; axis < 3; ++axis) {
      const float apart = fabsf(part_of(place, 1 + axis) - part_of(rival_place, 1 + axis));
      bound = __fmaf_rn(-2.0f * (weight[axis] * 1.5f), apart, bound);
    }
    for (int c = 0; c < C; ++c) {
      bound = __fmaf_rn(-2.0f * color_half[c], fabsf(part_of(color, c) - part_of(rival_color, c)), bound);
    }
    const bool kept =
        cost < kUnreached && (!has_rival || bound <= __fmaf_rn(1e-5f, cost + scale, work.listed.error));
    const unsigned all_kept = __ballot_sync(~0u, kept);
    const int num_kept = __popc(all_kept);
    const bool whole = !work.partial || __all_sync(~0u, !kept || covers) != 0;
    if (num_kept == 1 && whole && work.num_listed <= 32) {
      unread = true;
      even_winner.x = __ffs(static_cast<int>(all_kept)) - 1;
      even_winner.y = work.listed.centers[even_winner.x];
      odd_winner = even_winner;
      break;
    }
    if (begin == 0) {
      const float* const colors = task.colors + brick * (C * kBrickVoxels) + 2 * own.lane;
      for (int c = 0; c < C; ++c) {
        const float2 pair = *reinterpret_cast<const float2*>(colors + c * kBrickVoxels);
        even_color[c] = pair.x, odd_color[c] = pair.y;
      }
    }
    if (kept) {
      const int rank = __popc(all_kept & ((1u << own.lane) - 1u)), slot = begin + own.lane;
      float slopes[4] = {0, 0, 0, 0};
      for (int c = 0; c < C; ++c) {
        slopes[c] = (part_of(color, c) - head.middle()[c]) * (-2.0f * begin_of_head.z);
      }
      staged.slopes[rank][0] = make_float4(cost, (place.y - middle[0]) * (-2.0f * weight[0]),
                                           (place.z - middle[1]) * (-2.0f * weight[1]),
                                           (place.w - middle[2]) * (-2.0f * weight[2]));
      staged.slopes[rank][1] = make_float4(slopes[0], slopes[1], slopes[2], slopes[3]);
      staged.who[rank] = make_int2(slot, work.listed.centers[slot]);
      if (!whole) {
        staged.reached[rank] =
            covers ? ~uint64_t{0} : reached_voxels(Window(work.listed.windows[slot]), first);
      }
    }
    __syncwarp();
    const float dt = static_cast<float>(own.t()) - 1.5f, dy = static_cast<float>(own.y()) - 1.5f;
    const float dx = static_cast<float>(own.x()) - 1.5f;
    int even_rank = -1, odd_rank = -1;
#pragma unroll 2
    for (int s = 0; s < num_kept; ++s) {
      const float4 slopes = staged.slopes[s][0], of_colors = staged.slopes[s][1];
      float even = __fmaf_rn(slopes.w, dx, slopes.x), odd = __fmaf_rn(slopes.w, dx + 1.0f, slopes.x);
      even = __fmaf_rn(slopes.y, dt, __fmaf_rn(slopes.z, dy, even));
      odd = __fmaf_rn(slopes.y, dt, __fmaf_rn(slopes.z, dy, odd));
      for (int c = 0; c < C; ++c) {
        even = __fmaf_rn(part_of(of_colors, c), even_color[c], even);
        odd = __fmaf_rn(part_of(of_colors, c), odd_color[c], odd);
      }
      bool even_wins = even < even_lowest, odd_wins = odd < odd_lowest;
      if (!whole) {
        const unsigned reached = static_cast<unsigned>(staged.reached[s] >> (2 * own.lane)) & 3u;
        even_wins = even_wins && (reached & 1) != 0;
        odd_wins = odd_wins && (reached & 2) != 0;
      }
      if (even_wins) even_lowest = even - tie, even_rank = s;
      if (odd_wins) odd_lowest = odd - tie, odd_rank = s;
    }
    if (even_rank >= 0) even_winner = staged.who[even_rank];
    if (odd_rank >= 0) odd_winner = staged.who[odd_rank];
    __syncwarp();  // before others are staged
  }

  const auto height = static_cast<unsigned>(task.size(1)), width = static_cast<unsigned>(task.size(2));
  const unsigned row =
      (static_cast<unsigned>(first[0] + own.t()) * height + static_cast<unsigned>(first[1] + own.y())) *
      width;
  int32_t* const to = work.labels + (row + static_cast<unsigned>(first[2] + own.x()));
  bool even_left = (mine & 1) != 0 && even_winner.x >= 0, odd_left = (mine & 2) != 0 && odd_winner.x >= 0;
  if (work.accumulate && work.partial) {
    const Centers<kDynamic> all{task, work.listed.first_center, {}, 0.0f};
    const float* const colors = task.colors + brick * (C * kBrickVoxels) + 2 * own.lane;
    const int here[3] = {first[0] + own.t(), first[1] + own.y(), first[2] + own.x()};
    const int beside[3] = {here[0], here[1], here[2] + 1};
    if ((mine & 1) != 0 && !even_left) add_old(all, to[0], here, head, colors);
    if ((mine & 2) != 0 && !odd_left) add_old(all, to[1], beside, head, colors + 1);
  }
  if (even_left && odd_left && width % 2 == 0) {
    *reinterpret_cast<int2*>(to) = make_int2(even_winner.y, odd_winner.y);
  } else {
    if (even_left) to[0] = even_winner.y;
    if (odd_left) to[1] = odd_winner.y;
  }
  if (!work.accumulate) return;

  // Lane j keeps the sums of the j-th centre that won something, then adds them to those of the box.
  int slot = 0, packed = 0, quanta[C], num_winners = 0;
  for (int c = 0; c < C; ++c) quanta[c] = 0;
  unsigned left = 0;
  if (unread) {
    slot = even_winner.x, num_winners = 1;
    packed = __reduce_add_sync(~0u, own.packed(even_left, odd_left));
    for (int c = 0; c < C; ++c) quanta[c] = head.totals()[c];
  } else {
    left = __ballot_sync(~0u, even_left || odd_left);
  }
  // What the last one gets is what is left, where all voxels are won.
  const bool all_won = __all_sync(~0u, even_left && odd_left) != 0;
  int rest = 64 | 96 << 7 | 96 << 15 | 96 << 23, rest_quanta[C];  // of a whole brick
  for (int c = 0; c < C; ++c) rest_quanta[c] = head.totals()[c];
  do {
#pragma unroll 1
    for (; left != 0 && num_winners < 32; ++num_winners) {
      const int source = __ffs(static_cast<int>(left)) - 1;
      const int winner = __shfl_sync(~0u, even_left ? even_winner.x : odd_winner.x, source);
      const bool even = even_left && even_winner.x == winner, odd = odd_left && odd_winner.x == winner;
      even_left = even_left && !even;
      odd_left = odd_left && !odd;
      left = __ballot_sync(~0u, even_left || odd_left);
      int sum = rest, of_color[C];
      for (int c = 0; c < C; ++c) of_color[c] = rest_quanta[c];
      if (left != 0 || !all_won) {
        sum = __reduce_add_sync(~0u, own.packed(even, odd));
        rest -= sum;
        for (int c = 0; c < C; ++c) {
          const float both = (even ? even_color[c] : 0.0f) + (odd ? odd_color[c] : 0.0f);  // a whole number
          of_color[c] = __reduce_add_sync(~0u, static_cast<int>(both));
          rest_quanta[c] -= of_color[c];
        }
      }
      if (own.lane == num_winners) {
        slot = winner, packed = sum;
        for (int c = 0; c < C; ++c) quanta[c] = of_color[c];
      }
    }
    if (own.lane < num_winners) {
      int* const part = work.parts + slot * kPartSums<C>;
      const int count = packed & 127, shift = __float_as_int(begin_of_head.w);
      atomicAdd(&part[0], count);
      for (int axis = 0; axis < 3; ++axis) {
        const int offsets = packed >> (7 + 8 * axis) & 255;
        atomicAdd(&part[1 + axis], count * (first[axis] - work.listed.origin[axis]) + offsets);
      }
      for (int c = 0; c < C; ++c) {
        const int units = quanta[c] * (1 << shift) + count * head.middle_units()[c];
        atomicAdd(&part[4 + 2 * c], units & 0xffff);
        atomicAdd(&part[5 + 2 * c], units >> 16);
      }
    }
    num_winners = 0;
  } while (left != 0);
}

}  // namespace ace3d
