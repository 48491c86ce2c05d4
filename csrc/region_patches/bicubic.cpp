#include "region_patches/bicubic.h"

#include <algorithm>

namespace ace3d {

ResizeWeights bicubic_weights(int64_t in_size, int64_t out_size) {
  const BicubicAxis axis(in_size, out_size);
  const int64_t most_taps = axis.most_taps();
  ResizeWeights result{std::vector<int32_t>(out_size), {}, 0, 0};
  std::vector<double> weights(out_size * most_taps, 0.0);
  double largest = 0.0;
  for (int64_t i = 0; i < out_size; ++i) {
    const int64_t count = axis.num_taps(i);
    double* row = weights.data() + i * most_taps;
    double total = 0.0;
    for (int64_t k = 0; k < count; ++k) total += row[k] = axis.weight(i, k);
    for (int64_t k = 0; k < count && total != 0.0; ++k) {
      row[k] /= total;
      largest = std::max(largest, row[k]);
    }
    result.first[i] = static_cast<int32_t>(axis.first(i));
    result.num_taps = std::max(result.num_taps, static_cast<int32_t>(count));
  }
  result.precision = weight_precision(largest);
  const double unit = static_cast<double>(1 << result.precision);
  result.weights.resize(out_size * result.num_taps);
  for (int64_t i = 0; i < out_size; ++i) {
    for (int32_t k = 0; k < result.num_taps; ++k) {
      const int32_t whole = whole_weight(weights[i * most_taps + k], result.precision);
      result.weights[i * result.num_taps + k] = static_cast<float>(whole / unit);
    }
  }
  return result;
}

}  // namespace ace3d
