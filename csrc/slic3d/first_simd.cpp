// The first pass: labels that are a matter of coordinates.
#include "slic3d/brick.h"
#include "slic3d/slic3d_simd.h"

namespace ace3d::ACE3D_ISA {
namespace {

// The parts of an axis of a brick that share a value: masks of voxels, and the value.
struct Parts {
  int size = 0;
  uint64_t voxels[kBrickSide];
  int32_t value[kBrickSide];
};

Parts parts_along(int axis, const int32_t* values, int64_t first, int64_t size) {
  Parts parts;
  for (int i = 0; i < kBrickSide && first + i < size; ++i) {
    const int32_t value = values[first + i];
    if (parts.size == 0 || parts.value[parts.size - 1] != value) {
      parts.value[parts.size] = value;
      parts.voxels[parts.size++] = 0;
    }
    parts.voxels[parts.size - 1] |= axis_voxels(axis, i);
  }
  return parts;
}

template <int C>
void add_first(const AssignTask& task, const FirstLabels& first, const BrickView& brick, int64_t* sums) {
  const BrickVolume& volume = *task.volume;
  const int64_t sizes[3] = {volume.shape.depth, volume.shape.height, volume.shape.width};
  Parts parts[3];
  for (int axis = 0; axis < 3; ++axis) {
    parts[axis] = parts_along(axis, first.along[axis], brick.first[axis], sizes[axis]);
  }
  for (int t = 0; t < parts[0].size; ++t) {
    for (int y = 0; y < parts[1].size; ++y) {
      for (int x = 0; x < parts[2].size; ++x) {
        const uint64_t won = parts[0].voxels[t] & parts[1].voxels[y] & parts[2].voxels[x] & brick.voxels;
        const int64_t label = parts[0].value[t] + parts[1].value[y] + parts[2].value[x];
        if (won) add_voxels<C>(volume, brick, won, sums + label * sums_per_center(volume.channels));
      }
    }
  }
}

void store_first(const AssignTask& task, const FirstLabels& first, const BrickView& brick) {
  for (uint64_t left = brick.voxels; left != 0; left &= left - 1) {
    const int v = __builtin_ctzll(left);
    task.labels[voxel_index(brick.first, v, task.volume->shape)] =
        first.along[0][brick.first[0] + (v >> 4)] + first.along[1][brick.first[1] + (v >> 2 & 3)] +
        first.along[2][brick.first[2] + (v & 3)];
  }
}

template <int C, int kLevel>
void visit_first(const AssignTask& task, const FirstLabels& first, int64_t index, int64_t* sums) {
  const BrickVolume& volume = *task.volume;
  const Node& node = volume.nodes[kLevel][index];
  int64_t child = node.first_child;
  for (int b = 0; b < kChildren; ++b) {
    if ((node.children >> b & 1) == 0) continue;
    if constexpr (kLevel > 1) {
      visit_first<C, kLevel - 1>(task, first, child++, sums);
    } else {
      const BrickView brick = view_brick(volume, RecordLayout(volume.channels), node, b, child++);
      if (task.store) store_first(task, first, brick);
      if (task.accumulate) add_first<C>(task, first, brick, sums);
    }
  }
}

}  // namespace

void assign_first(const AssignTask& task, const FirstLabels& first, int64_t begin, int64_t end,
                  int64_t* sums) {
  for (int64_t job = begin; job < end; ++job) {
    switch (task.volume->channels) {
      case 1:
        visit_first<1, kJobLevel>(task, first, job, sums);
        break;
      case 3:
        visit_first<3, kJobLevel>(task, first, job, sums);
        break;
      default:
        visit_first<kDynamic, kJobLevel>(task, first, job, sums);
    }
  }
}

}  // namespace ace3d::ACE3D_ISA
