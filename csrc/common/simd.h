// Vectors of eight lanes, and of as many as a register holds, for the files that are compiled once for each
// instruction set (*_simd.cpp).
//
// Every operation rounds once, whatever the instruction set, so results are the same for all of them. Such a
// file puts all it defines into namespace ace3d::ACE3D_ISA and uses no inline function of the standard
// library: the linker would keep one copy of those, perhaps the one for a machine that is not this one.
#pragma once

#include <cstdint>
#include <cstring>

#include "common/inline.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace ace3d::ACE3D_ISA {

using Floats = float __attribute__((vector_size(32)));
using Ints = int32_t __attribute__((vector_size(32)));

inline constexpr int kLanes = 8;

ACE3D_INLINE Floats load(const float* from) {
  Floats v;
  std::memcpy(&v, from, sizeof(v));
  return v;
}

ACE3D_INLINE Ints load(const int32_t* from) {
  Ints v;
  std::memcpy(&v, from, sizeof(v));
  return v;
}

ACE3D_INLINE void store(float* to, Floats v) { std::memcpy(to, &v, sizeof(v)); }
ACE3D_INLINE void store(int32_t* to, Ints v) { std::memcpy(to, &v, sizeof(v)); }

using Quad = float __attribute__((vector_size(16)));

ACE3D_INLINE Quad load_quad(const float* from) {
  Quad v;
  std::memcpy(&v, from, sizeof(v));
  return v;
}

ACE3D_INLINE Quad low_half(Floats v) { return __builtin_shufflevector(v, v, 0, 1, 2, 3); }
ACE3D_INLINE Quad high_half(Floats v) { return __builtin_shufflevector(v, v, 4, 5, 6, 7); }
ACE3D_INLINE Floats join(Quad low, Quad high) {
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7);
}

// Rows to columns, in the lower four lanes of four rows and in the upper.
ACE3D_INLINE void transpose_halves(Floats a, Floats b, Floats c, Floats d, Floats* to) {
  const Floats ab_low = __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13),
               ab_high = __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15),
               cd_low = __builtin_shufflevector(c, d, 0, 8, 1, 9, 4, 12, 5, 13),
               cd_high = __builtin_shufflevector(c, d, 2, 10, 3, 11, 6, 14, 7, 15);
  to[0] = __builtin_shufflevector(ab_low, cd_low, 0, 1, 8, 9, 4, 5, 12, 13);
  to[1] = __builtin_shufflevector(ab_low, cd_low, 2, 3, 10, 11, 6, 7, 14, 15);
  to[2] = __builtin_shufflevector(ab_high, cd_high, 0, 1, 8, 9, 4, 5, 12, 13);
  to[3] = __builtin_shufflevector(ab_high, cd_high, 2, 3, 10, 11, 6, 7, 14, 15);
}

// Eight rows of four -> four rows of eight.
ACE3D_INLINE void transpose(const Quad* from, Floats* to) {
  transpose_halves(join(from[0], from[4]), join(from[1], from[5]), join(from[2], from[6]),
                   join(from[3], from[7]), to);
}

ACE3D_INLINE Floats splat(float x) { return Floats{x, x, x, x, x, x, x, x}; }
ACE3D_INLINE Ints splat(int32_t x) { return Ints{x, x, x, x, x, x, x, x}; }

// a * b + c, rounded once.
ACE3D_INLINE Floats fma(Floats a, Floats b, Floats c) {
#if defined(__AVX2__)
  return (Floats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
  Floats r;
  for (int i = 0; i < kLanes; ++i) r[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return r;
#endif
}

ACE3D_INLINE Floats abs(Floats v) { return (Floats)((Ints)v & splat(0x7fffffff)); }

ACE3D_INLINE Floats select(Ints mask, Floats yes, Floats no) {
#if defined(__AVX2__)
  return (Floats)_mm256_blendv_ps((__m256)no, (__m256)yes, (__m256)mask);
#else
  return (Floats)(((Ints)yes & mask) | ((Ints)no & ~mask));
#endif
}

ACE3D_INLINE Ints select(Ints mask, Ints yes, Ints no) { return (Ints)select(mask, (Floats)yes, (Floats)no); }

ACE3D_INLINE Floats min(Floats a, Floats b) {
#if defined(__AVX2__)
  return (Floats)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)  // compilers compare eight lanes one by one
  const __m128 low = _mm_min_ps((__m128)low_half(a), (__m128)low_half(b));
  const __m128 high = _mm_min_ps((__m128)high_half(a), (__m128)high_half(b));
  return join((Quad)low, (Quad)high);
#else
  return select((Ints)(a < b), a, b);
#endif
}

ACE3D_INLINE Floats max(Floats a, Floats b) {
#if defined(__AVX2__)
  return (Floats)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)  // compilers compare eight lanes one by one
  const __m128 low = _mm_max_ps((__m128)low_half(a), (__m128)low_half(b));
  const __m128 high = _mm_max_ps((__m128)high_half(a), (__m128)high_half(b));
  return join((Quad)low, (Quad)high);
#else
  return select((Ints)(a > b), a, b);
#endif
}

ACE3D_INLINE Floats sqrt(Floats v) {
#if defined(__AVX2__)
  return (Floats)_mm256_sqrt_ps((__m256)v);
#else
  for (int i = 0; i < kLanes; ++i) v[i] = __builtin_sqrtf(v[i]);
  return v;
#endif
}

// To the nearest whole number, ties to even; for magnitudes below 2^22.
ACE3D_INLINE Floats round_to_whole(Floats v) { return (v + splat(12582912.0f)) - splat(12582912.0f); }

// Bit i: the sign of lane i, that is, whether a comparison held there.
ACE3D_INLINE uint32_t bits(Ints mask) {
#if defined(__AVX2__)
  return static_cast<uint32_t>(_mm256_movemask_ps((__m256)mask));
#else
  uint32_t r = 0;
  for (int i = 0; i < kLanes; ++i) r |= (static_cast<uint32_t>(mask[i]) >> 31) << i;
  return r;
#endif
}

// All ones in the lanes whose bit is set.
ACE3D_INLINE Ints lanes(uint32_t bits) {
  const Ints one = {1, 2, 4, 8, 16, 32, 64, 128};
  return (Ints)((splat(static_cast<int32_t>(bits)) & one) == one);
}

// ((0 + 4) + (2 + 6)) + ((1 + 5) + (3 + 7)): this order on every machine.
ACE3D_INLINE float sum(Floats v) {
#if defined(__AVX2__)
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
#else
  const float a = v[0] + v[4], b = v[1] + v[5], c = v[2] + v[6], d = v[3] + v[7];
  return (a + c) + (b + d);
#endif
}

ACE3D_INLINE float least(Floats v) {
#if defined(__AVX2__)
  const __m128 four = _mm_min_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
  const __m128 two = _mm_min_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_min_ss(two, _mm_movehdup_ps(two)));
#else
  float r = v[0];
  for (int i = 1; i < kLanes; ++i) r = v[i] < r ? v[i] : r;
  return r;
#endif
}

// to[i] += v[i], in double.
ACE3D_INLINE void add_to(double* to, Floats v) {
#if defined(__AVX2__)
  const __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128((__m256)v));
  const __m256d high = _mm256_cvtps_pd(_mm256_extractf128_ps((__m256)v, 1));
  _mm256_storeu_pd(to, _mm256_add_pd(_mm256_loadu_pd(to), low));
  _mm256_storeu_pd(to + 4, _mm256_add_pd(_mm256_loadu_pd(to + 4), high));
#else
  for (int i = 0; i < kLanes; ++i) to[i] += static_cast<double>(v[i]);
#endif
}

// The places of the set bits of eight, a byte each, from the lowest byte on.
ACE3D_INLINE uint64_t places(uint32_t bits) {
#if defined(__BMI2__)
  return _pext_u64(0x0706050403020100ull, _pdep_u64(bits, 0x0101010101010101ull) * 0xff);
#else
  uint64_t r = 0;
  for (uint64_t i = 0, shift = 0; i < 8; ++i) {
    if (bits >> i & 1) {
      r |= i << shift;
      shift += 8;
    }
  }
  return r;
#endif
}

// Write the lanes whose bit is set one after the other; up to eight values at `to` are overwritten.
ACE3D_INLINE void compress(float* to, Floats v, uint32_t keep) {
#if defined(__AVX2__)
  const __m256i order = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(places(keep))));
  store(to, (Floats)_mm256_permutevar8x32_ps((__m256)v, order));
#else
  for (int i = 0; i < kLanes; ++i) {
    if (keep >> i & 1) *to++ = v[i];
  }
#endif
}

ACE3D_INLINE void compress(int32_t* to, Ints v, uint32_t keep) {
  compress(reinterpret_cast<float*>(to), (Floats)v, keep);
}

// What a register holds, for work on all voxels of a brick. What comparisons give is a WideMask.
#if defined(__AVX512F__)

inline constexpr int kWideLanes = 16;
using WideFloats = float __attribute__((vector_size(64)));
using WideInts = int32_t __attribute__((vector_size(64)));
using WideMask = __mmask16;
inline constexpr WideMask kAllWide = 0xffff;  // GCC 12 warns of the intrinsics without a mask

ACE3D_INLINE WideFloats splat_wide(float x) { return (WideFloats)_mm512_set1_ps(x); }
ACE3D_INLINE WideInts splat_wide(int32_t x) { return (WideInts)_mm512_set1_epi32(x); }
ACE3D_INLINE WideFloats fma(WideFloats a, WideFloats b, WideFloats c) {
  return (WideFloats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
ACE3D_INLINE WideFloats min(WideFloats a, WideFloats b) {
  return (WideFloats)_mm512_maskz_min_ps(kAllWide, (__m512)a, (__m512)b);
}
ACE3D_INLINE WideFloats max(WideFloats a, WideFloats b) {
  return (WideFloats)_mm512_maskz_max_ps(kAllWide, (__m512)a, (__m512)b);
}
ACE3D_INLINE WideMask less(WideFloats a, WideFloats b) {
  return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LT_OQ);
}
ACE3D_INLINE WideMask less_equal(WideFloats a, WideFloats b) {
  return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_LE_OQ);
}
ACE3D_INLINE WideMask equal(WideInts a, WideInts b) {
  return _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b);
}
ACE3D_INLINE WideFloats select(WideMask mask, WideFloats yes, WideFloats no) {
  return (WideFloats)_mm512_mask_blend_ps(mask, (__m512)no, (__m512)yes);
}
ACE3D_INLINE WideInts select(WideMask mask, WideInts yes, WideInts no) {
  return (WideInts)_mm512_mask_blend_epi32(mask, (__m512i)no, (__m512i)yes);
}
ACE3D_INLINE WideFloats keep(WideMask mask, WideFloats v) {
  return (WideFloats)_mm512_maskz_mov_ps(mask, (__m512)v);
}
ACE3D_INLINE uint32_t wide_bits(WideMask mask) { return mask; }
ACE3D_INLINE WideMask wide_mask(uint64_t bits) { return static_cast<WideMask>(bits); }
// Of whole numbers whose sum is one that floats hold: any order gives it.
ACE3D_INLINE float sum_of_whole(WideFloats v) {
  return sum(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
             __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15));
}

#else

inline constexpr int kWideLanes = kLanes;
using WideFloats = Floats;
using WideInts = Ints;
using WideMask = Ints;

ACE3D_INLINE WideFloats splat_wide(float x) { return splat(x); }
ACE3D_INLINE WideInts splat_wide(int32_t x) { return splat(x); }
ACE3D_INLINE WideMask less(WideFloats a, WideFloats b) { return (Ints)(a < b); }
ACE3D_INLINE WideMask less_equal(WideFloats a, WideFloats b) { return (Ints)(a <= b); }
ACE3D_INLINE WideMask equal(WideInts a, WideInts b) { return (Ints)(a == b); }
ACE3D_INLINE WideFloats keep(WideMask mask, WideFloats v) { return (Floats)(mask & (Ints)v); }
ACE3D_INLINE uint32_t wide_bits(WideMask mask) { return bits(mask); }
ACE3D_INLINE WideMask wide_mask(uint64_t bits) { return lanes(static_cast<uint32_t>(bits & 0xff)); }
ACE3D_INLINE float sum_of_whole(WideFloats v) { return sum(v); }

#endif

ACE3D_INLINE WideFloats load_wide(const float* from) {
  WideFloats v;
  std::memcpy(&v, from, sizeof(v));
  return v;
}

ACE3D_INLINE WideInts load_wide(const int32_t* from) {
  WideInts v;
  std::memcpy(&v, from, sizeof(v));
  return v;
}

ACE3D_INLINE void store_wide(int32_t* to, WideInts v) { std::memcpy(to, &v, sizeof(v)); }

}  // namespace ace3d::ACE3D_ISA
