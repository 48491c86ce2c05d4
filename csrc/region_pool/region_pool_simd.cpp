#include "region_pool/region_pool_simd.h"

#include "common/simd.h"

namespace ace3d::ACE3D_ISA {
namespace {

// Eight rows of eight values to eight columns, `stride` apart.
ACE3D_INLINE void transpose(const float* const* rows, int64_t cell, float* to, int64_t stride) {
#if defined(__AVX2__)
  __m256 r[8], s[8];
  for (int i = 0; i < 8; ++i) r[i] = _mm256_loadu_ps(rows[i] + cell);
  for (int i = 0; i < 8; i += 2) {
    s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    r[i] = _mm256_shuffle_ps(s[i], s[i + 2], 0x44);
    r[i + 1] = _mm256_shuffle_ps(s[i], s[i + 2], 0xee);
    r[i + 2] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0x44);
    r[i + 3] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    _mm256_storeu_ps(to + i * stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
    _mm256_storeu_ps(to + (i + 4) * stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
  }
#else
  for (int i = 0; i < 8; ++i) {
    for (int j = 0; j < 8; ++j) to[j * stride + i] = rows[i][cell + j];
  }
#endif
}

// Cells [begin, end), channels side by side. A cache line of eight rows at a time: rows often lie a multiple
// of 4 KB apart, and more of them would push each other out of the cache.
void gather_chunk(const float* const* rows, int64_t begin, int64_t end, float* to) {
  int64_t cell = begin;
  for (; cell + 16 <= end; cell += 16) {
    for (int64_t half = 0; half < kBlockChannels; half += 8) {
      float* at = to + (cell - begin) * kBlockChannels + half;
      for (int i = 0; i < 8; ++i) __builtin_prefetch(rows[half + i] + cell + kChunkCells);
      transpose(rows + half, cell, at, kBlockChannels);
      transpose(rows + half, cell + 8, at + 8 * kBlockChannels, kBlockChannels);
    }
  }
  for (; cell < end; ++cell) {
    for (int64_t c = 0; c < kBlockChannels; ++c) to[(cell - begin) * kBlockChannels + c] = rows[c][cell];
  }
}

}  // namespace

void add_stretches(const float* const* rows, int64_t num_cells, const Stretch* stretches,
                   const int64_t* first_of_chunk, double* totals) {
  alignas(64) float cells[kChunkCells * kBlockChannels];
  for (int64_t begin = 0, chunk = 0; begin < num_cells; begin += kChunkCells, ++chunk) {
    const int64_t end = begin + kChunkCells < num_cells ? begin + kChunkCells : num_cells;
    if (first_of_chunk[chunk] == first_of_chunk[chunk + 1]) continue;
    gather_chunk(rows, begin, end, cells);
    for (int64_t i = first_of_chunk[chunk]; i < first_of_chunk[chunk + 1]; ++i) {
      const Stretch& stretch = stretches[i];
      const float* at = cells + (stretch.begin - begin) * kBlockChannels;
      int64_t left = stretch.end - stretch.begin;
      constexpr int kVectors = kBlockChannels / kLanes;
      Floats sums[kVectors];
      for (int j = 0; j < kVectors; ++j) sums[j] = load(at + j * kLanes);
      at += kBlockChannels, --left;
      if (left >= 3) {  // a second set of sums: shorter chains, smaller errors
        Floats others[kVectors];
        for (int j = 0; j < kVectors; ++j) others[j] = load(at + j * kLanes);
        for (at += kBlockChannels, --left; left >= 2; at += 2 * kBlockChannels, left -= 2) {
          for (int j = 0; j < kVectors; ++j) {
            sums[j] += load(at + j * kLanes);
            others[j] += load(at + kBlockChannels + j * kLanes);
          }
        }
        for (int j = 0; j < kVectors; ++j) sums[j] += others[j];
      }
      for (; left > 0; --left, at += kBlockChannels) {
        for (int j = 0; j < kVectors; ++j) sums[j] += load(at + j * kLanes);
      }
      double* total = totals + stretch.region * kBlockChannels;
      const double points = static_cast<double>(stretch.points);
      for (int j = 0; j < kVectors; ++j) add_scaled(total + j * kLanes, sums[j], points);
    }
  }
}

}  // namespace ace3d::ACE3D_ISA
