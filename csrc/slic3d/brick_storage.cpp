#include "slic3d/brick_storage.h"

#include <algorithm>
#include <cmath>
#include <new>

#include "common/cpu.h"
#include "common/pages.h"
#include "common/parallel.h"
#include "slic3d/slic3d_simd.h"

namespace ace3d {
namespace {

constexpr float kLargestLab = 128.0f;  // of L, a and b
constexpr int kUnitBits = 22;

// Memory that starts on a cache line; much of it on pages of 2 MiB where the system gives such: asking for
// the small ones, one by one as they are first touched, took a tenth of the whole call.
float* allocate(int64_t size) {
  constexpr int64_t kLine = 64, kPage = 1 << 21;
  const int64_t bytes = size * static_cast<int64_t>(sizeof(float)), unit = bytes < 2 * kPage ? kLine : kPage;
  void* memory =
      std::aligned_alloc(static_cast<size_t>(unit), static_cast<size_t>((bytes + unit - 1) / unit * unit));
  if (memory == nullptr) throw std::bad_alloc();
  if (unit == kPage) prefer_large_pages(memory, bytes);
  return static_cast<float*>(memory);
}

}  // namespace

BrickStorage::BrickStorage(VolumeShape shape, int64_t channels, float largest) {
  volume_.shape = shape;
  volume_.channels = channels;
  volume_.unit_exponent = std::max(-100, largest > 0 ? std::ilogb(largest) + 1 : 0) - kUnitBits;
  const int64_t side = box_side(kNumLevels - 1), sizes[3] = {shape.depth, shape.height, shape.width};
  for (int32_t t = 0; t * side < sizes[0]; ++t) {
    for (int32_t y = 0; y * side < sizes[1]; ++y) {
      for (int32_t x = 0; x * side < sizes[2]; ++x) {
        nodes_[kNumLevels - 1].push_back({{t, y, x}, 0, 0, 0, 0});
        add_children(kNumLevels - 1, static_cast<int64_t>(nodes_[kNumLevels - 1].size()) - 1);
      }
    }
  }
  const int64_t record = RecordLayout(channels).size;
  int64_t box_floats = 0;
  for (int level = 1; level < kNumLevels; ++level) {
    volume_.nodes[level] = nodes_[level].data();
    volume_.num_nodes[level] = static_cast<int64_t>(nodes_[level].size());
    box_floats += volume_.num_nodes[level] * 2 * channels * kChildren;
  }
  memory_.reset(allocate(num_bricks_ * record + box_floats));
  volume_.records = memory_.get();
  float* at = volume_.records + num_bricks_ * record;
  std::fill_n(at, box_floats, 0.0f);
  for (int level = 1; level < kNumLevels; ++level) {
    volume_.boxes[level] = at;
    at += volume_.num_nodes[level] * 2 * channels * kChildren;
  }
}

void BrickStorage::add_children(int level, int64_t index) {
  const VolumeShape& shape = volume_.shape;
  const int64_t side = box_side(level - 1), sizes[3] = {shape.depth, shape.height, shape.width};
  const Node node = nodes_[level][index];
  const auto first = level == 1 ? num_bricks_ : static_cast<int64_t>(nodes_[level - 1].size());
  uint8_t children = 0;
  for (uint8_t b = 0; b < kChildren; ++b) {
    int32_t at[3];
    bool inside = true;
    for (int axis = 0; axis < 3; ++axis) {
      at[axis] = 2 * node.at[axis] + (b >> (2 - axis) & 1);
      inside &= at[axis] * side < sizes[axis];
    }
    if (!inside) continue;
    children |= static_cast<uint8_t>(1 << b);
    if (level == 1) {
      ++num_bricks_;
    } else {
      nodes_[level - 1].push_back({{at[0], at[1], at[2]}, static_cast<int32_t>(index), 0, 0, b});
    }
  }
  nodes_[level][index].first_child = static_cast<int32_t>(first);
  nodes_[level][index].children = children;
  if (level == 1) return;
  const auto end = static_cast<int64_t>(nodes_[level - 1].size());
  for (int64_t child = first; child < end; ++child) add_children(level - 1, child);
}

template <class T>
std::unique_ptr<BrickStorage> lay_bricks(const T* colors, const uint8_t* mask, int64_t channels,
                                         VolumeShape shape, double compactness) {
  const auto scale = static_cast<float>(1.0 / compactness);
  const float largest = ACE3D_DISPATCH(largest_magnitude, colors, channels * shape.num_voxels()) * scale;
  auto storage = std::make_unique<BrickStorage>(shape, channels, largest);
  const VolumeSource<T> source = {colors};
  parallel_for(0, storage->num_jobs(), 1, [&](int64_t begin, int64_t end) {
    ACE3D_DISPATCH(fill_bricks, source, scale, mask, storage->volume(), begin, end);
  });
  return storage;
}

std::unique_ptr<BrickStorage> lay_bricks_of_bytes(const uint8_t* rgb, const LightTable& light,
                                                  VolumeShape shape, double compactness) {
  const auto scale = static_cast<float>(1.0 / compactness);
  auto storage = std::make_unique<BrickStorage>(shape, 3, kLargestLab * scale);
  const ByteSource source = {rgb, light};
  parallel_for(0, storage->num_jobs(), 1, [&](int64_t begin, int64_t end) {
    ACE3D_DISPATCH(fill_bricks, source, scale, nullptr, storage->volume(), begin, end);
  });
  return storage;
}

template std::unique_ptr<BrickStorage> lay_bricks(const float*, const uint8_t*, int64_t, VolumeShape, double);
template std::unique_ptr<BrickStorage> lay_bricks(const double*, const uint8_t*, int64_t, VolumeShape,
                                                  double);

}  // namespace ace3d
