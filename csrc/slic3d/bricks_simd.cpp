// Laying the volume out in bricks, and the first pass over them.
#include "slic3d/brick_sums.h"
#include "slic3d/slic3d_simd.h"

namespace ace3d::ACE3D_ISA {
namespace {

constexpr float kFar = 3e38f;

// Copy one channel of a brick, zeros outside the volume; least and largest value inside.
void copy_brick(const float* volume, float scale, const VolumeShape& shape, const BrickPlace& place,
                float* to, float* least_value, float* largest_value) {
  if (place.voxels == ~uint64_t{0}) {
    Floats low = splat(kFar), high = splat(-kFar);
    for (int j = 0; j < 8; ++j) {
      float pair[kLanes];
      const float* row = volume + voxel_index(place, 8 * j, shape);
      std::memcpy(pair, row, 16);
      std::memcpy(pair + 4, row + shape.width, 16);
      const Floats v = load(pair) * splat(scale);
      low = min(low, v);
      high = max(high, v);
      store(to + j * kLanes, v);
    }
    *least_value = least(low);
    *largest_value = -least(-high);
    return;
  }
  *least_value = kFar;
  *largest_value = -kFar;
  for (int v = 0; v < kBrickVoxels; ++v) {
    to[v] = 0.0f;
    if ((place.voxels >> v & 1) == 0) continue;
    to[v] = volume[voxel_index(place, v, shape)] * scale;
    *least_value = to[v] < *least_value ? to[v] : *least_value;
    *largest_value = to[v] > *largest_value ? to[v] : *largest_value;
  }
}

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
void add_first(const AssignTask& task, const FirstLabels& first, const BrickPlace& place, int64_t* sums) {
  const VolumeShape& shape = task.volume->shape;
  const int64_t sizes[3] = {shape.depth, shape.height, shape.width};
  Parts parts[3];
  for (int axis = 0; axis < 3; ++axis) {
    parts[axis] = parts_along(axis, first.along[axis], place.first[axis], sizes[axis]);
  }
  for (int t = 0; t < parts[0].size; ++t) {
    for (int y = 0; y < parts[1].size; ++y) {
      for (int x = 0; x < parts[2].size; ++x) {
        const uint64_t won = parts[0].voxels[t] & parts[1].voxels[y] & parts[2].voxels[x];
        const int32_t label = parts[0].value[t] + parts[1].value[y] + parts[2].value[x];
        if (task.accumulate) add_voxels<C>(task, place, won, label, sums);
      }
    }
  }
}

}  // namespace

void fill_bricks(const float* volume, float scale, const BrickVolume& bricks, int64_t begin, int64_t end) {
  const int64_t channels = bricks.channels;
  for (int64_t t = begin; t < end; ++t) {
    for (int64_t y = 0; y < bricks.num_bricks[1]; ++y) {
      for (int64_t x = 0; x < bricks.num_bricks[2]; ++x) {
        const int64_t at[3] = {t, y, x};
        const BrickPlace place = brick_place(bricks, at);
        float* box = const_cast<float*>(place.box);
        for (int64_t c = 0; c < channels; ++c) {
          float* colors = const_cast<float*>(place.colors) + c * kBrickVoxels;
          float low, high;
          copy_brick(volume + c * bricks.shape.num_voxels(), scale, bricks.shape, place, colors, &low, &high);
          const float middle = 0.5f * (low + high);
          const float below = middle - low, above = high - middle;
          box[c] = middle;
          box[channels + c] = below > above ? below : above;
          Floats total = splat(0.0f);
          for (int j = 0; j < 8; ++j) {
            const Ints mask = lanes(place.voxels >> (8 * j) & 0xff);
            const Floats less = (Floats)(mask & (Ints)(load(colors + j * kLanes) - splat(middle)));
            store(colors + j * kLanes, less);
            total += less;
          }
          const_cast<float*>(place.totals)[c] = sum(total);
        }
      }
    }
  }
}

void assign_first(const AssignTask& task, const FirstLabels& first, int64_t begin, int64_t end,
                  int64_t* sums) {
  const BrickVolume& volume = *task.volume;
  const VolumeShape& shape = volume.shape;
  const int64_t side = kLevelBricks[2];
  for (int64_t block = begin; block < end; ++block) {
    const int32_t* at = task.blocks + 3 * block;
    int64_t low[3], high[3];
    const int64_t sizes[3] = {shape.depth, shape.height, shape.width};
    for (int axis = 0; axis < 3; ++axis) {
      low[axis] = at[axis] * side;
      high[axis] = low[axis] + side < volume.num_bricks[axis] ? low[axis] + side : volume.num_bricks[axis];
    }
    for (int64_t t = low[0]; t < high[0]; ++t) {
      for (int64_t y = low[1]; y < high[1]; ++y) {
        for (int64_t x = low[2]; x < high[2]; ++x) {
          const int64_t brick[3] = {t, y, x};
          const BrickPlace place = brick_place(volume, brick);
          switch (volume.channels) {
            case 1:
              add_first<1>(task, first, place, sums);
              break;
            case 2:
              add_first<2>(task, first, place, sums);
              break;
            case 3:
              add_first<3>(task, first, place, sums);
              break;
            default:
              add_first<4>(task, first, place, sums);
          }
        }
      }
    }
    const auto last = [&](int axis) {
      const int64_t bound = high[axis] * kBrickSide;
      return bound < sizes[axis] ? bound : sizes[axis];
    };
    for (int64_t t = low[0] * kBrickSide; t < last(0); ++t) {
      for (int64_t y = low[1] * kBrickSide; y < last(1); ++y) {
        int32_t* row = task.labels + (t * shape.height + y) * shape.width;
        const int32_t base = first.along[0][t] + first.along[1][y];
        for (int64_t x = low[2] * kBrickSide; x < last(2); ++x) row[x] = base + first.along[2][x];
      }
    }
  }
}

}  // namespace ace3d::ACE3D_ISA
