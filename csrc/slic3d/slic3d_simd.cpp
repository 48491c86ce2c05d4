#include "slic3d/slic3d_simd.h"

#include "common/simd.h"
#include "slic3d/brick_sums.h"

namespace ace3d::ACE3D_ISA {
namespace {

constexpr float kUnreached = 1e30f;

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
Box box_at(int level, const int64_t at[3], const float* colors) {
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

// Which of the 64 voxels of a brick a centre reaches.
uint64_t reached_voxels(const AssignTask& task, const Box& box, int64_t center) {
  uint64_t reached = ~uint64_t{0};
  for (int axis = 0; axis < 3; ++axis) {
    const float d = task.centers[axis * task.stride + center] - box.middle[axis];
    uint64_t along = 0;
    for (int i = 0; i < kBrickSide; ++i) {
      const float to_voxel = d - (static_cast<float>(i) - 1.5f);
      if (-task.reach[axis] <= to_voxel && to_voxel < task.reach[axis] + 1) along |= axis_voxels(axis, i);
    }
    reached &= along;
  }
  return reached;
}

// The label of each voxel of a brick: the candidate of least cost, the first of those that tie; -1 where none
// reaches.
template <int C, bool kWhole>
void assign_voxels(const AssignTask& task, const BrickCandidates<C>& candidates, const Box& box,
                   const float* colors, Ints* labels) {
  const Floats dx = {-1.5f, -0.5f, 0.5f, 1.5f, -1.5f, -0.5f, 0.5f, 1.5f};
  const Floats dy[2] = {{-1.5f, -1.5f, -1.5f, -1.5f, -0.5f, -0.5f, -0.5f, -0.5f},
                        {0.5f, 0.5f, 0.5f, 0.5f, 1.5f, 1.5f, 1.5f, 1.5f}};
  for (int half = 0; half < 2; ++half) {  // four vectors at a time: what the registers hold
    Floats lowest[4];
    Ints label[4];
    for (int j = 0; j < 4; ++j) lowest[j] = splat(kUnreached), label[j] = splat(-1);
    for (int64_t s = 0; s < candidates.size; ++s) {
      const Ints index = splat(candidates.index()[s]);
      const Floats slope_t = splat(candidates.row(0)[s]), slope_y = splat(candidates.row(1)[s]);
      const Floats in_plane = fma(splat(candidates.row(2)[s]), dx, splat(candidates.costs()[s]));
      const Floats rows[2] = {fma(slope_y, dy[0], in_plane), fma(slope_y, dy[1], in_plane)};
      uint64_t reached = 0;
      if constexpr (!kWhole) reached = reached_voxels(task, box, candidates.index()[s]) >> (32 * half);
      for (int j = 0; j < 4; ++j) {
        const Floats dt = splat(static_cast<float>(2 * half + j / 2) - 1.5f);
        Floats cost = fma(slope_t, dt, rows[j % 2]);
        for (int c = 0; c < C; ++c) {
          const Floats color = load(colors + c * kBrickVoxels + (4 * half + j) * kLanes);
          cost = fma(splat(candidates.row(3 + c)[s]), color, cost);
        }
        Ints better = (Ints)(cost < lowest[j]);
        if constexpr (!kWhole) better &= lanes(reached >> (8 * j) & 0xff);
        lowest[j] = select(better, cost, lowest[j]);
        label[j] = select(better, index, label[j]);
      }
    }
    for (int j = 0; j < 4; ++j) labels[4 * half + j] = label[j];
  }
}

// Labels of the voxels that no candidate reaches, from the pass before; returns which voxels these are.
uint64_t keep_old_labels(const BrickPlace& place, const int32_t* old, const VolumeShape& shape,
                         Ints* labels) {
  int32_t values[kBrickVoxels];
  std::memcpy(values, labels, sizeof(values));
  uint64_t kept = 0;
  for (uint64_t left = place.voxels; left != 0; left &= left - 1) {
    const int v = __builtin_ctzll(left);
    if (values[v] >= 0) continue;
    values[v] = old[voxel_index(place, v, shape)];
    kept |= uint64_t{1} << v;
  }
  std::memcpy(labels, values, sizeof(values));
  return kept;
}

template <int C>
class Assigner {
 public:
  Assigner(const AssignTask& task, int64_t* sums, float* scratch)
      : task_(task), volume_(*task.volume), sums_(sums), costs_(scratch) {
    for (int level = 0; level < 3; ++level) {
      lists_[level] = {scratch + (1 + level * (4 + C)) * task.stride, task.stride, 0};
    }
    for (int i = 0; i < 8; ++i) {
      bricks_[i].rows = scratch + (1 + 3 * (4 + C) + i * (5 + C)) * task.stride;
      bricks_[i].stride = task.stride;
    }
  }

  void assign_block(const Block& block) {
    const int64_t at[3] = {block.at[0], block.at[1], block.at[2]},
                  group[3] = {at[0] / 4, at[1] / 4, at[2] / 4};
    if (group[0] != group_[0] || group[1] != group_[1] || group[2] != group_[2]) {
      for (int axis = 0; axis < 3; ++axis) group_[axis] = group[axis];
      const Candidates<C> all = {const_cast<float*>(task_.centers), task_.stride, task_.num_centers};
      narrow<C>(task_, all, box_at(3, group, color_box(volume_, 3, group)), costs_, lists_[0]);
    }
    narrow<C>(task_, lists_[0], box_at(2, at, color_box(volume_, 2, at)), costs_, lists_[1]);
    visit_bricks(
        volume_, block,
        [&](const int64_t part[3]) {
          narrow<C>(task_, lists_[1], box_at(1, part, color_box(volume_, 1, part)), costs_, lists_[2]);
          num_bricks_ = 0;
        },
        // The candidates of all bricks of the part first: the processor works on several at a time.
        [&](const BrickPlace& place, const int64_t brick[3]) {
          const float* next = place.box + record_floats(C);
          for (int64_t i = 0; i < record_floats(C); i += 16) __builtin_prefetch(next + i);
          boxes_[num_bricks_] = box_at(0, brick, place.box);
          places_[num_bricks_] = place;
          narrow_to_brick<C>(task_, lists_[2], boxes_[num_bricks_], costs_, bricks_[num_bricks_]);
          ++num_bricks_;
        },
        [&](const int64_t[3]) {
          for (int i = 0; i < num_bricks_; ++i) assign_brick(places_[i], boxes_[i], bricks_[i]);
        });
  }

 private:
  void assign_brick(const BrickPlace& place, const Box& box, const BrickCandidates<C>& candidates) {
    const bool whole = candidates.all_cover;
    uint64_t left = place.voxels;
    Ints labels[8];
    if (whole && candidates.size == 1) {
      const int32_t label = candidates.index()[0];
      for (Ints& vector : labels) vector = splat(label);
    } else if (whole) {
      assign_voxels<C, true>(task_, candidates, box, place.colors, labels);
    } else {
      assign_voxels<C, false>(task_, candidates, box, place.colors, labels);
      const uint64_t kept = keep_old_labels(place, task_.labels, volume_.shape, labels);
      if (task_.accumulate) add_kept(place, kept, labels);
      left &= ~kept;
    }
    store_labels(place, volume_.shape, labels, task_.labels);
    if (!task_.accumulate) return;
    for (int64_t s = 0; s < candidates.size && left != 0; ++s) {
      const int32_t label = candidates.index()[s];
      const uint64_t won = s + 1 == candidates.size ? left : voxels_of(labels, label) & left;
      left &= ~won;
      if (won != 0) add_voxels<C>(task_, place, won, label, sums_);
    }
  }

  void add_kept(const BrickPlace& place, uint64_t kept, const Ints* labels) {
    int32_t values[kBrickVoxels];
    std::memcpy(values, labels, sizeof(values));
    for (; kept != 0; kept &= kept - 1) {
      const int v = __builtin_ctzll(kept);
      if (values[v] >= 0) add_voxels<C>(task_, place, uint64_t{1} << v, values[v], sums_);
    }
  }

  const AssignTask& task_;
  const BrickVolume& volume_;
  int64_t* sums_;
  float* costs_;
  Candidates<C> lists_[3];
  // Of the bricks of the part at hand.
  int num_bricks_ = 0;
  BrickCandidates<C> bricks_[8];
  BrickPlace places_[8];
  Box boxes_[8];
  int64_t group_[3] = {-1, -1, -1};
};

template <int C>
void assign_blocks(const AssignTask& task, int64_t begin, int64_t end, int64_t* sums, float* scratch) {
  Assigner<C> assigner(task, sums, scratch);
  for (int64_t block = begin; block < end; ++block) assigner.assign_block(task.volume->blocks[block]);
}

}  // namespace

void assign_nearest(const AssignTask& task, int64_t begin, int64_t end, int64_t* sums, float* scratch) {
  switch (task.volume->channels) {
    case 1:
      return assign_blocks<1>(task, begin, end, sums, scratch);
    case 2:
      return assign_blocks<2>(task, begin, end, sums, scratch);
    case 3:
      return assign_blocks<3>(task, begin, end, sums, scratch);
    default:
      return assign_blocks<4>(task, begin, end, sums, scratch);
  }
}

}  // namespace ace3d::ACE3D_ISA
