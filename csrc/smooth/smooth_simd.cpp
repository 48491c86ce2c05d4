#include "smooth/smooth_simd.h"

#include "common/simd.h"

namespace ace3d::ACE3D_ISA {
namespace {

// `count` vectors at a time, so that the sums stay in registers.
template <int kCount>
int64_t weigh(const float* const* rows, const float* weights, int64_t radius, int64_t x, int64_t width,
              float* out) {
  for (; x + kCount * kLanes <= width; x += kCount * kLanes) {
    Floats sums[kCount];
    for (int i = 0; i < kCount; ++i) sums[i] = splat(weights[0]) * load(rows[0] + x + i * kLanes);
    for (int64_t d = radius; d > 0; --d) {
      const Floats weight = splat(weights[d]);
      for (int i = 0; i < kCount; ++i) {
        const Floats pair = load(rows[-d] + x + i * kLanes) + load(rows[d] + x + i * kLanes);
        sums[i] = fma(weight, pair, sums[i]);
      }
    }
    for (int i = 0; i < kCount; ++i) store(out + x + i * kLanes, sums[i]);
  }
  return x;
}

}  // namespace

void weigh_rows(const float* const* rows, const float* weights, int64_t radius, int64_t width, float* out) {
  int64_t x = weigh<4>(rows, weights, radius, 0, width, out);
  x = weigh<1>(rows, weights, radius, x, width, out);
  for (; x < width; ++x) {
    float sum = weights[0] * rows[0][x];
    for (int64_t d = radius; d > 0; --d) sum = __builtin_fmaf(weights[d], rows[-d][x] + rows[d][x], sum);
    out[x] = sum;
  }
}

}  // namespace ace3d::ACE3D_ISA
