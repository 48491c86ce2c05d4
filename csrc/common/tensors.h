// Unpacking of stable-ABI tensors for the registration files.
#pragma once

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include "common/volume.h"
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

// From labels (N, S, T, H, W) and the grid (T', H', W') of the features.
template <class Grid>
RegionPoolShape region_pool_shape(const Tensor& labels, int64_t channels, const Grid& grid,
                                  int64_t num_regions) {
  return {labels.size(0),
          channels,
          labels.size(1),
          num_regions,
          {grid[0], grid[1], grid[2]},
          {labels.size(2), labels.size(3), labels.size(4)}};
}

}  // namespace ace3d
