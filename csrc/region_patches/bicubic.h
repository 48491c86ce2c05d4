// Integer weights of one axis of a bicubic resize: those of torch's upsample of bytes with antialias.
//
// Sample i of the output is (half + the sum over k < num_taps of weights[i * num_taps + k] *
// input[first[i] + k]) >> precision, clamped to a byte, with half = 1 << (precision - 1). Taps beyond the
// input weigh 0 and are not to be read.
#pragma once

#include <cstdint>
#include <vector>

namespace ace3d {

struct ResizeWeights {
  std::vector<int32_t> first;    // [out_size], in [0, in_size)
  std::vector<int32_t> weights;  // [out_size, num_taps], each fits 16 bits
  int32_t num_taps;
  int32_t precision;
};

ResizeWeights bicubic_weights(int64_t in_size, int64_t out_size);

}  // namespace ace3d
