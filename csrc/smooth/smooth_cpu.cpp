#include <algorithm>
#include <cmath>
#include <vector>

#include "common/cpu.h"
#include "common/parallel.h"
#include "smooth/smooth.h"
#include "smooth/smooth_simd.h"

namespace ace3d {
namespace {

constexpr int64_t kGrainVoxels = 16384;  // fewer are not worth a second thread

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

void weigh_rows(const float* const* rows, const float* weights, int64_t radius, int64_t width, float* out) {
  ACE3D_DISPATCH(weigh_rows, rows, weights, radius, width, out);
}

void weigh_rows(const double* const* rows, const double* weights, int64_t radius, int64_t width,
                double* out) {
  for (int64_t x = 0; x < width; ++x) out[x] = weights[0] * rows[0][x];
  for (int64_t d = radius; d > 0; --d) {
    for (int64_t x = 0; x < width; ++x) out[x] += weights[d] * (rows[-d][x] + rows[d][x]);
  }
}

// One axis: its kernel, and which sample stands at each place from -radius to size + radius.
template <class T>
struct Axis {
  std::vector<T> weights;
  std::vector<int64_t> mirror;
  int64_t size;

  Axis(double sigma, int64_t size) : weights{T(1)}, size(size) {
    if (sigma > 1e-15) weights = gaussian_weights<T>(sigma);
    for (int64_t i = -radius(); i < size + radius(); ++i) mirror.push_back(mirrored(i, size));
  }
  int64_t radius() const { return static_cast<int64_t>(weights.size()) - 1; }
};

// Row `at` of `num_rows` rows, `stride` apart, weighed along the axis of the rows.
template <class T>
void weigh_along(const Axis<T>& axis, const T* from, int64_t at, int64_t stride, T* out,
                 std::vector<const T*>& rows) {
  rows.resize(2 * axis.radius() + 1);
  for (size_t i = 0; i < rows.size(); ++i)
    rows[i] = from + axis.mirror[at + static_cast<int64_t>(i)] * stride;
  weigh_rows(rows.data() + axis.radius(), axis.weights.data(), axis.radius(), stride, out);
}

// One row along its own axis: its samples and the mirrored ones beside them are laid out in `line`.
template <class T>
void weigh_within(const Axis<T>& axis, const T* from, T* out, std::vector<T>& line,
                  std::vector<const T*>& rows) {
  const int64_t radius = axis.radius();
  line.resize(axis.size + 2 * radius);
  for (int64_t i = 0; i < radius; ++i) line[i] = from[axis.mirror[i]];
  std::copy(from, from + axis.size, line.begin() + radius);
  for (int64_t i = axis.size + radius; i < axis.size + 2 * radius; ++i) line[i] = from[axis.mirror[i]];
  rows.resize(2 * radius + 1);
  for (int64_t i = 0; i < 2 * radius + 1; ++i) rows[i] = line.data() + i;
  weigh_rows(rows.data() + radius, axis.weights.data(), radius, axis.size, out);
}

}  // namespace

template <class T>
void gaussian_smooth_cpu(const T* volume, T* out, int64_t num_volumes, VolumeShape shape,
                         const double sigma[3]) {
  const Axis<T> along_t(sigma[0], shape.depth), along_y(sigma[1], shape.height),
      along_x(sigma[2], shape.width);
  const int64_t plane = shape.height * shape.width;
  const int64_t grain = std::max<int64_t>(1, kGrainVoxels / plane);
  // A plane at a time: its planes in T, then its rows in H, then each row in W; what lies between stays in
  // cache.
  parallel_for(0, num_volumes * shape.depth, grain, [&](int64_t begin, int64_t end) {
    std::vector<T> over_t(plane), over_y(shape.width), line;
    std::vector<const T*> rows;
    for (int64_t i = begin; i < end; ++i) {
      const T* from = volume + i / shape.depth * shape.num_voxels();
      weigh_along(along_t, from, i % shape.depth, plane, over_t.data(), rows);
      for (int64_t y = 0; y < shape.height; ++y) {
        weigh_along(along_y, over_t.data(), y, shape.width, over_y.data(), rows);
        weigh_within(along_x, over_y.data(), out + i * plane + y * shape.width, line, rows);
      }
    }
  });
}

template void gaussian_smooth_cpu<float>(const float*, float*, int64_t, VolumeShape, const double[3]);
template void gaussian_smooth_cpu<double>(const double*, double*, int64_t, VolumeShape, const double[3]);

}  // namespace ace3d
