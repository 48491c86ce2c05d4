#include "connectivity/components_simd.h"

#include "common/simd.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace ace3d::ACE3D_ISA {
namespace {

constexpr int kWord = 64;

// Bit i: whether a[i] == b[i], for 64 voxels; kLabel: and it is not negative.
template <bool kLabel>
ACE3D_INLINE uint64_t equal_bits(const int32_t* a, const int32_t* b) {
  uint64_t word = 0;
#if defined(__AVX2__) || !defined(__SSE2__)
  for (int i = 0; i < kWord; i += kLanes) {
    const Ints at_b = load(b + i);
    Ints equal = (Ints)(load(a + i) == at_b);
    if (kLabel) equal &= (Ints)(at_b >= splat(0));
    word |= static_cast<uint64_t>(bits(equal)) << i;
  }
#else
  for (int i = 0; i < kWord; i += 4) {
    const __m128i at_b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(b + i));
    __m128i equal = _mm_cmpeq_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a + i)), at_b);
    if (kLabel) equal = _mm_andnot_si128(at_b, equal);  // the sign bit is what counts
    word |= static_cast<uint64_t>(_mm_movemask_ps(_mm_castsi128_ps(equal))) << i;
  }
#endif
  return word;
}

ACE3D_INLINE int32_t find(int32_t* parents, int32_t run) {
  while (parents[run] != run) {
    parents[run] = parents[parents[run]];
    run = parents[run];
  }
  return run;
}

ACE3D_INLINE void join(int32_t* parents, int32_t a, int32_t b) {
  if (parents[a] == parents[b]) return;
  a = find(parents, a);
  b = find(parents, b);
  if (a < b) {
    parents[b] = a;
  } else {
    parents[a] = b;
  }
}

}  // namespace

int32_t find_run_bits(const int32_t* labels, int64_t width, uint64_t* bits) {
  int32_t num_runs = 0;
  for (int64_t x = 0; x < width; x += kWord) {
    uint64_t word = 0;
    if (x > 0 && x + kWord <= width) {
      word = ~equal_bits<false>(labels + x - 1, labels + x);
    } else {
      for (int64_t i = x; i < width && i < x + kWord; ++i) {
        word |= static_cast<uint64_t>(i == 0 || labels[i] != labels[i - 1]) << (i - x);
      }
    }
    bits[x / kWord] = word;
    num_runs += __builtin_popcountll(word);
  }
  return num_runs;
}

void start_runs(RowOfRuns row, int64_t width, int32_t first_voxel, int32_t background, int32_t* begins,
                int32_t* parents) {
  int32_t run = row.first_run;
  for (int64_t x = 0; x < width; x += kWord) {
    for (uint64_t word = row.bits[x / kWord]; word != 0; word &= word - 1, ++run) {
      const int32_t at = static_cast<int32_t>(x) + __builtin_ctzll(word);
      begins[run] = first_voxel + at;
      parents[run] = row.labels[at] < 0 ? background : run;
    }
  }
}

void join_rows(RowOfRuns before, RowOfRuns row, int64_t width, int32_t* parents) {
  int32_t a = before.first_run - 1, b = row.first_run - 1;  // the last runs of what is behind
  uint64_t equal_last = 0;
  for (int64_t x = 0; x < width; x += kWord) {
    uint64_t equal = 0;
    if (x + kWord <= width) {
      equal = equal_bits<true>(before.labels + x, row.labels + x);
    } else {
      for (int64_t i = x; i < width; ++i) {
        const bool same = before.labels[i] == row.labels[i] && row.labels[i] >= 0;
        equal |= static_cast<uint64_t>(same) << (i - x);
      }
    }
    const uint64_t begins_a = before.bits[x / kWord], begins_b = row.bits[x / kWord];
    // A pair of runs touches where both labels are equal; it is met first where that begins, or either run.
    uint64_t first = equal & (begins_a | begins_b | ~(equal << 1 | equal_last >> (kWord - 1)));
    for (; first != 0; first &= first - 1) {
      const uint64_t behind = first ^ (first - 1);  // up to the lowest bit
      join(parents, a + __builtin_popcountll(begins_a & behind), b + __builtin_popcountll(begins_b & behind));
    }
    a += __builtin_popcountll(begins_a);
    b += __builtin_popcountll(begins_b);
    equal_last = equal;
  }
}

void fill_runs(const int32_t* begins, const int32_t* keys, int64_t first, int64_t last, const int32_t* values,
               int32_t none, int32_t* out) {
  const int32_t end = begins[last];
  for (int64_t run = first; run < last; ++run) {
    const int32_t value = keys[run] < 0 ? none : values[keys[run]];
    int32_t v = begins[run];
    const int32_t run_end = begins[run + 1];
    // Whole vectors, past the end of the run: what comes after is written after.
    if (run_end + kLanes <= end) {
      for (; v < run_end; v += kLanes) store(out + v, splat(value));
    } else {
      for (; v < run_end; ++v) out[v] = value;
    }
  }
}

}  // namespace ace3d::ACE3D_ISA
