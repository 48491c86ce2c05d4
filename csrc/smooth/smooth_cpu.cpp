#include <algorithm>
#include <cmath>
#include <vector>

#include "common/parallel.h"
#include "smooth/smooth.h"

namespace ace3d {
namespace {

// weights[d]: weight of the two samples at distance d; they sum to 1.
template <class T>
std::vector<T> gaussian_weights(double sigma) {
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

int64_t mirrored(int64_t index, int64_t size) {
  const int64_t period = 2 * size;
  index %= period;
  if (index < 0) index += period;
  return index < size ? index : period - 1 - index;
}

// Smooth a block of `size` rows of `width` values each along the axis of the rows. Rows lie `stride` apart;
// `mirror[i + radius]` is the row to read for row i, and may lie outside for i < 0 or i >= size.
template <class T>
void smooth_rows(const T* from, T* to, const std::vector<T>& weights, const int64_t* mirror, int64_t begin,
                 int64_t end, int64_t stride, int64_t width) {
  const int64_t radius = static_cast<int64_t>(weights.size()) - 1;
  for (int64_t row = begin; row < end; ++row) {
    T* out = to + row * stride;
    const int64_t* at = mirror + row + radius;
    const T* center = from + at[0] * stride;
    for (int64_t x = 0; x < width; ++x) out[x] = weights[0] * center[x];
    for (int64_t d = radius; d > 0; --d) {
      const T* before = from + at[-d] * stride;
      const T* after = from + at[d] * stride;
      for (int64_t x = 0; x < width; ++x) out[x] += weights[d] * (before[x] + after[x]);
    }
  }
}

}  // namespace

template <class T>
void gaussian_smooth_cpu(const T* volume, T* out, int64_t num_volumes, VolumeShape shape,
                         const double sigma[3]) {
  const int64_t sizes[3] = {shape.depth, shape.height, shape.width};
  const int64_t total = num_volumes * shape.num_voxels();
  std::vector<T> scratch;
  const T* from = volume;
  for (int axis = 0; axis < 3; ++axis) {
    if (sigma[axis] <= 1e-15) continue;
    const std::vector<T> weights = gaussian_weights<T>(sigma[axis]);
    const int64_t radius = static_cast<int64_t>(weights.size()) - 1, size = sizes[axis];
    std::vector<int64_t> mirror(size + 2 * radius);
    for (int64_t i = -radius; i < size + radius; ++i) mirror[i + radius] = mirrored(i, size);
    if (from == out) {
      scratch.assign(from, from + total);
      from = scratch.data();
    }
    if (axis == 2) {
      parallel_for(0, total / size, std::max<int64_t>(1, 16384 / size), [&](int64_t begin, int64_t end) {
        std::vector<T> line(size + 2 * radius);
        for (int64_t row = begin; row < end; ++row) {
          const T* in = from + row * size;
          T* to = out + row * size;
          for (int64_t i = 0; i < size + 2 * radius; ++i) line[i] = in[mirror[i]];
          const T* middle = line.data() + radius;
          for (int64_t x = 0; x < size; ++x) to[x] = weights[0] * middle[x];
          for (int64_t d = radius; d > 0; --d) {
            for (int64_t x = 0; x < size; ++x) to[x] += weights[d] * (middle[x - d] + middle[x + d]);
          }
        }
      });
    } else {
      const int64_t stride = axis == 0 ? shape.height * shape.width : shape.width;
      const int64_t num_blocks = total / (size * stride);
      parallel_for(0, num_blocks * size, std::max<int64_t>(1, 16384 / stride),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t row = begin; row < end;) {
                       const int64_t block = row / size, last = std::min(end, (block + 1) * size);
                       smooth_rows(from + block * size * stride, out + block * size * stride, weights,
                                   mirror.data(), row - block * size, last - block * size, stride, stride);
                       row = last;
                     }
                   });
    }
    from = out;
  }
  if (from == volume && from != out) std::copy(volume, volume + total, out);
}

template void gaussian_smooth_cpu<float>(const float*, float*, int64_t, VolumeShape, const double[3]);
template void gaussian_smooth_cpu<double>(const double*, double*, int64_t, VolumeShape, const double[3]);

}  // namespace ace3d
