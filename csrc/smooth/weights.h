// The kernel of a Gaussian along one axis, and what stands beyond the ends of the axis.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "common/host_device.h"

namespace ace3d {

// weights[d]: weight of the two samples at distance d; they sum to 1. One weight where sigma is 0.
template <class T>
std::vector<T> gaussian_weights(double sigma) {
  if (!(sigma > 1e-15)) return {T(1)};
  const int64_t radius = static_cast<int64_t>(4.0 * sigma + 0.5);
  std::vector<double> weights(radius + 1);
  double sum = 0;
  for (int64_t d = radius; d >= 0; --d) {
    weights[d] = std::exp(-0.5 / (sigma * sigma) * static_cast<double>(d * d));
    sum += d == 0 ? weights[d] : 2 * weights[d];
  }
  std::vector<T> scaled(radius + 1);
  for (int64_t d = 0; d <= radius; ++d) scaled[d] = static_cast<T>(weights[d] / sum);
  return scaled;
}

// Which sample of an axis of `size` stands at `index`, the axis mirrored at its ends.
ACE3D_HOST_DEVICE inline int64_t mirrored(int64_t index, int64_t size) {
  const int64_t period = 2 * size;
  index %= period;
  if (index < 0) index += period;
  return index < size ? index : period - 1 - index;
}

}  // namespace ace3d
