#include <algorithm>
#include <array>

#include "color/color.h"
#include "color/color_simd.h"
#include "color/lab.h"
#include "color/light.h"
#include "common/cpu.h"
#include "common/parallel.h"

namespace ace3d {
namespace {

constexpr int64_t kGrain = 16384;

template <class T>
void convert_pixels(const T* rgb, T* lab, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    const T* from = rgb + 3 * i;
    const LabOf<T> color =
        lab_of(linear_light_of(from[0]), linear_light_of(from[1]), linear_light_of(from[2]));
    lab[3 * i] = color.l;
    lab[3 * i + 1] = color.a;
    lab[3 * i + 2] = color.b;
  }
}

}  // namespace

void rgb_to_lab_cpu(const float* rgb, float* lab, int64_t num_pixels) {
  parallel_for(0, num_pixels, kGrain,
               [&](int64_t begin, int64_t end) { convert_pixels(rgb, lab, begin, end); });
}

void rgb_to_lab_cpu(const double* rgb, double* lab, int64_t num_pixels) {
  parallel_for(0, num_pixels, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += kLabDoubles) {
      const int64_t count = std::min(kLabDoubles, end - i);
      double from[3 * kLabDoubles] = {}, to[3 * kLabDoubles];
      std::copy_n(rgb + 3 * i, 3 * count, from);
      const bool inside =
          std::all_of(from, from + 3 * kLabDoubles, [](double x) { return x >= 0 && x <= 1; });
      if (inside) {
        ACE3D_DISPATCH(lab_of_doubles, from, to);
        std::copy_n(to, 3 * count, lab + 3 * i);
      } else {
        convert_pixels(rgb, lab, i, i + count);
      }
    }
  });
}

void rgb_to_lab_cpu(const uint8_t* rgb, float* lab, int64_t num_pixels) {
  std::array<float, 256> light{};
  for (int value = 0; value < 256; ++value) light[value] = static_cast<float>(light_of_byte(value, 0, 255));
  parallel_for(0, num_pixels, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const LabOf<float> color = lab_of(light[rgb[3 * i]], light[rgb[3 * i + 1]], light[rgb[3 * i + 2]]);
      lab[3 * i] = color.l;
      lab[3 * i + 1] = color.a;
      lab[3 * i + 2] = color.b;
    }
  });
}

LightTable light_of_clip(const uint8_t* rgb, int64_t num_voxels, bool stretch) {
  uint8_t low = stretch ? 255 : 0, high = stretch ? 0 : 255;
  for (int64_t i = 0; stretch && i < num_voxels * 3; ++i) {
    low = std::min(low, rgb[i]);
    high = std::max(high, rgb[i]);
  }
  LightTable table{};
  for (int value = 0; value < 256; ++value) {
    const double linear = light_of_byte(value, low, high);
    for (int c = 0; c < 3; ++c) {
      for (int k = 0; k < 3; ++k) table.xyz[c][value][k] = xyz_of_light(linear, k, c);
    }
  }
  return table;
}

void clips_to_lab_cpu(const uint8_t* frames, float* lab, int64_t num_clips, int64_t num_voxels,
                      bool stretch) {
  for (int64_t clip = 0; clip < num_clips; ++clip) {
    const uint8_t* rgb = frames + clip * num_voxels * 3;
    float* out = lab + clip * num_voxels * 3;
    const LightTable light = light_of_clip(rgb, num_voxels, stretch);
    parallel_for(0, num_voxels, kGrain, [&](int64_t begin, int64_t end) {
      ACE3D_DISPATCH(lab_of_bytes, rgb, light, out, num_voxels, begin, end);
    });
  }
}

}  // namespace ace3d
