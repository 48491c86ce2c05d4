// The centres that can win somewhere in a box, found without looking at its voxels.
// For the files that are compiled once for each instruction set.
#pragma once

#include "common/simd.h"
#include "slic3d/bricks.h"

namespace ace3d::ACE3D_ISA {

inline constexpr float kUnreached = 1e30f;

struct Box {
  float middle[3], half[3];  // in voxels
  const float* colors;       // centres, then half widths
};

// A list of candidate centres: rows t, y, x, colours, index; in ascending order of index.
template <int C>
struct Candidates {
  float* rows;
  int64_t stride, size;
  bool all_cover = false;  // whether each reaches every voxel of the box that the list is for
  const float* row(int r) const { return rows + r * stride; }
  float* row(int r) { return rows + r * stride; }
  const int32_t* index() const { return reinterpret_cast<const int32_t*>(row(3 + C)); }
};

// Box `at` of a level, in units of that level's boxes.
inline Box box_at(int level, const int64_t at[3], const float* colors) {
  Box box;
  const float side = static_cast<float>(kBrickSide * kLevelBricks[level]);
  for (int axis = 0; axis < 3; ++axis) {
    box.half[axis] = (side - 1) / 2;
    box.middle[axis] = static_cast<float>(at[axis]) * side + box.half[axis];
  }
  box.colors = colors;
  return box;
}

// Cost of each candidate at the middle of the box, kUnreached where it reaches no voxel of it. Returns the
// least cost among those that reach every voxel, and in `best` its place; -1 where there is none.
template <int C, bool kAllCover>
float middle_costs(const AssignTask& task, const Candidates<C>& from, const Box& box, float* costs,
                   int64_t* best) {
  Floats best_cost = splat(kUnreached);
  Ints best_place = splat(-1), place = {0, 1, 2, 3, 4, 5, 6, 7};
  for (int64_t i = 0; i < from.size; i += kLanes, place += splat(kLanes)) {
    Floats cost = splat(0.0f);
    Ints touches = splat(-1), covers = splat(-1);
    for (int axis = 0; axis < 3; ++axis) {
      const Floats d = load(from.row(axis) + i) - splat(box.middle[axis]);
      cost = fma(d * d, splat(task.weight[axis]), cost);
      if constexpr (kAllCover) continue;
      const Floats low = d - splat(box.half[axis]), high = d + splat(box.half[axis]);
      const Floats reach = splat(task.reach[axis]), beyond = splat(task.reach[axis] + 1);
      touches &= (Ints)(low < beyond) & (Ints)(high >= -reach);
      covers &= (Ints)(high < beyond) & (Ints)(low >= -reach);
    }
    for (int c = 0; c < C; ++c) {
      const Floats d = load(from.row(3 + c) + i) - splat(box.colors[c]);
      cost = fma(d, d, cost);
    }
    if constexpr (!kAllCover) cost = select(touches, cost, splat(kUnreached));
    store(costs + i, cost);
    const Ints better = covers & (Ints)(cost < best_cost);
    best_cost = select(better, cost, best_cost);
    best_place = select(better, place, best_place);
  }
  const float lowest = least(best_cost);
  *best = -1;
  if (lowest < kUnreached) {
    const uint32_t lane = static_cast<uint32_t>(__builtin_ctz(bits((Ints)(best_cost == splat(lowest)))));
    int32_t places[kLanes];
    store(places, best_place);
    *best = places[lane];
  }
  return lowest;
}

// Which of eight candidates reach every voxel of the box.
template <int C>
Ints covering(const AssignTask& task, const Candidates<C>& from, const Box& box, int64_t i) {
  Ints covers = splat(-1);
  for (int axis = 0; axis < 3; ++axis) {
    const Floats d = load(from.row(axis) + i) - splat(box.middle[axis]), half = splat(box.half[axis]);
    covers &= (Ints)(d + half < splat(task.reach[axis] + 1)) & (Ints)(d - half >= splat(-task.reach[axis]));
  }
  return covers;
}

template <int C>
float middle_costs(const AssignTask& task, const Candidates<C>& from, const Box& box, float* costs,
                   int64_t* best) {
  return from.all_cover ? middle_costs<C, true>(task, from, box, costs, best)
                        : middle_costs<C, false>(task, from, box, costs, best);
}

// Keep the candidates that may win somewhere in the box. The difference of two costs is affine in position
// and colour, so its least value over the box is its value in the middle less the sum of |slope| x half
// width; where that is above zero against one that reaches the whole box, a candidate cannot win. Rounding is
// given a margin.
//
// Returns whether all that are kept reach every voxel of the box.
template <int C, class Emit>
bool for_possible(const AssignTask& task, const Candidates<C>& from, const Box& box, const float* costs,
                  float lowest, int64_t best, const Emit& emit) {
  bool all_cover = best >= 0;
  Floats slack = splat(0.0f), rival[3 + C], width[3 + C];
  if (best >= 0) {
    for (int f = 0; f < 3 + C; ++f) {
      const float half = f < 3 ? box.half[f] : box.colors[C + f - 3];
      const float weight = f < 3 ? task.weight[f] : 1.0f;
      rival[f] = splat(from.row(f)[best]);
      width[f] = splat(2.0f * weight * half);
      slack += splat(weight * half * half);
    }
    slack += splat(lowest);
  }
  for (int64_t i = 0; i < from.size; i += kLanes) {
    const Floats cost = load(costs + i);
    Ints keep = (Ints)(cost < splat(kUnreached));
    if (best >= 0) {
      Floats bound = cost - splat(lowest);
      for (int f = 0; f < 3 + C; ++f) bound -= width[f] * abs(load(from.row(f) + i) - rival[f]);
      keep &= (Ints)(bound <= splat(1e-5f) * (cost + slack));
    }
    const uint32_t kept = bits(keep);
    if (kept == 0) continue;
    if (all_cover && !from.all_cover) all_cover = (kept & ~bits(covering<C>(task, from, box, i))) == 0;
    emit(i, cost, kept);
  }
  return all_cover;
}

template <int C>
void narrow(const AssignTask& task, const Candidates<C>& from, const Box& box, float* costs,
            Candidates<C>& to) {
  int64_t best = -1;
  const float lowest = middle_costs<C>(task, from, box, costs, &best);
  to.size = 0;
  to.all_cover = for_possible<C>(task, from, box, costs, lowest, best, [&](int64_t i, Floats, uint32_t kept) {
    for (int r = 0; r < 4 + C; ++r) compress(to.row(r) + to.size, load(from.row(r) + i), kept);
    to.size += __builtin_popcount(kept);
  });
  store(to.row(0) + to.size, splat(__builtin_nanf("")));
}

// The candidates of one brick, each as an affine function of position and colour around the middle of the
// brick: rows slope t, slope y, slope x, slopes of colours, cost in the middle, index.
template <int C>
struct BrickCandidates : Candidates<C> {
  const float* costs() const { return this->row(4 + C); }
};

template <int C>
void narrow_to_brick(const AssignTask& task, const Candidates<C>& from, const Box& box, float* costs,
                     BrickCandidates<C>& to) {
  int64_t best = -1;
  const float lowest = middle_costs<C>(task, from, box, costs, &best);
  to.size = 0;
  to.all_cover =
      for_possible<C>(task, from, box, costs, lowest, best, [&](int64_t i, Floats cost, uint32_t kept) {
        for (int f = 0; f < 3 + C; ++f) {
          const float weight = f < 3 ? task.weight[f] : 1.0f;
          const float middle = f < 3 ? box.middle[f] : box.colors[f - 3];
          compress(to.row(f) + to.size, splat(-2.0f * weight) * (load(from.row(f) + i) - splat(middle)),
                   kept);
        }
        compress(to.row(3 + C) + to.size, load(from.row(3 + C) + i), kept);
        compress(to.row(4 + C) + to.size, cost, kept);
        to.size += __builtin_popcount(kept);
      });
}

}  // namespace ace3d::ACE3D_ISA
