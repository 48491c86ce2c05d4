// Lab of a pixel of bytes: the steps of color_simd.cpp, each rounded as there.
#pragma once

#include "color/color.h"
#include "common/launch.h"

namespace ace3d {

struct LabColor {
  float l, a, b;
};

// Cube root of values in [0.008, 2]: see color_simd.cpp.
__device__ __forceinline__ float lab_cube_root(float x) {
  const float third = static_cast<float>(__float_as_int(x)) * (1.0f / 3.0f);
  float y = __int_as_float(0x54a2fa8c - __float2int_rz(third));
  for (int step = 0; step < 2; ++step) {
    const float off = __fmaf_rn(-x, y * y * y, 1.0f);
    y = __fmaf_rn(y * off, __fmaf_rn(off, 2.0f / 9.0f, 1.0f / 3.0f), y);
  }
  return x * y * y;
}

__device__ __forceinline__ float lab_curve(float x) {
  return x > 0.008856f ? lab_cube_root(x) : __fmaf_rn(7.787f, x, 16.0f / 116.0f);
}

// `light` [3, 256]: a LightTable.
__device__ __forceinline__ LabColor lab_of_pixel(const float4* light, int red, int green, int blue) {
  const float4 r = light[red], g = light[256 + green], b = light[512 + blue];
  const float x = lab_curve(r.x + g.x + b.x), y = lab_curve(r.y + g.y + b.y), z = lab_curve(r.z + g.z + b.z);
  return {__fmaf_rn(116.0f, y, -16.0f), 500.0f * (x - y), 200.0f * (y - z)};
}

// The table of a clip into shared memory, by all threads of the block; they wait.
__device__ __forceinline__ void load_light(const LightTable* table, float4* shared) {
  const auto* from = reinterpret_cast<const float4*>(table);
  for (int i = static_cast<int>(threadIdx.x); i < 3 * 256; i += static_cast<int>(blockDim.x)) {
    shared[i] = from[i];
  }
  __syncthreads();
}

}  // namespace ace3d
