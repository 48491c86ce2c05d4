// Weights of one axis of a bicubic resize of bytes: those of torch's upsample with antialias.
//
// Sample i of the output is the sum over k < num_taps of weights[i * num_taps + k] * input[first[i] + k],
// plus one half, rounded down and clamped to [0, 255]. Weights are integers of 16 bits times 2^-precision, so
// that every sum is exact where enough bits are carried. Taps beyond the input weigh 0.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "common/host_device.h"

namespace ace3d {

// Which samples an output sample is made of, and how much of each, before weights are rounded: bicubic
// convolution (Keys 1981), a = -0.5, in the order of operations of torch.
class BicubicAxis {
 public:
  ACE3D_HOST_DEVICE BicubicAxis(int64_t in_size, int64_t out_size)
      : in_size_(in_size), scale_(static_cast<double>(in_size) / static_cast<double>(out_size)) {}

  ACE3D_HOST_DEVICE int64_t most_taps() const { return static_cast<int64_t>(ceil(support())) * 2 + 1; }
  ACE3D_HOST_DEVICE int64_t first(int64_t i) const {
    const auto at = static_cast<int64_t>(center(i) - support() + 0.5);
    return at > 0 ? at : 0;
  }
  ACE3D_HOST_DEVICE int64_t num_taps(int64_t i) const {
    const auto end = static_cast<int64_t>(center(i) + support() + 0.5);
    const int64_t count = (end < in_size_ ? end : in_size_) - first(i), most = most_taps();
    return count < 0 ? 0 : count > most ? most : count;
  }
  // Of sample first(i) + k; an output's weights are divided by their sum.
  ACE3D_HOST_DEVICE double weight(int64_t i, int64_t k) const {
    const double inverse = scale_ >= 1.0 ? 1.0 / scale_ : 1.0;
    return cubic((static_cast<double>(k + first(i)) - center(i) + 0.5) * inverse);
  }

 private:
  ACE3D_HOST_DEVICE double support() const { return scale_ >= 1.0 ? 2.0 * scale_ : 2.0; }
  ACE3D_HOST_DEVICE double center(int64_t i) const { return scale_ * (static_cast<double>(i) + 0.5); }
  ACE3D_HOST_DEVICE static double cubic(double x) {
    constexpr double a = -0.5;
    x = x < 0.0 ? -x : x;
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0) return ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
    return 0.0;
  }

  int64_t in_size_;
  double scale_;
};

// As many bits as let the largest weight fit 16.
ACE3D_HOST_DEVICE inline int32_t weight_precision(double largest) {
  int32_t precision = 0;
  while (precision < 22) {
    const double next = 0.5 + largest * static_cast<double>(1 << (precision + 1));
    if (static_cast<int>(next) >= (1 << 15)) break;
    ++precision;
  }
  return precision;
}

// A weight in whole multiples of 2^-precision.
ACE3D_HOST_DEVICE inline int32_t whole_weight(double weight, int32_t precision) {
  const double scaled = weight * static_cast<double>(1 << precision);
  return static_cast<int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

struct ResizeWeights {
  std::vector<int32_t> first;  // [out_size], in [0, in_size)
  std::vector<float> weights;  // [out_size, num_taps]
  int32_t num_taps;
  int32_t precision;

  // Whether 24 bits hold every sum: 8 of a byte, the precision, and one as weights' magnitudes sum below 2.
  bool fits_float() const { return precision <= 15; }
};

ResizeWeights bicubic_weights(int64_t in_size, int64_t out_size);

}  // namespace ace3d
