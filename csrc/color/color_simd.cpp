#include "color/color_simd.h"

#include "color/light.h"
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

using Doubles = double __attribute__((vector_size(32)));
using Masks = int64_t __attribute__((vector_size(32)));
using FourInts = int32_t __attribute__((vector_size(16)));
constexpr int kDoubles = 4;

Doubles splat(double x) { return Doubles{x, x, x, x}; }

Doubles select(Masks mask, Doubles yes, Doubles no) {
  return (Doubles)(((Masks)yes & mask) | ((Masks)no & ~mask));
}

// About x^power, within 6 %, by way of the exponent; x in the range of float.
Doubles guess_power(Doubles x, float power) {
  constexpr float kOne = 1065353216.0f;  // the bits of 1
  const Quad bits = __builtin_convertvector((FourInts) __builtin_convertvector(x, Quad), Quad);
  const Quad guess = bits * power + (1.0f - power) * kOne;
  return __builtin_convertvector((Quad) __builtin_convertvector(guess, FourInts), Doubles);
}

// x^2.4 as x^2 times the fifth root of x^2, by Newton's steps.
Doubles power_2_4(Doubles x) {
  const Doubles square = x * x;
  Doubles root = guess_power(x, 0.4f);
  for (int step = 0; step < 5; ++step) {
    const Doubles fourth = (root * root) * (root * root);
    root = splat(0.8) * root + splat(0.2) * (square / fourth);
  }
  return square * root;
}

// By Newton's steps towards x^(-1/3), which need no division, and one with it.
Doubles cube_root(Doubles x) {
  Doubles y = guess_power(x, -1.0f / 3.0f);
  for (int step = 0; step < 3; ++step) {
    const Doubles off = splat(1.0) - x * (y * y * y);
    y = y + y * off * (splat(1.0 / 3.0) + off * (splat(2.0 / 9.0) + off * splat(14.0 / 81.0)));
  }
  const Doubles root = x * (y * y);
  return root - (root * root * root - x) / (splat(3.0) * root * root);
}

Doubles linear_light(Doubles x) {
  const Doubles curve = power_2_4((x + splat(0.055)) / splat(1.055));
  return select((Masks)(x > splat(0.04045)), curve, x / splat(12.92));
}

Doubles lightness_curve(Doubles x) {
  const Masks dark = (Masks)(x <= splat(0.008856));
  const Doubles line = splat(7.787) * x + splat(16.0 / 116.0);
  return select(dark, line, cube_root(select(dark, splat(1.0), x)));
}

}  // namespace

void lab_of_doubles(const double* rgb, double* lab) {
  Doubles light[3];
  std::memcpy(light, rgb, sizeof(light));
  for (Doubles& some : light) some = linear_light(some);
  double values[3 * kDoubles];
  std::memcpy(values, light, sizeof(values));
  Doubles rgb_of[3], curve[3];
  for (int c = 0; c < 3; ++c) {
    rgb_of[c] = Doubles{values[c], values[3 + c], values[6 + c], values[9 + c]};
  }
  for (int k = 0; k < 3; ++k) {
    const Doubles sum = splat(xyz_of_rgb(k, 0)) * rgb_of[0] + splat(xyz_of_rgb(k, 1)) * rgb_of[1] +
                        splat(xyz_of_rgb(k, 2)) * rgb_of[2];
    curve[k] = lightness_curve(sum / splat(xyz_of_white(k)));
  }
  const Doubles out[3] = {splat(116.0) * curve[1] - splat(16.0), splat(500.0) * (curve[0] - curve[1]),
                          splat(200.0) * (curve[1] - curve[2])};
  for (int i = 0; i < kDoubles; ++i) {
    for (int c = 0; c < 3; ++c) lab[3 * i + c] = out[c][i];
  }
}

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
