#include "region_patches/bicubic.h"

#include <algorithm>
#include <cmath>

namespace ace3d {
namespace {

// Bicubic convolution (Keys 1981), a = -0.5, in the order of operations of torch.
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
  return 0.0;
}

}  // namespace

ResizeWeights bicubic_weights(int64_t in_size, int64_t out_size) {
  const double scale = static_cast<double>(in_size) / static_cast<double>(out_size);
  const double support = scale >= 1.0 ? 2.0 * scale : 2.0;
  const double inverse = scale >= 1.0 ? 1.0 / scale : 1.0;
  const int64_t most_taps = static_cast<int64_t>(std::ceil(support)) * 2 + 1;

  ResizeWeights result{std::vector<int32_t>(out_size), {}, 0, 0};
  std::vector<double> weights(out_size * most_taps, 0.0);
  double largest = 0.0;
  for (int64_t i = 0; i < out_size; ++i) {
    const double center = scale * (static_cast<double>(i) + 0.5);
    const int64_t first = std::max<int64_t>(static_cast<int64_t>(center - support + 0.5), 0);
    const int64_t last = std::min<int64_t>(static_cast<int64_t>(center + support + 0.5), in_size);
    const int64_t count = std::clamp<int64_t>(last - first, 0, most_taps);
    double* row = weights.data() + i * most_taps;
    double total = 0.0;
    for (int64_t k = 0; k < count; ++k) {
      row[k] = cubic((static_cast<double>(k + first) - center + 0.5) * inverse);
      total += row[k];
    }
    for (int64_t k = 0; k < count && total != 0.0; ++k) {
      row[k] /= total;
      largest = std::max(largest, row[k]);
    }
    result.first[i] = static_cast<int32_t>(first);
    result.num_taps = std::max(result.num_taps, static_cast<int32_t>(count));
  }

  // As many bits as let the largest weight fit 16.
  while (result.precision < 22) {
    const double next = 0.5 + largest * static_cast<double>(1 << (result.precision + 1));
    if (static_cast<int>(next) >= (1 << 15)) break;
    ++result.precision;
  }
  const double unit = static_cast<double>(1 << result.precision);
  result.weights.resize(out_size * result.num_taps);
  for (int64_t i = 0; i < out_size; ++i) {
    for (int32_t k = 0; k < result.num_taps; ++k) {
      const double weight = weights[i * most_taps + k] * unit;
      const int whole = static_cast<int>(weight < 0 ? weight - 0.5 : weight + 0.5);
      result.weights[i * result.num_taps + k] = static_cast<float>(whole / unit);
    }
  }
  return result;
}

}  // namespace ace3d
