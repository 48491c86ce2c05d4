// Unpacking of stable-ABI tensors for the registration files.
#pragma once

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <vector>

#include "common/volume.h"
#include "region_patches/region_patches.h"
#include "region_pool/region_pool.h"

namespace ace3d {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

// The last three axes as a volume.
inline VolumeShape volume_of(const Tensor& tensor) {
  const int64_t d = tensor.dim();
  return {tensor.size(d - 3), tensor.size(d - 2), tensor.size(d - 1)};
}

template <class T>
const T* input(const Tensor& tensor) {
  STD_TORCH_CHECK(tensor.is_contiguous(), "expected a contiguous tensor");
  return static_cast<const T*>(tensor.const_data_ptr());
}

template <class T>
T* output(const Tensor& tensor) {
  return static_cast<T*>(tensor.mutable_data_ptr());
}

// Whether the channels of a dense (N, C, T, H, W) tensor lie side by side.
inline bool is_channels_last(const Tensor& tensor) {
  if (tensor.is_contiguous()) return false;
  int64_t stride = 1;
  for (const int64_t axis : {1, 4, 3, 2, 0}) {
    STD_TORCH_CHECK(tensor.size(axis) == 1 || tensor.stride(axis) == stride,
                    "expected contiguous or channels_last_3d features");
    stride *= tensor.size(axis);
  }
  return true;
}

template <class T>
FeatureGrid<T> feature_grid(const Tensor& features) {
  return {static_cast<const T*>(features.const_data_ptr()), is_channels_last(features)};
}

// Calls body(T{}) with the type of the elements, one of the floating-point types.
template <class Body>
void with_float_type(ScalarType type, const Body& body) {
  switch (type) {
    case ScalarType::Float:
      return body(float{});
    case ScalarType::Double:
      return body(double{});
    case ScalarType::Half:
      return body(Half{});
    case ScalarType::BFloat16:
      return body(BFloat16{});
    default:
      STD_TORCH_CHECK(false, "expected a floating-point type");
  }
}

// The grid (T', H', W') of features.
inline std::vector<int64_t> grid_of(const Tensor& features) {
  return {features.size(2), features.size(3), features.size(4)};
}

// From labels (N, S, T, H, W), the grid of the features and the regions of each map (or, one number, of all).
inline RegionPoolShape region_pool_shape(const Tensor& labels, int64_t channels,
                                         const std::vector<int64_t>& grid,
                                         const std::vector<int64_t>& num_regions) {
  RegionPoolShape shape{labels.size(0),
                        channels,
                        labels.size(1),
                        0,
                        {grid[0], grid[1], grid[2]},
                        {labels.size(2), labels.size(3), labels.size(4)},
                        {}};
  for (const int64_t count : num_regions) {
    shape.maps.push_back({shape.num_regions, count});
    shape.num_regions += count;
  }
  if (num_regions.size() == 1) shape.maps.resize(shape.num_maps, shape.maps[0]);
  return shape;
}

// From a region, and five numbers (first frame, top, bottom, left, right), for each patch.
inline std::vector<RegionBox> region_boxes(const std::vector<int64_t>& regions,
                                           const std::vector<int64_t>& boxes) {
  std::vector<RegionBox> cuts(regions.size());
  for (size_t i = 0; i < cuts.size(); ++i) {
    const auto at = [&](size_t k) { return static_cast<int32_t>(boxes[5 * i + k]); };
    cuts[i] = {static_cast<int32_t>(regions[i]), at(0), at(1), at(2), at(3), at(4)};
  }
  return cuts;
}

inline PixelScale pixel_scale(int64_t fill, const std::vector<double>& scale,
                              const std::vector<double>& shift) {
  PixelScale pixels{static_cast<uint8_t>(fill), {}, {}};
  for (int c = 0; c < 3; ++c) {
    pixels.scale[c] = static_cast<float>(scale[c]);
    pixels.shift[c] = static_cast<float>(shift[c]);
  }
  return pixels;
}

}  // namespace ace3d
