// The 16 channels of a cell as a few vectors, and eight channels of eight cells turned into rows and back.
#pragma once

#include "common/half.h"
#include "common/simd.h"
#include "region_pool/region_pool_simd.h"

namespace ace3d::ACE3D_ISA {

template <class S>
struct VectorOf;
template <>
struct VectorOf<float> {
  using Values = Floats;
  using Masks = Ints;
};
template <>
struct VectorOf<double> {
  using Values = double __attribute__((vector_size(32)));
  using Masks = int64_t __attribute__((vector_size(32)));
};

// The 16 channels of a cell.
template <class S>
struct Row {
  using Values = typename VectorOf<S>::Values;
  using Masks = typename VectorOf<S>::Masks;
  static constexpr int kWidth = sizeof(Values) / sizeof(S);
  static constexpr int kVectors = kBlockChannels / kWidth;
  Values v[kVectors];
};

template <class S>
ACE3D_INLINE Row<S> load_row(const S* from) {
  Row<S> row;
  for (int j = 0; j < Row<S>::kVectors; ++j) std::memcpy(&row.v[j], from + j * Row<S>::kWidth, 32);
  return row;
}

template <class S>
ACE3D_INLINE void store_row(S* to, const Row<S>& row) {
  for (int j = 0; j < Row<S>::kVectors; ++j) std::memcpy(to + j * Row<S>::kWidth, &row.v[j], 32);
}

template <class S>
ACE3D_INLINE Row<S> operator+(Row<S> a, const Row<S>& b) {
  for (int j = 0; j < Row<S>::kVectors; ++j) a.v[j] += b.v[j];
  return a;
}

template <class S>
ACE3D_INLINE Row<S> operator*(S factor, Row<S> a) {
  for (int j = 0; j < Row<S>::kVectors; ++j) a.v[j] *= factor;
  return a;
}

ACE3D_INLINE void add_row(double* to, const Row<float>& row) {
  for (int j = 0; j < Row<float>::kVectors; ++j) add_to(to + j * kLanes, row.v[j]);
}

ACE3D_INLINE void add_row(double* to, const Row<double>& row) { store_row(to, load_row(to) + row); }

ACE3D_INLINE Floats load_eight(const float* from) { return load(from); }
ACE3D_INLINE void store_eight(float* to, Floats v) { store(to, v); }

#if defined(__AVX2__)
ACE3D_INLINE Floats load_eight(const Half* from) {
  return (Floats)_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

ACE3D_INLINE void store_eight(Half* to, Floats v) {
  const __m128i narrowed = _mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), narrowed);
}

ACE3D_INLINE Floats load_eight(const BFloat16* from) {
  const __m128i upper = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return (Floats)_mm256_slli_epi32(_mm256_cvtepu16_epi32(upper), 16);
}
#else
ACE3D_INLINE Floats load_eight(const BFloat16* from) {
  Floats v;
  for (int i = 0; i < kLanes; ++i) v[i] = widen(from[i]);
  return v;
}

ACE3D_INLINE Floats load_eight(const Half* from) {
  Floats v;
  for (int i = 0; i < kLanes; ++i) v[i] = widen(from[i]);
  return v;
}

ACE3D_INLINE void store_eight(Half* to, Floats v) {
  for (int i = 0; i < kLanes; ++i) narrow(v[i], to[i]);
}
#endif

ACE3D_INLINE void store_eight(BFloat16* to, Floats v) {
  for (int i = 0; i < kLanes; ++i) narrow(v[i], to[i]);
}

// Rows to columns.
ACE3D_INLINE void transpose(Floats r[8]) {
#if defined(__AVX2__)
  __m256 a[8], b[8];
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_ps((__m256)r[i], (__m256)r[i + 1]);
    a[i + 1] = _mm256_unpackhi_ps((__m256)r[i], (__m256)r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    b[i] = _mm256_shuffle_ps(a[i], a[i + 2], 0x44);
    b[i + 1] = _mm256_shuffle_ps(a[i], a[i + 2], 0xee);
    b[i + 2] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0x44);
    b[i + 3] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = (Floats)_mm256_permute2f128_ps(b[i], b[i + 4], 0x20);
    r[i + 4] = (Floats)_mm256_permute2f128_ps(b[i], b[i + 4], 0x31);
  }
#else
  for (int i = 0; i < 8; ++i) {
    for (int j = 0; j < i; ++j) {
      const float x = r[i][j];
      r[i][j] = r[j][i];
      r[j][i] = x;
    }
  }
#endif
}

// Eight cells of eight channels into the buffer; `planes`: where those of the channels begin.
template <class T>
ACE3D_INLINE void transpose_in(const T* const* planes, int64_t cell, float* to) {
  Floats r[8];
  for (int i = 0; i < 8; ++i) r[i] = load_eight(planes[i] + cell);
  transpose(r);
  for (int i = 0; i < 8; ++i) store(to + i * kBlockChannels, r[i]);
}

ACE3D_INLINE void transpose_in(const double* const* planes, int64_t cell, double* to) {
  for (int i = 0; i < 8; ++i) {
    for (int j = 0; j < 8; ++j) to[i * kBlockChannels + j] = planes[j][cell + i];
  }
}

// And back.
template <class T>
ACE3D_INLINE void transpose_out(const float* from, T* const* planes, int64_t cell) {
  Floats r[8];
  for (int i = 0; i < 8; ++i) r[i] = load(from + i * kBlockChannels);
  transpose(r);
  for (int i = 0; i < 8; ++i) store_eight(planes[i] + cell, r[i]);
}

ACE3D_INLINE void transpose_out(const double* from, double* const* planes, int64_t cell) {
  for (int j = 0; j < 8; ++j) {
    for (int i = 0; i < 8; ++i) planes[j][cell + i] = from[i * kBlockChannels + j];
  }
}

}  // namespace ace3d::ACE3D_ISA
