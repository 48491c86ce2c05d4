// Lines of bytes, held as floats, masked, resized and normalised; compiled once for each instruction set.
//
// Sums of weighted bytes are exact (bicubic.h), so their order makes no difference: in float where `narrow`,
// else in double.
#pragma once

#include <cstdint>

#include "common/cpu.h"

namespace ace3d {

inline constexpr int64_t kLineSlack = 8;  // floats after a line that kernels may read or overwrite

// mask_line: the pixels of a line where any map holds `region`, `fill` elsewhere; returns whether there is
// any.
//   rgb     [width, 3]     labels  [num_maps] lines of [width], map_stride apart
//   out     [width, 4], the last of each four arbitrary
//
// resize_line: a masked line resized along x.
//   pixels   [in_width + num_taps, 4]     first    [out_width]
//   weights  [out_width, num_taps, 4], each weight four times; num_taps even     out  [out_width, 3], and
//   slack
//
// resize_rows: one row of the result, from num_taps rows, normalised.
//   rows     [num_taps] rows of [count], and slack     weights  [num_taps]
//   scale, shift  [24]: the factor and offset of each channel, eight times     out  [count]
#define ACE3D_REGION_PATCHES_KERNELS(ISA)                                                             \
  namespace ISA {                                                                                     \
  bool mask_line(const uint8_t* rgb, const int32_t* labels, int64_t map_stride, int64_t num_maps,     \
                 int32_t region, int64_t width, uint8_t fill, float* out);                            \
  void resize_line(const float* pixels, const int32_t* first, const float* weights, int32_t num_taps, \
                   bool narrow, int64_t out_width, float* out);                                       \
  void resize_rows(const float* const* rows, const float* weights, int32_t num_taps, bool narrow,     \
                   const float* scale, const float* shift, int64_t count, float* out);                \
  }

ACE3D_FOR_INSTRUCTION_SETS(ACE3D_REGION_PATCHES_KERNELS)

}  // namespace ace3d
