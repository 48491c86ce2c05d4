// Lines of bytes masked, resized and normalised, compiled once for each instruction set.
#pragma once

#include <cstdint>

namespace ace3d {

inline constexpr int64_t kLineSlack = 32;  // bytes after a line that kernels may read or overwrite

// mask_line: the pixels of a line where any map holds `region`, four bytes each (the last is arbitrary);
// `fill` elsewhere. Returns whether there is any.
//   rgb     [width, 3]     labels  [num_maps] lines of [width], map_stride apart     out  [width, 4]
//
// resize_line: a masked line resized along x.
//   pixels   [in_width + num_taps, 4]     first    [out_width]
//   weights  [out_width, num_taps, 4], each weight four times; num_taps even     out  [out_width, 3], and
//   slack
//
// resize_rows: one row of the result, from num_taps rows, normalised.
//   rows     [num_taps] rows of [count] bytes, and slack     weights  [num_taps]
//   scale, shift  [24]: the factor and offset of each channel, eight times     out  [count]
#define ACE3D_REGION_PATCHES_KERNELS(ISA)                                                                   \
  namespace ISA {                                                                                           \
  bool mask_line(const uint8_t* rgb, const int32_t* labels, int64_t map_stride, int64_t num_maps,           \
                 int32_t region, int64_t width, uint8_t fill, uint8_t* out);                                \
  void resize_line(const uint8_t* pixels, const int32_t* first, const int32_t* weights, int32_t num_taps,   \
                   int32_t precision, int64_t out_width, uint8_t* out);                                     \
  void resize_rows(const uint8_t* const* rows, const int32_t* weights, int32_t num_taps, int32_t precision, \
                   const float* scale, const float* shift, int64_t count, float* out);                      \
  }

ACE3D_REGION_PATCHES_KERNELS(baseline)
ACE3D_REGION_PATCHES_KERNELS(avx2)

}  // namespace ace3d
