#include "region_pool/region_pool_simd.h"

#include "region_pool/gather.h"

namespace ace3d::ACE3D_ISA {
namespace {

template <class S>
ACE3D_INLINE Row<S> quad(const S* cells) {
  const auto row = [&](int64_t i) ACE3D_INLINE_LAMBDA { return load_row(cells + i * kBlockChannels); };
  return (row(0) + row(1)) + (row(2) + row(3));
}

// Adds the pieces of one slab to the sums of their regions.
template <bool kWeighted, class S>
ACE3D_INLINE void add_pieces(const S* buffer, const Item& item, const Slab& slab, S* sums) {
  const Piece* piece = item.pieces;
  const float* points = item.points;
  const auto add = [&](int32_t number, const auto& sum_cells) ACE3D_INLINE_LAMBDA {
    for (const Piece* end = piece + number; piece < end; ++piece) {
      Row<S> sum = sum_cells(buffer + piece->first_cell() * kBlockChannels);
      if (kWeighted) sum = static_cast<S>(*points++) * sum;
      S* to = sums + piece->region() * kBlockChannels;
      store_row(to, load_row(to) + sum);
    }
  };
  constexpr int64_t kRow = kBlockChannels;
  const int32_t* numbers = slab.num_pieces;
  add(numbers[0], [](const S* cells) ACE3D_INLINE_LAMBDA { return load_row(cells); });
  add(numbers[1],
      [](const S* cells) ACE3D_INLINE_LAMBDA { return load_row(cells) + load_row(cells + kRow); });
  add(numbers[2], [](const S* cells) ACE3D_INLINE_LAMBDA {
    return (load_row(cells) + load_row(cells + kRow)) + load_row(cells + 2 * kRow);
  });
  add(numbers[3], [](const S* cells) ACE3D_INLINE_LAMBDA { return quad(cells); });
  add(numbers[4], [](const S* cells) ACE3D_INLINE_LAMBDA { return quad(cells) + quad(cells + 4 * kRow); });
  add(numbers[5], [&](const S* cells) ACE3D_INLINE_LAMBDA {
    Row<S> sum = quad(cells);
    for (int32_t i = kQuad; i < piece->num_cells(); i += kQuad) sum = sum + quad(cells + i * kRow);
    return sum;
  });
}

// Replaces what is less, or as great and of a later cell, or not yet NaN where the new value is.
template <class S>
ACE3D_INLINE void keep_greater(Row<S>& best, typename Row<S>::Masks* at, const Row<S>& values,
                               typename Row<S>::Masks cell) {
  for (int j = 0; j < Row<S>::kVectors; ++j) {
    using Masks = typename Row<S>::Masks;
    using Values = typename Row<S>::Values;
    const Values a = best.v[j], b = values.v[j];
    const Masks nan = (Masks)(a != a), new_nan = (Masks)(b != b);
    const Masks greater = (Masks)(b > a) | (new_nan & ~nan), equal = (Masks)(b == a) | (new_nan & nan);
    const Masks take = greater | (equal & (Masks)(cell < at[j]));
    best.v[j] = (Values)(((Masks)b & take) | ((Masks)a & ~take));
    at[j] = (cell & take) | (at[j] & ~take);
  }
}

}  // namespace

int32_t find_runs(const int32_t* labels, int64_t count, uint8_t* starts) {
  int32_t number = 1;
  starts[0] = 0;
  int64_t i = 1;
  for (; i + kLanes <= count; i += kLanes) {
    const uint32_t found = bits((Ints)(load(labels + i) != load(labels + i - 1)));
    const uint64_t at = places(found) + static_cast<uint64_t>(i) * 0x0101010101010101ull;
    std::memcpy(starts + number, &at, sizeof(at));
    number += __builtin_popcount(found);
  }
  for (; i < count; ++i) {
    starts[number] = static_cast<uint8_t>(i);
    number += labels[i] != labels[i - 1];
  }
  return number;
}

template <class T>
void sum_slabs(const Channels<const T>& features, const Slabs& slabs, int64_t num_regions, Sum<T>* sums,
               double* totals) {
  using S = Sum<T>;
  const auto add = [&](auto weighted) ACE3D_INLINE_LAMBDA {
    for_each_item(features, slabs,
                  [&](const S* buffer, const Item& item, const Slab& slab) ACE3D_INLINE_LAMBDA {
                    add_pieces<weighted.value>(buffer, item, slab, sums + item.channel * slabs.num_regions);
                  });
  };
  if (slabs.points == nullptr) {
    add(std::false_type{});
  } else {
    add(std::true_type{});
  }
  for (int64_t channel = 0; channel < features.count; channel += kBlockChannels) {
    const T* const next = next_to_read(features, slabs, channel);
    for (int64_t r = 0; r < slabs.num_regions; ++r, sums += kBlockChannels) {
      const int64_t line = r / kBlockChannels * (64 / sizeof(T));
      __builtin_prefetch(next + r % kBlockChannels * features.channel_stride + line, 0, 2);
      add_row(totals + channel * num_regions + slabs.regions[r] * kBlockChannels, load_row(sums));
      store_row(sums, Row<S>{});
    }
  }
}

template <class Out>
void write_totals(const double* totals, const int64_t* counts, int64_t num_regions, int64_t count,
                  int64_t stride, Out* to) {
  for (int64_t r = 0; r < num_regions; ++r, to += stride) {
    __builtin_prefetch(to + 16 * stride, 1, 3);  // to be written: rows lie far apart
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
  for_each_item(
      features, slabs, [&](const S* buffer, const Item& item, const Slab& slab) ACE3D_INLINE_LAMBDA {
        for_each_piece(item, slab, [&](const Piece& piece, float) ACE3D_INLINE_LAMBDA {
          const int64_t to = item.channel * num_regions + slabs.regions[piece.region()] * kBlockChannels;
          Row<S> best = load_row(values + to);
          Masks at[Row<S>::kVectors];
          std::memcpy(at, cells + to, sizeof(at));
          int32_t i = 0;
          const auto index_of = [&](int32_t i) ACE3D_INLINE_LAMBDA {
            return Masks{} + static_cast<Index>(item.first_cell + piece.first_cell() + i);
          };
          const auto row_of = [&](int32_t i) ACE3D_INLINE_LAMBDA {
            return load_row(buffer + (piece.first_cell() + i) * kBlockChannels);
          };
          if (cells[to] < 0) {
            best = row_of(0);
            for (Masks& cell : at) cell = index_of(0);
            i = 1;
          }
          for (; i < piece.num_cells(); ++i) keep_greater(best, at, row_of(i), index_of(i));
          store_row(values + to, best);
          std::memcpy(cells + to, at, sizeof(at));
        });
      });
}

template <class T>
void spread_slabs(const Sum<T>* rows, const Slabs& slabs, const Channels<T>& grads) {
  using S = Sum<T>;
  alignas(64) S buffer[kSlabCells * kBlockChannels];
  for (Item item = first_item(slabs, 0); item.slab < slabs.num_slabs; item = next_slab(item, slabs)) {
    const Slab& slab = slabs.slabs[item.slab];
    std::memset(buffer, 0, sizeof(S) * slab.num_cells * kBlockChannels);
    for_each_piece(item, slab, [&](const Piece& piece, float points) ACE3D_INLINE_LAMBDA {
      const Row<S> row =
          static_cast<S>(points) * load_row(rows + slabs.regions[piece.region()] * kBlockChannels);
      for (int32_t i = 0; i < piece.num_cells(); ++i) {
        S* to = buffer + (piece.first_cell() + i) * kBlockChannels;
        store_row(to, load_row(to) + row);
      }
    });
    scatter(buffer, item.first_cell, slab.num_cells, grads);
  }
}

#define ACE3D_INSTANTIATE(T)                                                                           \
  template void sum_slabs<T>(const Channels<const T>&, const Slabs&, int64_t, Sum<T>*, double*);       \
  template void max_slabs<T>(const Channels<const T>&, const Slabs&, int64_t, Sum<T>*, CellIndex<T>*); \
  template void write_totals<T>(const double*, const int64_t*, int64_t, int64_t, int64_t, T*);         \
  template void spread_slabs<T>(const Sum<T>*, const Slabs&, const Channels<T>&);

ACE3D_INSTANTIATE(float)
ACE3D_INSTANTIATE(double)
ACE3D_INSTANTIATE(Half)
ACE3D_INSTANTIATE(BFloat16)

}  // namespace ace3d::ACE3D_ISA
