#include "color/color_simd.h"

#include "common/simd.h"

namespace ace3d::ACE3D_ISA {
namespace {

// Cube root of values in [0, 2]: a guess from the exponent, then two steps of Halley's method (error 1e-7).
Floats cube_root(Floats x) {
  const Floats guess = __builtin_convertvector((Ints)x, Floats) * splat(1.0f / 3.0f);
  Floats y = (Floats)(__builtin_convertvector(guess, Ints) + splat(0x2a514067));
  for (int step = 0; step < 2; ++step) {
    const Floats cube = y * y * y;
    y = y * (cube + x + x) / (cube + cube + x);
  }
  return y;
}

Floats lightness_curve(Floats x) {
  const Floats line = fma(splat(7.787f), x, splat(16.0f / 116.0f));
  return select((Ints)(x > splat(0.008856f)), cube_root(x), line);
}

Floats mix(Floats r, Floats g, Floats b, double wr, double wg, double wb) {
  const Floats blue = splat(static_cast<float>(wb)) * b;
  return fma(splat(static_cast<float>(wr)), r, fma(splat(static_cast<float>(wg)), g, blue));
}

}  // namespace

void lab_of_bytes(const uint8_t* rgb, const float* light, float* lab, int64_t channel_stride, int64_t begin,
                  int64_t end) {
  for (int64_t i = begin; i < end; i += kLanes) {
    const int64_t count = end - i < kLanes ? end - i : kLanes;
    float linear[3][kLanes] = {};
    for (int64_t j = 0; j < count; ++j) {
      for (int c = 0; c < 3; ++c) linear[c][j] = light[rgb[3 * (i + j) + c]];
    }
    const Floats r = load(linear[0]), g = load(linear[1]), b = load(linear[2]);
    const Floats x =
        lightness_curve(mix(r, g, b, 0.412453 / 0.95047, 0.357580 / 0.95047, 0.180423 / 0.95047));
    const Floats y = lightness_curve(mix(r, g, b, 0.212671, 0.715160, 0.072169));
    const Floats z =
        lightness_curve(mix(r, g, b, 0.019334 / 1.08883, 0.119193 / 1.08883, 0.950227 / 1.08883));
    const Floats out[3] = {fma(splat(116.0f), y, splat(-16.0f)), splat(500.0f) * (x - y),
                           splat(200.0f) * (y - z)};
    for (int c = 0; c < 3; ++c) {
      float* to = lab + c * channel_stride + i;
      if (count == kLanes) {
        store(to, out[c]);
      } else {
        for (int64_t j = 0; j < count; ++j) to[j] = out[c][j];
      }
    }
  }
}

}  // namespace ace3d::ACE3D_ISA
