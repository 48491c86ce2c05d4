#include "slic3d/slic3d_simd.h"

#include "common/simd.h"
#include "slic3d/brick_sums.h"
#include "slic3d/candidates.h"

namespace ace3d::ACE3D_ISA {
namespace {

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
