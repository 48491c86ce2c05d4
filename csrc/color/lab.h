// Lab of one colour, as scikit-image's rgb2lab has it.
#pragma once

#include <cmath>

#include "color/light.h"
#include "common/host_device.h"

namespace ace3d {

template <class T>
ACE3D_HOST_DEVICE T linear_light_of(T value) {
  return value > T(0.04045) ? std::pow((value + T(0.055)) / T(1.055), T(2.4)) : value / T(12.92);
}

template <class T>
ACE3D_HOST_DEVICE T lightness_curve(T value) {
  return value > T(0.008856) ? std::cbrt(value) : T(7.787) * value + T(16.0 / 116.0);
}

template <class T>
struct LabOf {
  T l, a, b;
};

// From linear light to Lab.
template <class T>
ACE3D_HOST_DEVICE LabOf<T> lab_of(T r, T g, T b) {
  T curve[3];
  for (int k = 0; k < 3; ++k) {
    const T sum = T(xyz_of_rgb(k, 0)) * r + T(xyz_of_rgb(k, 1)) * g + T(xyz_of_rgb(k, 2)) * b;
    curve[k] = lightness_curve(sum / T(xyz_of_white(k)));
  }
  return {T(116) * curve[1] - T(16), T(500) * (curve[0] - curve[1]), T(200) * (curve[1] - curve[2])};
}

}  // namespace ace3d
