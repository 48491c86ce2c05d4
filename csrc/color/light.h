// Linear light of sRGB, the same bits on every machine: of whole steps that all round alike, and no pow of a
// library. In double, within a few units in the last place.
#pragma once

#include <cmath>
#include <cstdint>

#include "common/host_device.h"

namespace ace3d {

// x^2.4 of x in [0.09, 1.1]: x^2 times the fifth root of x^2, by Newton's steps from the square root of x.
ACE3D_HOST_DEVICE inline double power_2_4(double x) {
  const double square = x * x;
  double root = sqrt(x);
  for (int step = 0; step < 8; ++step) {
    const double fourth = (root * root) * (root * root);
    root = 0.8 * root + 0.2 * (square / fourth);
  }
  return square * root;
}

ACE3D_HOST_DEVICE inline double linear_light(double value) {
  return value > 0.04045 ? power_2_4((value + 0.055) / 1.055) : value / 12.92;
}

// From linear light to X, Y and Z, and what these are of white.
ACE3D_HOST_DEVICE constexpr double xyz_of_rgb(int xyz, int rgb) {
  constexpr double kWeights[3][3] = {
      {0.412453, 0.357580, 0.180423}, {0.212671, 0.715160, 0.072169}, {0.019334, 0.119193, 0.950227}};
  return kWeights[xyz][rgb];
}
ACE3D_HOST_DEVICE constexpr double xyz_of_white(int xyz) {
  constexpr double kWhite[3] = {0.95047, 1.0, 1.08883};
  return kWhite[xyz];
}

// Linear light of a byte where [low, high] is stretched to [0, 1]; a clip of one value loses that value.
ACE3D_HOST_DEVICE inline double light_of_byte(int value, int low, int high) {
  const double least = low / 255.0, range = high > low ? (high - low) / 255.0 : 1.0;
  return linear_light((value / 255.0 - least) / range);
}

// What it adds to X, Y or Z, of white 1.
ACE3D_HOST_DEVICE inline float xyz_of_light(double light, int xyz, int rgb) {
  return static_cast<float>(xyz_of_rgb(xyz, rgb) / xyz_of_white(xyz) * light);
}

}  // namespace ace3d
