// Weights of one axis of a bicubic resize of bytes: those of torch's upsample with antialias.
//
// Sample i of the output is the sum over k < num_taps of weights[i * num_taps + k] * input[first[i] + k],
// plus one half, rounded down and clamped to [0, 255]. Weights are integers of 16 bits times 2^-precision, so
// that every sum is exact where enough bits are carried. Taps beyond the input weigh 0.
#pragma once

#include <cstdint>
#include <vector>

namespace ace3d {

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
