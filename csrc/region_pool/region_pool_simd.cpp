#include "region_pool/region_pool_simd.h"

#include "region_pool/gather.h"

namespace ace3d::ACE3D_ISA {
namespace {

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
