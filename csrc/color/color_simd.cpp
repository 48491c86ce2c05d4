#include "color/color_simd.h"

#include "common/simd.h"

namespace ace3d::ACE3D_ISA {
namespace {

// Cube root of values in [0.008, 2], as x / x^(2/3): a guess of x^(-1/3) from the exponent, then two cubic
// steps (error 2e-7).
Floats cube_root(Floats x) {
  const Floats third = __builtin_convertvector((Ints)x, Floats) * splat(1.0f / 3.0f);
  Floats y = (Floats)(splat(0x54a2fa8c) - __builtin_convertvector(third, Ints));
  for (int step = 0; step < 2; ++step) {
    const Floats off = fma(-x, y * y * y, splat(1.0f));
    y = fma(y * off, fma(off, splat(2.0f / 9.0f), splat(1.0f / 3.0f)), y);
  }
  return x * y * y;
}

Floats lightness_curve(Floats x) {
  const Floats line = fma(splat(7.787f), x, splat(16.0f / 116.0f));
  return select((Ints)(x > splat(0.008856f)), cube_root(x), line);
}

}  // namespace

void lab_of_bytes(const uint8_t* rgb, const LightTable& light, float* lab, int64_t channel_stride,
                  int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i += kLanes) {
    const int64_t count = end - i < kLanes ? end - i : kLanes;
    Quad xyz[kLanes] = {};
    for (int64_t j = 0; j < count; ++j) {
      const uint8_t* pixel = rgb + 3 * (i + j);
      xyz[j] = load_quad(light.xyz[0][pixel[0]]) + load_quad(light.xyz[1][pixel[1]]) +
               load_quad(light.xyz[2][pixel[2]]);
    }
    Floats rows[4];
    transpose(xyz, rows);
    const Floats x = lightness_curve(rows[0]), y = lightness_curve(rows[1]), z = lightness_curve(rows[2]);
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
