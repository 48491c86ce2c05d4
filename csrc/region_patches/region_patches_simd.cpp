#include "region_patches/region_patches_simd.h"

#include "common/simd.h"

namespace ace3d::ACE3D_ISA {
namespace {

using Half = int32_t __attribute__((vector_size(16)));

// Eight bytes, each as an integer.
ACE3D_INLINE Ints load_bytes(const uint8_t* from) {
#if defined(__AVX2__)
  return (Ints)_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
#else
  Ints v;
  for (int i = 0; i < kLanes; ++i) v[i] = from[i];
  return v;
#endif
}

ACE3D_INLINE int32_t clamp_byte(int32_t v) { return v < 0 ? 0 : v > 255 ? 255 : v; }

ACE3D_INLINE Ints clamp_bytes(Ints v) {
#if defined(__AVX2__)
  return (Ints)_mm256_min_epi32(_mm256_max_epi32((__m256i)v, _mm256_setzero_si256()), _mm256_set1_epi32(255));
#else
  v = select(v < splat(0), splat(0), v);
  return select(v > splat(255), splat(255), v);
#endif
}

// Four integers clamped to bytes and written one after the other.
ACE3D_INLINE void store_clamped(uint8_t* to, Half v) {
#if defined(__AVX2__)
  const __m128i words = _mm_packus_epi32((__m128i)v, (__m128i)v);
  const int32_t bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
  std::memcpy(to, &bytes, 4);
#else
  for (int i = 0; i < 4; ++i) to[i] = static_cast<uint8_t>(clamp_byte(v[i]));
#endif
}

ACE3D_INLINE Half fold(Ints v) {
#if defined(__AVX2__)
  return (Half)_mm_add_epi32(_mm256_castsi256_si128((__m256i)v), _mm256_extracti128_si256((__m256i)v, 1));
#else
  return Half{v[0] + v[4], v[1] + v[5], v[2] + v[6], v[3] + v[7]};
#endif
}

// Sum over a pixel's taps, two taps of four bytes at a time.
template <int kPairs>
ACE3D_INLINE Half weigh_pixel(const uint8_t* pixels, const int32_t* weights, int32_t num_pairs) {
  Ints total = splat(0);
  const int32_t pairs = kPairs > 0 ? kPairs : num_pairs;
  for (int32_t k = 0; k < pairs; ++k) total += load_bytes(pixels + 8 * k) * load(weights + 8 * k);
  return fold(total);
}

template <int kPairs>
void resize_pixels(const uint8_t* pixels, const int32_t* first, const int32_t* weights, int32_t num_taps,
                   int32_t precision, int64_t out_width, uint8_t* out) {
  const int32_t half = 1 << (precision - 1);
  const Half halves = {half, half, half, half};
  for (int64_t x = 0; x < out_width; ++x) {
    const Half total = weigh_pixel<kPairs>(pixels + 4 * first[x], weights + 4 * num_taps * x, num_taps / 2);
    store_clamped(out + 3 * x, (total + halves) >> precision);
  }
}

// Eight samples: bytes of the rows weighed, rounded, normalised.
template <int kTaps>
ACE3D_INLINE Floats weigh_rows(const uint8_t* const* rows, const int32_t* weights, int32_t num_taps,
                               int32_t precision, int64_t x, Floats scale, Floats shift) {
  Ints total = splat(1 << (precision - 1));
  const int32_t taps = kTaps > 0 ? kTaps : num_taps;
  for (int32_t k = 0; k < taps; ++k) total += load_bytes(rows[k] + x) * splat(weights[k]);
  return __builtin_convertvector(clamp_bytes(total >> precision), Floats) * scale - shift;
}

template <int kTaps>
void resize_samples(const uint8_t* const* rows, const int32_t* weights, int32_t num_taps, int32_t precision,
                    const float* scale, const float* shift, int64_t count, float* out) {
  int64_t x = 0;
  for (; x + 24 <= count; x += 24) {
    for (int i = 0; i < 24; i += kLanes) {
      const Floats v =
          weigh_rows<kTaps>(rows, weights, num_taps, precision, x + i, load(scale + i), load(shift + i));
      store(out + x + i, v);
    }
  }
  for (int i = 0; x + i < count; i += kLanes) {  // rows have slack to read, the result has none to write
    const Floats v =
        weigh_rows<kTaps>(rows, weights, num_taps, precision, x + i, load(scale + i), load(shift + i));
    const int64_t left = count - x - i < kLanes ? count - x - i : kLanes;
    std::memcpy(out + x + i, &v, left * sizeof(float));
  }
}

}  // namespace

bool mask_line(const uint8_t* rgb, const int32_t* labels, int64_t map_stride, int64_t num_maps,
               int32_t region, int64_t width, uint8_t fill, uint8_t* out) {
  std::memset(out, fill, 4 * width);
  bool any = false;
  for (int64_t map = 0; map < num_maps; ++map) {
    const int32_t* line = labels + map * map_stride;
    int64_t x = 0;
    for (; x + kLanes <= width; x += kLanes) {
      const uint32_t inside = bits(load(line + x) == splat(region));
      if (inside == 0) continue;
      any = true;
      for (int i = 0; i < kLanes; ++i) {
        if (inside >> i & 1) std::memcpy(out + 4 * (x + i), rgb + 3 * (x + i), 3);
      }
    }
    for (; x < width; ++x) {
      if (line[x] != region) continue;
      any = true;
      std::memcpy(out + 4 * x, rgb + 3 * x, 3);
    }
  }
  return any;
}

void resize_line(const uint8_t* pixels, const int32_t* first, const int32_t* weights, int32_t num_taps,
                 int32_t precision, int64_t out_width, uint8_t* out) {
  const auto run = num_taps == 4 ? resize_pixels<2> : resize_pixels<0>;
  run(pixels, first, weights, num_taps, precision, out_width, out);
}

void resize_rows(const uint8_t* const* rows, const int32_t* weights, int32_t num_taps, int32_t precision,
                 const float* scale, const float* shift, int64_t count, float* out) {
  const auto run = num_taps == 4 ? resize_samples<4> : resize_samples<0>;
  run(rows, weights, num_taps, precision, scale, shift, count, out);
}

}  // namespace ace3d::ACE3D_ISA
