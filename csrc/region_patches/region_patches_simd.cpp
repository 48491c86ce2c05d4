#include "region_patches/region_patches_simd.h"

#include "common/simd.h"

namespace ace3d::ACE3D_ISA {
namespace {

ACE3D_INLINE void store_pixel(float* to, Quad v) { std::memcpy(to, &v, sizeof(v)); }

// total + a * weight, which is exact: one rounding or two make no difference.
ACE3D_INLINE Floats add_weighted(Floats total, Floats a, Floats weight) {
#if defined(__AVX2__)
  return fma(a, weight, total);
#else
  return a * weight + total;
#endif
}

// A sum and its half, as a byte.
ACE3D_INLINE Floats round_to_byte(Floats v) {
  v = min(max(v, splat(0.0f)), splat(255.0f));
#if defined(__SSE2__) && !defined(__AVX2__)  // compilers convert eight lanes one by one
  const auto whole = [](Quad half) __attribute__((always_inline)) {
    return (Quad)_mm_cvtepi32_ps(_mm_cvttps_epi32((__m128)half));
  };
  return join(whole(low_half(v)), whole(high_half(v)));
#else
  return __builtin_convertvector(__builtin_convertvector(v, Ints), Floats);
#endif
}

ACE3D_INLINE float round_to_byte(double v) {
  v += 0.5;
  return static_cast<float>(static_cast<int32_t>(v < 0 ? 0 : v > 255 ? 255 : v));
}

// Two pixels: the sums over their taps, two taps at a time.
template <int kTaps>
ACE3D_INLINE Floats weigh_pixels(const float* a, const float* b, const float* weights, int32_t num_taps) {
  const int32_t taps = kTaps > 0 ? kTaps : num_taps;
  Floats at_a = splat(0.0f), at_b = splat(0.0f);
  for (int32_t k = 0; k < taps; k += 2) {
    at_a = add_weighted(at_a, load(a + 4 * k), load(weights + 4 * k));
    at_b = add_weighted(at_b, load(b + 4 * k), load(weights + 4 * (taps + k)));
  }
  return join(low_half(at_a), low_half(at_b)) + join(high_half(at_a), high_half(at_b));
}

template <int kTaps>
void resize_pixels(const float* pixels, const int32_t* first, const float* weights, int32_t num_taps,
                   int64_t out_width, float* out) {
  for (int64_t x = 0; x < out_width; x += 2) {
    const int64_t next = x + 1 < out_width ? x + 1 : x;
    const float* at = weights + 4 * num_taps * x;
    const Floats sums = weigh_pixels<kTaps>(pixels + 4 * first[x], pixels + 4 * first[next], at, num_taps);
    const Floats v = round_to_byte(sums + splat(0.5f));
    store_pixel(out + 3 * x, low_half(v));
    store_pixel(out + 3 * x + 3, high_half(v));
  }
}

// Eight samples of a row, in bytes; `weights` are splat.
template <int kTaps>
ACE3D_INLINE Floats weigh_rows(const float* const* rows, const Floats* weights, int64_t x) {
  Floats total = splat(0.5f);
  for (int32_t k = 0; k < kTaps; ++k) total = add_weighted(total, load(rows[k] + x), weights[k]);
  return round_to_byte(total);
}

// The pointers and weights of kTaps rows, in registers.
template <int kTaps>
void resize_samples(const float* const* all_rows, const float* all_weights, const float* scales,
                    const float* shifts, int64_t count, float* out) {
  const float* rows[kTaps];
  Floats weights[kTaps], scale[3], shift[3];
  for (int32_t k = 0; k < kTaps; ++k) {
    rows[k] = all_rows[k];
    weights[k] = splat(all_weights[k]);
  }
  for (int i = 0; i < 3; ++i) {
    scale[i] = load(scales + i * kLanes);
    shift[i] = load(shifts + i * kLanes);
  }
  int64_t x = 0;
  for (; x + 3 * kLanes <= count; x += 3 * kLanes) {
    for (int i = 0; i < 3; ++i) {
      const Floats v = weigh_rows<kTaps>(rows, weights, x + i * kLanes);
      store(out + x + i * kLanes, v * scale[i] - shift[i]);
    }
  }
  for (int i = 0; x < count; ++i, x += kLanes) {  // rows have slack to read, the result has none to write
    const Floats v = weigh_rows<kTaps>(rows, weights, x) * scale[i] - shift[i];
    const int64_t left = count - x < kLanes ? count - x : kLanes;
    std::memcpy(out + x, &v, left * sizeof(float));
  }
}

// Four bytes of which the first three are a pixel.
ACE3D_INLINE void put_pixel(const uint8_t* rgb, float* out) {
#if defined(__AVX2__)
  int32_t bytes;
  std::memcpy(&bytes, rgb, sizeof(bytes));
  store_pixel(out, (Quad)_mm_cvtepi32_ps(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(bytes))));
#else
  for (int c = 0; c < 3; ++c) out[c] = rgb[c];
#endif
}

}  // namespace

bool mask_line(const uint8_t* rgb, const int32_t* labels, int64_t map_stride, int64_t num_maps,
               int32_t region, int64_t width, uint8_t fill, float* out) {
  const Floats grey = splat(static_cast<float>(fill));
  for (int64_t x = 0; x < 4 * width; x += kLanes) store(out + x, grey);
  bool any = false;
  for (int64_t map = 0; map < num_maps; ++map) {
    const int32_t* line = labels + map * map_stride;
    int64_t x = 0;
    for (; x + kLanes < width; x += kLanes) {  // the last pixel has no byte behind it
      uint32_t inside = bits(load(line + x) == splat(region));
      if (inside == 0) continue;
      any = true;
      if (inside == 0xff) {
        for (int i = 0; i < kLanes; ++i) put_pixel(rgb + 3 * (x + i), out + 4 * (x + i));
        continue;
      }
      for (; inside != 0; inside &= inside - 1) {
        const int64_t at = x + __builtin_ctz(inside);
        put_pixel(rgb + 3 * at, out + 4 * at);
      }
    }
    for (; x < width; ++x) {
      if (line[x] != region) continue;
      any = true;
      for (int c = 0; c < 3; ++c) out[4 * x + c] = rgb[3 * x + c];
    }
  }
  return any;
}

void resize_line(const float* pixels, const int32_t* first, const float* weights, int32_t num_taps,
                 bool narrow, int64_t out_width, float* out) {
  if (narrow) {
    const auto run = num_taps == 4 ? resize_pixels<4> : resize_pixels<0>;
    return run(pixels, first, weights, num_taps, out_width, out);
  }
  for (int64_t x = 0; x < out_width; ++x) {
    for (int c = 0; c < 3; ++c) {
      double total = 0;
      for (int32_t k = 0; k < num_taps; ++k) {
        const double weight = weights[4 * (x * num_taps + k)];
        total += weight * static_cast<double>(pixels[4 * (first[x] + k) + c]);
      }
      out[3 * x + c] = round_to_byte(total);
    }
  }
}

void resize_rows(const float* const* rows, const float* weights, int32_t num_taps, bool narrow,
                 const float* scale, const float* shift, int64_t count, float* out) {
  if (narrow && num_taps == 4) return resize_samples<4>(rows, weights, scale, shift, count, out);
  if (narrow && num_taps == 2) return resize_samples<2>(rows, weights, scale, shift, count, out);
  for (int64_t x = 0; x < count; ++x) {
    double total = 0;
    for (int32_t k = 0; k < num_taps; ++k) {
      total += static_cast<double>(weights[k]) * static_cast<double>(rows[k][x]);
    }
    out[x] = round_to_byte(total) * scale[x % 3] - shift[x % 3];
  }
}

}  // namespace ace3d::ACE3D_ISA
