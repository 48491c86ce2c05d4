// Laying the volume out in bricks.
#include "color/color_simd.h"
#include "slic3d/brick.h"
#include "slic3d/slic3d_simd.h"

namespace ace3d::ACE3D_ISA {
namespace {

constexpr float kFar = 3e38f;
constexpr int kColorBits = 17;  // whole quanta to each side of the middle

// Least and largest colour of each channel; kFar and -kFar where there is no voxel.
struct Bounds {
  float low[kMaxChannels], high[kMaxChannels];
};

void clear(Bounds& bounds, int64_t channels) {
  for (int64_t c = 0; c < channels; ++c) bounds.low[c] = kFar, bounds.high[c] = -kFar;
}

// Widen `outer` so that it holds `inner`.
void widen(Bounds& outer, const Bounds& inner, int64_t channels) {
  for (int64_t c = 0; c < channels; ++c) {
    outer.low[c] = inner.low[c] < outer.low[c] ? inner.low[c] : outer.low[c];
    outer.high[c] = inner.high[c] > outer.high[c] ? inner.high[c] : outer.high[c];
  }
}

// Middle and half width of child b in the colour boxes of its parent.
void store_box(const Bounds& bounds, int64_t channels, int b, float* boxes) {
  for (int64_t c = 0; c < channels; ++c) {
    const bool empty = bounds.low[c] > bounds.high[c];
    const float middle = empty ? 0.0f : 0.5f * (bounds.low[c] + bounds.high[c]);
    const float below = middle - bounds.low[c], above = bounds.high[c] - middle;
    boxes[c * kChildren + b] = middle;
    boxes[(channels + c) * kChildren + b] = empty ? 0.0f : (below > above ? below : above);
  }
}

// Four colours of a row.
template <class T>
ACE3D_INLINE void load_four(const T* from, float scale, float* to) {
  for (int i = 0; i < 4; ++i) to[i] = static_cast<float>(from[i]) * scale;
}

// Eight values, rounded to float.
ACE3D_INLINE Floats load_rounded(const float* from) { return load(from); }
ACE3D_INLINE Floats load_rounded(const double* from) {
  double __attribute__((vector_size(64))) values;
  std::memcpy(&values, from, sizeof(values));
  return __builtin_convertvector(values, Floats);
}

// A part of the volume as it lies in memory; `at` is its voxel t, y, x of the volume.
template <class T>
struct Window {
  const T* values;
  int64_t channel_stride, plane_stride, row_stride;
  float scale;
};

// The colours of a brick, 64 a channel, and which of them count; those that do not repeat one that does.
template <class T>
uint64_t load_brick(const Window<T>& window, const T* corner, int64_t channels, const int32_t first[3],
                    const VolumeShape& shape, const uint8_t* mask, float* colors) {
  const int64_t sizes[3] = {shape.depth - first[0], shape.height - first[1], shape.width - first[2]};
  const bool inside = sizes[0] >= 4 && sizes[1] >= 4 && sizes[2] >= 4;
  if (inside && mask == nullptr) {
    for (int64_t c = 0; c < channels; ++c) {
      for (int row = 0; row < 16; ++row) {
        load_four(corner + c * window.channel_stride + (row >> 2) * window.plane_stride +
                      (row & 3) * window.row_stride,
                  window.scale, colors + c * kBrickVoxels + 4 * row);
      }
    }
    return ~uint64_t{0};
  }
  uint64_t voxels = 0;
  for (int v = 0; v < kBrickVoxels; ++v) {
    if ((v >> 4) >= sizes[0] || (v >> 2 & 3) >= sizes[1] || (v & 3) >= sizes[2]) continue;
    if (mask != nullptr && mask[voxel_index(first, v, shape)] == 0) continue;
    voxels |= uint64_t{1} << v;
  }
  if (voxels == 0) return 0;
  const int any = __builtin_ctzll(voxels);
  for (int64_t c = 0; c < channels; ++c) {
    for (int i = 0; i < kBrickVoxels; ++i) {
      const int v = voxels >> i & 1 ? i : any;
      const T value = corner[c * window.channel_stride + (v >> 4) * window.plane_stride +
                             (v >> 2 & 3) * window.row_stride + (v & 3)];
      colors[c * kBrickVoxels + i] = static_cast<float>(value) * window.scale;
    }
  }
  return voxels;
}

// 2^exponent, for exponents of normal floats.
ACE3D_INLINE float power_of_two(int exponent) {
  const int32_t pattern = (exponent + 127) << 23;
  float value;
  std::memcpy(&value, &pattern, sizeof(value));
  return value;
}

// The least exponent e with |value| < 2^e.
ACE3D_INLINE int exponent_above(float value) {
  int32_t pattern;
  std::memcpy(&pattern, &value, sizeof(value));
  return (pattern >> 23 & 0xff) - 126;
}

// Fill the record of a brick from its colours; `bounds` receives its least and largest colours.
void fill_record(const BrickVolume& bricks, const RecordLayout& layout, const float* colors, uint64_t voxels,
                 float* record, Bounds& bounds) {
  const int64_t channels = bricks.channels;
  float middles[kMaxChannels], widest = 0.0f;
  for (int64_t c = 0; c < channels; ++c) {
    Floats low = load(colors + c * kBrickVoxels), high = low;
    for (int j = 1; j < 8; ++j) {
      const Floats values = load(colors + c * kBrickVoxels + j * kLanes);
      low = min(low, values);
      high = max(high, values);
    }
    const float least_value = least(low), largest = -least(-high);
    middles[c] = 0.5f * (least_value + largest);
    const float half = 0.5f * (largest - least_value);
    widest = half > widest ? half : widest;
  }
  int shift = exponent_above(widest) - kColorBits - bricks.unit_exponent;
  shift = shift < 0 ? 0 : shift;
  const RecordHead head = {voxels, power_of_two(bricks.unit_exponent + shift), shift};
  std::memcpy(record, &head, sizeof(head));
  int32_t* middle_units = reinterpret_cast<int32_t*>(record + layout.middle_units);
  int32_t* totals = reinterpret_cast<int32_t*>(record + layout.totals);
  const Floats per_quantum = splat(power_of_two(-bricks.unit_exponent - shift));
  for (int64_t c = 0; c < channels; ++c) {
    const float whole = round_to_whole(splat(middles[c]) * per_quantum)[0];
    const float middle = whole * head.quantum;
    record[layout.middle + c] = middle;
    middle_units[c] = static_cast<int32_t>(whole) * (1 << shift);
    Floats total = splat(0.0f), low = splat(kFar), high = splat(-kFar);
    float* to = record + layout.colors + c * kBrickVoxels;
    for (int j = 0; j < 8; ++j) {
      const Ints counted = lanes(static_cast<uint32_t>(voxels >> (8 * j) & 0xff));
      const Floats values = load(colors + c * kBrickVoxels + j * kLanes);
      const Floats rounded = round_to_whole((values - splat(middle)) * per_quantum);
      low = min(low, rounded);
      high = max(high, rounded);
      const Floats kept = (Floats)(counted & (Ints)rounded);
      store(to + j * kLanes, kept);
      total += kept;
    }
    totals[c] = static_cast<int32_t>(sum(total));
    bounds.low[c] = middle + least(low) * head.quantum;
    bounds.high[c] = middle - least(-high) * head.quantum;
  }
}

// Fill what lies under a node: records, colour boxes, and the bounds of the node itself.
template <class T>
class Filler {
 public:
  Filler(const BrickVolume& bricks, const Window<T>& window, const int64_t origin[3], const uint8_t* mask)
      : bricks_(bricks), layout_(bricks.channels), window_(window), mask_(mask) {
    for (int axis = 0; axis < 3; ++axis) origin_[axis] = origin[axis];
  }

  template <int kLevel>
  void fill(int64_t index, Bounds& bounds) {
    const Node& node = bricks_.nodes[kLevel][index];
    float* boxes = bricks_.boxes[kLevel] + index * 2 * bricks_.channels * kChildren;
    clear(bounds, bricks_.channels);
    int64_t child = node.first_child;
    for (int b = 0; b < kChildren; ++b) {
      Bounds inner;
      clear(inner, bricks_.channels);
      if (node.children >> b & 1) {
        if constexpr (kLevel == 1) {
          fill_brick(node, b, child++, inner);
        } else {
          fill<kLevel - 1>(child++, inner);
        }
      }
      store_box(inner, bricks_.channels, b, boxes);
      widen(bounds, inner, bricks_.channels);
    }
  }

 private:
  void fill_brick(const Node& node, int b, int64_t number, Bounds& bounds) {
    int32_t first[3];
    for (int axis = 0; axis < 3; ++axis) first[axis] = 4 * (2 * node.at[axis] + (b >> (2 - axis) & 1));
    const T* corner = window_.values + (first[0] - origin_[0]) * window_.plane_stride +
                      (first[1] - origin_[1]) * window_.row_stride + (first[2] - origin_[2]);
    const uint64_t voxels =
        load_brick(window_, corner, bricks_.channels, first, bricks_.shape, mask_, colors_);
    float* record = bricks_.records + number * layout_.size;
    if (voxels == 0) {
      std::memset(record, 0, static_cast<size_t>(layout_.size) * sizeof(float));
    } else {
      fill_record(bricks_, layout_, colors_, voxels, record, bounds);
    }
  }

  const BrickVolume& bricks_;
  const RecordLayout layout_;
  const Window<T> window_;
  int64_t origin_[3];
  const uint8_t* mask_;
  alignas(64) float colors_[kMaxChannels * kBrickVoxels];
};

// Fill under one node of kJobLevel, and its place in the box above it.
template <class T>
void fill_job(const BrickVolume& bricks, const Window<T>& window, const int64_t origin[3],
              const uint8_t* mask, int64_t index) {
  Filler<T> filler(bricks, window, origin, mask);
  Bounds bounds;
  filler.template fill<kJobLevel>(index, bounds);
  const Node& node = bricks.nodes[kJobLevel][index];
  float* above = bricks.boxes[kJobLevel + 1] + node.parent * 2 * bricks.channels * kChildren;
  store_box(bounds, bricks.channels, node.place, above);
}

template <class T>
void fill_from_volume(const VolumeSource<T>& source, float scale, const uint8_t* mask,
                      const BrickVolume& bricks, int64_t begin, int64_t end) {
  const VolumeShape& shape = bricks.shape;
  const Window<T> window = {source.volume, shape.num_voxels(), shape.height * shape.width, shape.width,
                            scale};
  const int64_t origin[3] = {0, 0, 0};
  for (int64_t job = begin; job < end; ++job) fill_job(bricks, window, origin, mask, job);
}

template <class T>
float largest_of(const T* values, int64_t size) {
  Floats largest = splat(0.0f);
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) largest = max(largest, abs(load_rounded(values + i)));
  float most = -least(-largest);
  for (; i < size; ++i) {
    const float magnitude = static_cast<float>(values[i] < 0 ? -values[i] : values[i]);
    most = magnitude > most ? magnitude : most;
  }
  return most;
}

}  // namespace

float largest_magnitude(const float* values, int64_t size) { return largest_of(values, size); }
float largest_magnitude(const double* values, int64_t size) { return largest_of(values, size); }

void fill_bricks(const VolumeSource<float>& source, float scale, const uint8_t* mask,
                 const BrickVolume& bricks, int64_t begin, int64_t end) {
  fill_from_volume(source, scale, mask, bricks, begin, end);
}

void fill_bricks(const VolumeSource<double>& source, float scale, const uint8_t* mask,
                 const BrickVolume& bricks, int64_t begin, int64_t end) {
  fill_from_volume(source, scale, mask, bricks, begin, end);
}

// Lab of the voxels under one node at a time, in a buffer that stays in the cache.
void fill_bricks(const ByteSource& source, float scale, const uint8_t* mask, const BrickVolume& bricks,
                 int64_t begin, int64_t end) {
  constexpr int64_t kSide = box_side(kJobLevel), kSize = kSide * kSide * kSide, kRowsAhead = 8;
  const VolumeShape& shape = bricks.shape;
  float* lab = new float[3 * kSize];
  for (int64_t job = begin; job < end; ++job) {
    const Node& node = bricks.nodes[kJobLevel][job];
    const int64_t origin[3] = {node.at[0] * kSide, node.at[1] * kSide, node.at[2] * kSide};
    const int64_t left = shape.width - origin[2], width = left < kSide ? left : kSide;
    for (int64_t t = 0; t < kSide && origin[0] + t < shape.depth; ++t) {
      for (int64_t y = 0; y < kSide && origin[1] + y < shape.height; ++y) {
        const int64_t row = ((origin[0] + t) * shape.height + origin[1] + y) * shape.width + origin[2];
        // Rows of a box are too short for the processor to see where the next ones lie.
        const uint8_t* ahead = source.rgb + 3 * (row + kRowsAhead * shape.width);
        for (int64_t byte = 0; byte < 3 * kSide; byte += 64) __builtin_prefetch(ahead + byte);
        lab_of_bytes(source.rgb + 3 * row, source.light, lab + (t * kSide + y) * kSide, kSize, 0, width);
      }
    }
    const Window<float> window = {lab, kSize, kSide * kSide, kSide, scale};
    fill_job(bricks, window, origin, mask, job);
  }
  delete[] lab;
}

}  // namespace ace3d::ACE3D_ISA
