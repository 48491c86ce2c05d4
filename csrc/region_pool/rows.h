// The 16 channels of a cell as a few vectors, and how channels of eight cells become rows and rows become
// channels.
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

// Eight rows to columns. In two steps: within four rows, `to` holding columns 0 and 4, 1 and 5...; and
// between the halves of two such.
ACE3D_INLINE void transpose_four(const Floats* rows, Floats* to) {
  transpose_halves(rows[0], rows[1], rows[2], rows[3], to);
}

ACE3D_INLINE void join_columns(const Floats* upper, const Floats* lower, Floats* columns) {
  for (int i = 0; i < 4; ++i) {
    columns[i] = __builtin_shufflevector(upper[i], lower[i], 0, 1, 2, 3, 8, 9, 10, 11);
    columns[i + 4] = __builtin_shufflevector(upper[i], lower[i], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

// Eight cells of four channels, as transpose_four leaves them; `planes`: where those of the channels begin.
template <class T>
ACE3D_INLINE void load_four(const T* const* planes, int64_t cell, Floats* to) {
  Floats rows[4];
  for (int i = 0; i < 4; ++i) rows[i] = load_eight(planes[i] + cell);
  transpose_four(rows, to);
}

// kTiles times eight cells of eight channels into the buffer. Four planes are done with before the next four
// are read: planes often lie a multiple of 4 KB apart, and more lines would push each other out of the first
// cache.
template <int kTiles, class T>
ACE3D_INLINE void transpose_in(const T* const* planes, int64_t cell, float* to) {
  Floats upper[4 * kTiles], lower[4], columns[8];
  for (int tile = 0; tile < kTiles; ++tile) load_four(planes, cell + 8 * tile, upper + 4 * tile);
  for (int tile = 0; tile < kTiles; ++tile) {
    load_four(planes + 4, cell + 8 * tile, lower);
    join_columns(upper + 4 * tile, lower, columns);
    for (int i = 0; i < 8; ++i) store(to + (8 * tile + i) * kBlockChannels, columns[i]);
  }
}

template <int kTiles>
ACE3D_INLINE void transpose_in(const double* const* planes, int64_t cell, double* to) {
  for (int i = 0; i < 8 * kTiles; ++i) {
    for (int j = 0; j < 8; ++j) to[i * kBlockChannels + j] = planes[j][cell + i];
  }
}

// And back.
template <class T>
ACE3D_INLINE void transpose_out(const float* from, T* const* planes, int64_t cell) {
  Floats rows[8], upper[4], lower[4], columns[8];
  for (int i = 0; i < 8; ++i) rows[i] = load(from + i * kBlockChannels);
  transpose_four(rows, upper);
  transpose_four(rows + 4, lower);
  join_columns(upper, lower, columns);
  for (int i = 0; i < 8; ++i) store_eight(planes[i] + cell, columns[i]);
}

ACE3D_INLINE void transpose_out(const double* from, double* const* planes, int64_t cell) {
  for (int j = 0; j < 8; ++j) {
    for (int i = 0; i < 8; ++i) planes[j][cell + i] = from[i * kBlockChannels + j];
  }
}

}  // namespace ace3d::ACE3D_ISA
