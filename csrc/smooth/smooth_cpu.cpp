#include <algorithm>
#include <vector>

#include "color/color_simd.h"
#include "common/cpu.h"
#include "common/parallel.h"
#include "smooth/smooth.h"
#include "smooth/smooth_simd.h"
#include "smooth/weights.h"

namespace ace3d {
namespace {

constexpr int64_t kGrainVoxels = 16384;  // fewer are not worth a second thread

int64_t planes_per_job(VolumeShape shape) {
  return std::max<int64_t>(1, kGrainVoxels / (shape.height * shape.width));
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

  Axis(double sigma, int64_t size) : weights(gaussian_weights<T>(sigma)), size(size) {
    for (int64_t i = -radius(); i < size + radius(); ++i) mirror.push_back(mirrored(i, size));
  }
  int64_t radius() const { return static_cast<int64_t>(weights.size()) - 1; }
};

// Row `at` of rows of `length`, weighed along the axis of the rows; row i begins at begin_of(i).
template <class T, class BeginOf>
void weigh_along(const Axis<T>& axis, int64_t at, int64_t length, const BeginOf& begin_of, T* out,
                 std::vector<const T*>& rows) {
  rows.resize(2 * axis.radius() + 1);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = begin_of(axis.mirror[at + static_cast<int64_t>(i)]);
  weigh_rows(rows.data() + axis.radius(), axis.weights.data(), axis.radius(), length, out);
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

// A plane at a time: its planes in T, then its rows in H, then each row in W; what lies between stays in
// cache.
template <class T>
class PlaneSmoother {
 public:
  PlaneSmoother(VolumeShape shape, const double sigma[3])
      : along_t_(sigma[0], shape.depth),
        along_y_(sigma[1], shape.height),
        along_x_(sigma[2], shape.width),
        over_t_(shape.height * shape.width),
        over_y_(shape.width) {}

  int64_t radius_t() const { return along_t_.radius(); }

  // Plane t, of planes that begin at plane_of(0), plane_of(1), ...
  template <class PlaneOf>
  void smooth(int64_t t, const PlaneOf& plane_of, T* out) {
    const int64_t height = along_y_.size, width = along_x_.size;
    weigh_along(along_t_, t, height * width, plane_of, over_t_.data(), rows_);
    const auto row_of = [&](int64_t y) { return over_t_.data() + y * width; };
    for (int64_t y = 0; y < height; ++y) {
      weigh_along(along_y_, y, width, row_of, over_y_.data(), rows_);
      weigh_within(along_x_, over_y_.data(), out + y * width, line_, rows_);
    }
  }

 private:
  Axis<T> along_t_, along_y_, along_x_;
  std::vector<T> over_t_, over_y_, line_;
  std::vector<const T*> rows_;
};

}  // namespace

template <class T>
void gaussian_smooth_cpu(const T* volume, T* out, int64_t num_volumes, VolumeShape shape,
                         const double sigma[3]) {
  const int64_t plane = shape.height * shape.width;
  parallel_for(0, num_volumes * shape.depth, planes_per_job(shape), [&](int64_t begin, int64_t end) {
    PlaneSmoother<T> smoother(shape, sigma);
    for (int64_t i = begin; i < end; ++i) {
      const T* from = volume + i / shape.depth * shape.num_voxels();
      smoother.smooth(i % shape.depth, [&](int64_t t) { return from + t * plane; }, out + i * plane);
    }
  });
}

void smooth_lab_cpu(const uint8_t* rgb, const LightTable& light, float* out, VolumeShape shape,
                    const double sigma[3]) {
  const int64_t plane = shape.height * shape.width;
  parallel_for(0, shape.depth, planes_per_job(shape), [&](int64_t begin, int64_t end) {
    PlaneSmoother<float> smoother(shape, sigma);
    // Lab of as many planes as one needs; plane t lies at t % size.
    const int64_t radius = smoother.radius_t(), size = std::min(2 * radius + 1, shape.depth);
    std::vector<float> lab(size * 3 * plane);
    const auto lab_of = [&](int64_t t) { return lab.data() + t % size * 3 * plane; };
    int64_t next = std::max<int64_t>(0, begin - radius);
    for (int64_t t = begin; t < end; ++t) {
      for (; next < std::min(t + radius + 1, shape.depth); ++next) {
        ACE3D_DISPATCH(lab_of_bytes, rgb + next * 3 * plane, light, lab_of(next), plane, 0, plane);
      }
      for (int64_t c = 0; c < 3; ++c) {
        smoother.smooth(
            t, [&](int64_t at) { return lab_of(at) + c * plane; }, out + c * shape.num_voxels() + t * plane);
      }
    }
  });
}

template void gaussian_smooth_cpu<float>(const float*, float*, int64_t, VolumeShape, const double[3]);
template void gaussian_smooth_cpu<double>(const double*, double*, int64_t, VolumeShape, const double[3]);

}  // namespace ace3d
