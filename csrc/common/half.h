// 16-bit floating-point numbers, and how they become float and back: to nearest, ties to even.
//
// NaN included, results are those of the instructions that some machines have for this.
#pragma once

#include <cstdint>
#include <cstring>

#include "common/host_device.h"
#include "common/inline.h"

namespace ace3d {

struct Half {  // IEEE 754 binary16
  uint16_t bits;
};

struct BFloat16 {  // the upper half of a float
  uint16_t bits;
};

ACE3D_HOST_DEVICE ACE3D_INLINE float float_of(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

ACE3D_HOST_DEVICE ACE3D_INLINE uint32_t bits_of(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}

ACE3D_HOST_DEVICE ACE3D_INLINE float widen(float x) { return x; }
ACE3D_HOST_DEVICE ACE3D_INLINE double widen(double x) { return x; }
ACE3D_HOST_DEVICE ACE3D_INLINE float widen(BFloat16 x) {
  return float_of(static_cast<uint32_t>(x.bits) << 16);
}

ACE3D_HOST_DEVICE ACE3D_INLINE float widen(Half x) {
  const uint32_t sign = static_cast<uint32_t>(x.bits & 0x8000) << 16, rest = x.bits & 0x7fff;
  if (rest > 0x7c00) return float_of(sign | 0x7fc00000 | rest << 13);
  if (rest == 0x7c00) return float_of(sign | 0x7f800000);
  // The product moves the exponent to its place, that of subnormal numbers too.
  return float_of(sign | bits_of(float_of(rest << 13) * 0x1p112f));
}

ACE3D_HOST_DEVICE ACE3D_INLINE void narrow(float x, float& to) { to = x; }
ACE3D_HOST_DEVICE ACE3D_INLINE void narrow(double x, double& to) { to = x; }

ACE3D_HOST_DEVICE ACE3D_INLINE void narrow(float x, BFloat16& to) {
  const uint32_t bits = bits_of(x);
  const bool nan = (bits & 0x7fffffff) > 0x7f800000;
  to.bits = static_cast<uint16_t>(nan ? 0x7fc0 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

ACE3D_HOST_DEVICE ACE3D_INLINE void narrow(float x, Half& to) {
  const uint32_t bits = bits_of(x), sign = bits >> 16 & 0x8000;
  uint32_t rest = bits & 0x7fffffff;
  if (rest > 0x7f800000) {
    rest = 0x7e00 | (rest >> 13 & 0x3ff);
  } else if (rest >= 0x47800000) {  // 65536
    rest = 0x7c00;
  } else if (rest < 0x38800000) {  // below 2^-14: added to one half, the last bits left are those wanted
    rest = bits_of(float_of(rest) + 0.5f) - 0x3f000000;
  } else {
    rest = (rest - 0x38000000 + 0xfff + (rest >> 13 & 1)) >> 13;
  }
  to.bits = static_cast<uint16_t>(sign | rest);
}

}  // namespace ace3d
