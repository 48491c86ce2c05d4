#include "region_pool/region_pool_simd.h"

#include "common/simd.h"

namespace ace3d::ACE3D_ISA {
namespace {

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

ACE3D_INLINE int32_t padded(int32_t num_entries) { return (num_entries + kQuad - 1) / kQuad * kQuad; }

// Where the channels of a block begin.
template <class T>
struct Origins {
  T* of[kBlockChannels];
};

// Of the 16 channels from `first` on, at `cell`; those that do not exist stand for the last one that does.
template <class T>
ACE3D_INLINE Origins<T> origins_of(const Channels<T>& channels, int64_t first, int64_t cell) {
  Origins<T> rows;
  T* row = channels.data + first * channels.channel_stride + cell * channels.cell_stride;
  for (int64_t c = 0; c < kBlockChannels; ++c) {
    rows.of[c] = row;
    if (first + c + 1 < channels.count) row += channels.channel_stride;
  }
  return rows;
}

// Planes, eight channels at a time: as many streams as the prefetchers of a core follow well. The next slab
// is asked for early, no nearer than the second cache: planes often lie a multiple of 4 KB apart, and would
// push each other out of the first.
template <class T, class S>
ACE3D_INLINE void gather_planes(const Origins<const T>& rows, int64_t num_cells, S* to) {
  constexpr int64_t kLine = 64 / sizeof(T);
  for (int64_t half = 0; half < kBlockChannels; half += 8) {
    const T* const* eight = rows.of + half;
    S* at = to + half;
    int64_t cell = 0;
    for (; cell + kLine <= num_cells; cell += kLine) {
      for (int i = 0; i < 8; ++i) __builtin_prefetch(eight[i] + cell + kSlabCells, 0, 2);
      for (int64_t i = 0; i < kLine; i += 8, at += 8 * kBlockChannels) transpose_in(eight, cell + i, at);
    }
    for (; cell + 8 <= num_cells; cell += 8, at += 8 * kBlockChannels) transpose_in(eight, cell, at);
    for (; cell < num_cells; ++cell, at += kBlockChannels) {
      for (int64_t i = 0; i < 8; ++i) at[i] = widen(eight[i][cell]);
    }
  }
}

ACE3D_INLINE Row<double> load_cell(const double* from) { return load_row(from); }

template <class T>
ACE3D_INLINE Row<float> load_cell(const T* from) {
  return {load_eight(from), load_eight(from + kLanes)};
}

// Cells whose channels lie side by side.
template <class T, class S>
ACE3D_INLINE void gather_cells(const T* from, int64_t cell_stride, int64_t num_channels, int64_t num_cells,
                               S* to) {
  for (int64_t cell = 0; cell < num_cells; ++cell, from += cell_stride, to += kBlockChannels) {
    __builtin_prefetch(from + kSlabCells * cell_stride, 0, 2);
    if (num_channels >= kBlockChannels) {
      store_row(to, load_cell(from));
    } else {
      for (int64_t c = 0; c < kBlockChannels; ++c) to[c] = c < num_channels ? widen(from[c]) : S(0);
    }
  }
}

// One block of channels of one slab.
struct Item {
  int64_t slab, channel, first_cell;
  const Group* groups;
  const uint8_t* cells;
  const float* points;
};

ACE3D_INLINE Item first_item(const Slabs& slabs, int64_t channel) {
  return {0, channel, slabs.first_cell, slabs.groups, slabs.cells, slabs.points};
}

ACE3D_INLINE Item next_slab(Item item, const Slabs& slabs) {
  const SlabSize& size = slabs.sizes[item.slab];
  item.first_cell += size.num_cells;
  item.groups += size.num_groups;
  item.cells += size.num_entries;
  if (item.points != nullptr) item.points += size.num_entries;
  ++item.slab;
  return item;
}

// In the order in which features lie in memory: in planes all slabs of a block of channels, else all blocks
// of a slab. A slab beyond the last: there are no more.
template <class T>
ACE3D_INLINE Item item_after(Item item, const Channels<T>& channels, const Slabs& slabs) {
  const int64_t next_channel = item.channel + kBlockChannels;
  if (channels.cell_stride == 1) {
    item = next_slab(item, slabs);
    return item.slab == slabs.num_slabs && next_channel < channels.count ? first_item(slabs, next_channel)
                                                                         : item;
  }
  item.channel = next_channel < channels.count ? next_channel : 0;
  return item.channel == 0 ? next_slab(item, slabs) : item;
}

// Calls body(buffer, channel, first_cell, group, cells, points) for the groups of every item. Entry kNoCell
// of the buffer is zero.
template <class T, class Body>
ACE3D_INLINE void for_each_group(const Channels<const T>& channels, const Slabs& slabs, const Body& body) {
  alignas(64) Sum<T> buffer[(kSlabCells + 1) * kBlockChannels];
  for (int64_t i = 0; i < kBlockChannels; ++i) buffer[kNoCell * kBlockChannels + i] = 0;
  for (Item item = first_item(slabs, 0); item.slab < slabs.num_slabs;
       item = item_after(item, channels, slabs)) {
    const SlabSize& size = slabs.sizes[item.slab];
    const Origins<const T> rows = origins_of(channels, item.channel, item.first_cell);
    if (channels.cell_stride == 1) {
      gather_planes(rows, size.num_cells, buffer);
    } else {
      gather_cells(rows.of[0], channels.cell_stride, channels.count - item.channel, size.num_cells, buffer);
    }
    const uint8_t* cells = item.cells;
    const float* points = item.points;
    for (int64_t g = 0; g < size.num_groups; ++g) {
      const Group& group = item.groups[g];
      body(buffer, item.channel, item.first_cell, group, cells, points);
      cells += padded(group.num_entries);
      if (points != nullptr) points += padded(group.num_entries);
    }
  }
}

template <class T>
ACE3D_INLINE void scatter(const Sum<T>* from, int64_t first_cell, int64_t num_cells,
                          const Channels<T>& channels) {
  const Origins<T> rows = origins_of(channels, 0, first_cell);
  for (int64_t half = 0; half < channels.count; half += 8) {
    int64_t cell = 0;
    if (half + 8 <= channels.count) {
      for (; cell + 8 <= num_cells; cell += 8) {
        transpose_out(from + cell * kBlockChannels + half, rows.of + half, cell);
      }
    }
    const int64_t end = half + 8 < channels.count ? half + 8 : channels.count;
    for (; cell < num_cells; ++cell) {
      for (int64_t c = half; c < end; ++c) narrow(from[cell * kBlockChannels + c], rows.of[c][cell]);
    }
  }
}

template <bool kWeighted, class S>
ACE3D_INLINE Row<S> entry(const S* buffer, const uint8_t* cells, const float* points, int32_t i) {
  const Row<S> row = load_row(buffer + cells[i] * kBlockChannels);
  return kWeighted ? static_cast<S>(points[i]) * row : row;
}

template <bool kWeighted, class S>
ACE3D_INLINE Row<S> sum_group(const S* buffer, int32_t num_entries, const uint8_t* cells,
                              const float* points) {
  Row<S> sum{};
  for (const uint8_t* end = cells + num_entries; cells < end; cells += kQuad) {
    sum = sum + ((entry<kWeighted>(buffer, cells, points, 0) + entry<kWeighted>(buffer, cells, points, 1)) +
                 (entry<kWeighted>(buffer, cells, points, 2) + entry<kWeighted>(buffer, cells, points, 3)));
    if (kWeighted) points += kQuad;
  }
  return sum;
}

// Replaces what is less, or not yet NaN where the new value is.
template <class S>
ACE3D_INLINE void keep_greater(Row<S>& best, typename Row<S>::Masks* at, const Row<S>& values,
                               typename Row<S>::Masks cell) {
  for (int j = 0; j < Row<S>::kVectors; ++j) {
    using Masks = typename Row<S>::Masks;
    using Values = typename Row<S>::Values;
    const Masks take = ~(Masks)(values.v[j] <= best.v[j]) & (Masks)(best.v[j] == best.v[j]);
    best.v[j] = (Values)(((Masks)values.v[j] & take) | ((Masks)best.v[j] & ~take));
    at[j] = (cell & take) | (at[j] & ~take);
  }
}

// Adds rows to the cells of the groups of one slab.
template <bool kWeighted, class S>
ACE3D_INLINE void spread_groups(const S* rows, const Item& item, int64_t num_groups, S* buffer) {
  const uint8_t* cells = item.cells;
  const float* points = item.points;
  for (int64_t g = 0; g < num_groups; ++g) {
    const Group group = item.groups[g];
    const Row<S> row = load_row(rows + group.region * kBlockChannels);
    for (int32_t i = 0; i < group.num_entries; ++i) {
      S* to = buffer + cells[i] * kBlockChannels;
      store_row(to, load_row(to) + (kWeighted ? static_cast<S>(points[i]) * row : row));
    }
    cells += padded(group.num_entries);
    if (kWeighted) points += padded(group.num_entries);
  }
}

}  // namespace

void find_run_starts(const int32_t* labels, int64_t count, uint64_t* starts) {
  for (int64_t word = 0; word * 64 < count; ++word) {
    const int32_t* at = labels + word * 64;
    const int64_t end = count - word * 64 < 64 ? count - word * 64 : 64;
    uint64_t found = word == 0 || at[0] != at[-1];
    int64_t i = 1;
    for (; i + kLanes <= end; i += kLanes) {
      found |= static_cast<uint64_t>(bits((Ints)(load(at + i) != load(at + i - 1)))) << i;
    }
    for (; i < end; ++i) found |= static_cast<uint64_t>(at[i] != at[i - 1]) << i;
    starts[word] = found;
  }
}

#define ACE3D_INLINE_LAMBDA __attribute__((always_inline))

template <class T>
void sum_slabs(const Channels<const T>& features, const Slabs& slabs, int64_t num_regions, double* totals) {
  using S = Sum<T>;
  const auto add = [&](auto weighted) ACE3D_INLINE_LAMBDA {
    for_each_group(features, slabs,
                   [&](const S* buffer, int64_t channel, int64_t, const Group& group, const uint8_t* cells,
                       const float* points) ACE3D_INLINE_LAMBDA {
                     add_row(totals + channel * num_regions + group.region * kBlockChannels,
                             sum_group<weighted.value>(buffer, group.num_entries, cells, points));
                   });
  };
  if (slabs.points == nullptr) {
    add(std::false_type{});
  } else {
    add(std::true_type{});
  }
}

template <class Out>
void write_totals(const double* totals, const int64_t* counts, int64_t num_regions, int64_t count,
                  int64_t stride, Out* to) {
  for (int64_t r = 0; r < num_regions; ++r, to += stride) {
    const double divisor = counts == nullptr || counts[r] == 0 ? 1.0 : static_cast<double>(counts[r]);
    const double factor = 1.0 / divisor;
    for (int64_t first = 0; first < count; first += kBlockChannels) {
      const double* from = totals + (first * num_regions + r * kBlockChannels);
      Sum<Out> values[kBlockChannels];
      for (int i = 0; i < kBlockChannels; ++i) {
        values[i] = static_cast<Sum<Out>>(sizeof(Sum<Out>) == 8 ? from[i] / divisor : from[i] * factor);
      }
      if (count - first >= kBlockChannels) {
        for (int i = 0; i < kBlockChannels; ++i) narrow(values[i], to[first + i]);
      } else {
        for (int64_t i = first; i < count; ++i) narrow(values[i - first], to[i]);
      }
    }
  }
}

template <class T>
void max_slabs(const Channels<const T>& features, const Slabs& slabs, int64_t num_regions, Sum<T>* values,
               CellIndex<T>* cells) {
  using S = Sum<T>;
  using Index = CellIndex<T>;
  using Masks = typename Row<S>::Masks;
  for_each_group(features, slabs,
                 [&](const S* buffer, int64_t channel, int64_t first_cell, const Group& group,
                     const uint8_t* entries, const float*) ACE3D_INLINE_LAMBDA {
                   const int64_t to = channel * num_regions + group.region * kBlockChannels;
                   Row<S> best = load_row(values + to);
                   Masks at[Row<S>::kVectors];
                   std::memcpy(at, cells + to, sizeof(at));
                   int32_t i = 0;
                   if (cells[to] < 0) {
                     best = load_row(buffer + entries[0] * kBlockChannels);
                     for (Masks& cell : at) cell = Masks{} + static_cast<Index>(first_cell + entries[0]);
                     i = 1;
                   }
                   for (; i < group.num_entries; ++i) {
                     const Masks cell = Masks{} + static_cast<Index>(first_cell + entries[i]);
                     keep_greater(best, at, load_row(buffer + entries[i] * kBlockChannels), cell);
                   }
                   store_row(values + to, best);
                   std::memcpy(cells + to, at, sizeof(at));
                 });
}

template <class T>
void spread_slabs(const Sum<T>* rows, const Slabs& slabs, const Channels<T>& grads) {
  alignas(64) Sum<T> buffer[kSlabCells * kBlockChannels];
  for (Item item = first_item(slabs, 0); item.slab < slabs.num_slabs; item = next_slab(item, slabs)) {
    const SlabSize& size = slabs.sizes[item.slab];
    std::memset(buffer, 0, sizeof(Sum<T>) * size.num_cells * kBlockChannels);
    if (slabs.points == nullptr) {
      spread_groups<false>(rows, item, size.num_groups, buffer);
    } else {
      spread_groups<true>(rows, item, size.num_groups, buffer);
    }
    scatter(buffer, item.first_cell, size.num_cells, grads);
  }
}

#define ACE3D_INSTANTIATE(T)                                                                           \
  template void sum_slabs<T>(const Channels<const T>&, const Slabs&, int64_t, double*);                \
  template void max_slabs<T>(const Channels<const T>&, const Slabs&, int64_t, Sum<T>*, CellIndex<T>*); \
  template void write_totals<T>(const double*, const int64_t*, int64_t, int64_t, int64_t, T*);         \
  template void spread_slabs<T>(const Sum<T>*, const Slabs&, const Channels<T>&);

ACE3D_INSTANTIATE(float)
ACE3D_INSTANTIATE(double)
ACE3D_INSTANTIATE(Half)
ACE3D_INSTANTIATE(BFloat16)

}  // namespace ace3d::ACE3D_ISA
