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
        add_voxels<C>(task, place, won, label, sums);
      }
    }
  }
}

// Widen the box `outer` so that it holds `inner`; both are the least value, then the largest, of each
// channel.
void widen(float* outer, const float* inner, int64_t channels) {
  for (int64_t c = 0; c < channels; ++c) {
    outer[c] = inner[c] < outer[c] ? inner[c] : outer[c];
    outer[channels + c] =
        inner[channels + c] > outer[channels + c] ? inner[channels + c] : outer[channels + c];
  }
}

// From least and largest values to middle and half width.
void center_box(const float* bounds, int64_t channels, float* box) {
  for (int64_t c = 0; c < channels; ++c) {
    box[c] = 0.5f * (bounds[c] + bounds[channels + c]);
    const float below = box[c] - bounds[c], above = bounds[channels + c] - box[c];
    box[channels + c] = below > above ? below : above;
  }
}

void empty_bounds(float* bounds, int64_t channels) {
  for (int64_t c = 0; c < channels; ++c) bounds[c] = kFar, bounds[channels + c] = -kFar;
}

// Fill the record of a brick; `bounds` receives its least and largest colours.
void fill_brick(const float* volume, float scale, const BrickVolume& bricks, const BrickPlace& place,
                float* bounds) {
  const int64_t channels = bricks.channels;
  for (int64_t c = 0; c < channels; ++c) {
    copy_brick(volume + c * bricks.shape.num_voxels(), scale, bricks.shape, place,
               place.colors + c * kBrickVoxels, bounds + c, bounds + channels + c);
  }
  center_box(bounds, channels, place.box);
  for (int64_t c = 0; c < channels; ++c) {
    float* colors = place.colors + c * kBrickVoxels;
    Floats total = splat(0.0f);
    for (int j = 0; j < 8; ++j) {
      const Ints mask = lanes(place.voxels >> (8 * j) & 0xff);
      const Floats less = (Floats)(mask & (Ints)(load(colors + j * kLanes) - splat(place.box[c])));
      store(colors + j * kLanes, less);
      total += less;
    }
    place.totals[c] = sum(total);
  }
}

void store_first(const AssignTask& task, const FirstLabels& first, const BrickPlace& place) {
  const VolumeShape& shape = task.volume->shape;
  for (uint64_t left = place.voxels; left != 0; left &= ~(uint64_t{0xf} << (__builtin_ctzll(left) & 60))) {
    const int v = __builtin_ctzll(left);  // the first voxel of a row of the brick
    const int64_t t = place.first[0] + v / 16, y = place.first[1] + v / 4 % 4;
    const int32_t base = first.along[0][t] + first.along[1][y];
    int32_t* row = task.labels + (t * shape.height + y) * shape.width;
    const int64_t end = place.first[2] + kBrickSide < shape.width ? place.first[2] + kBrickSide : shape.width;
    for (int64_t x = place.first[2]; x < end; ++x) row[x] = base + first.along[2][x];
  }
}

}  // namespace

void fill_bricks(const float* volume, float scale, const BrickVolume& bricks, int64_t begin, int64_t end) {
  const int64_t channels = bricks.channels;
  for (int64_t i = begin; i < end; ++i) {
    const Block& block = bricks.blocks[i];
    float of_block[2 * kMaxFastChannels], of_part[2 * kMaxFastChannels], of_brick[2 * kMaxFastChannels];
    empty_bounds(of_block, channels);
    visit_bricks(
        bricks, block, [&](const int64_t*) { empty_bounds(of_part, channels); },
        [&](const BrickPlace& place, const int64_t*) {
          fill_brick(volume, scale, bricks, place, of_brick);
          widen(of_part, of_brick, channels);
        },
        [&](const int64_t* part) {
          center_box(of_part, channels, color_box(bricks, 1, part));
          widen(of_block, of_part, channels);
        });
    const int64_t at[3] = {block.at[0], block.at[1], block.at[2]};
    center_box(of_block, channels, color_box(bricks, 2, at));
  }
}

void assign_first(const AssignTask& task, const FirstLabels& first, int64_t begin, int64_t end,
                  int64_t* sums) {
  const auto enter = [](const int64_t*) {};
  for (int64_t i = begin; i < end; ++i) {
    visit_bricks(
        *task.volume, task.volume->blocks[i], enter,
        [&](const BrickPlace& place, const int64_t*) {
          store_first(task, first, place);
          if (!task.accumulate) return;
          switch (task.volume->channels) {
            case 1:
              return add_first<1>(task, first, place, sums);
            case 2:
              return add_first<2>(task, first, place, sums);
            case 3:
              return add_first<3>(task, first, place, sums);
            default:
              return add_first<4>(task, first, place, sums);
          }
        },
        enter);
  }
}

}  // namespace ace3d::ACE3D_ISA
