// The inner loops of region pooling, compiled once for each instruction set.
//
// A clip is taken in slabs of kSlabCells cells, and 16 channels (a block) at a time. A slab is first brought
// into a buffer in which the channels of a cell lie side by side; then each region adds up its cells.
//
// Order of a sum, the same everywhere: within a slab four entries at a time, in the order of the cells,
// ((x0 + x1) + (x2 + x3)) added to the sum so far, zeros standing for those missing, in the type Sum<T>; the
// sums of slabs in double, from the first slab on.
#pragma once

#include <cstdint>
#include <type_traits>

#include "region_pool/region_pool.h"

#include "common/cpu.h"

namespace ace3d {

inline constexpr int64_t kSlabCells = 128;
inline constexpr int64_t kBlockChannels = 16;

inline constexpr int32_t kQuad = 4;
inline constexpr uint8_t kNoCell = kSlabCells;  // a row of zeros in the buffer

// The cells of one region in one slab. Its entries are filled up to whole quads with kNoCell.
struct Group {
  int32_t region, num_entries;
};

// Slabs that follow each other.
struct SlabSize {
  int32_t num_cells, num_groups, num_entries;
};

struct Slabs {
  int64_t first_cell, num_slabs;
  const SlabSize* sizes;
  const Group* groups;   // of the first slab, then of the second...; a region once in each
  const uint8_t* cells;  // of the entries of the first group, then of the second..., from the slab's first on
  const float* points;   // of each entry, on the finer grid; null: one each
};

// Channels of a clip.
template <class T>
struct Channels {
  T* data;
  int64_t count;
  int64_t channel_stride, cell_stride;  // one of them is 1
};

// The index of a cell beside a value of type T.
template <class T>
using CellIndex = std::conditional_t<sizeof(T) == 8, int64_t, int32_t>;

// find_run_starts: bit i says whether label i differs from the one before, up to kSlabCells labels.
// sum_slabs: adds to the totals [blocks, R, 16].
// max_slabs: the greatest values [blocks, R, 16] so far, and their first cells; below 0 where there is none.
// write_totals: those of all blocks, divided by the counts [R] if there are any, to [R] rows of `count`
// values, `stride` apart. spread_slabs: writes to each cell the sum, over its entries, of points times row
// [R, 16] of the entry's region; up to 16 channels.
#define ACE3D_REGION_POOL_KERNELS(ISA)                                                                       \
  namespace ISA {                                                                                            \
  void find_run_starts(const int32_t* labels, int64_t count, uint64_t* starts);                              \
  template <class T>                                                                                         \
  void sum_slabs(const Channels<const T>& features, const Slabs& slabs, int64_t num_regions,                 \
                 double* totals);                                                                            \
  template <class T>                                                                                         \
  void max_slabs(const Channels<const T>& features, const Slabs& slabs, int64_t num_regions, Sum<T>* values, \
                 CellIndex<T>* cells);                                                                       \
  template <class Out>                                                                                       \
  void write_totals(const double* totals, const int64_t* counts, int64_t num_regions, int64_t count,         \
                    int64_t stride, Out* to);                                                                \
  template <class T>                                                                                         \
  void spread_slabs(const Sum<T>* rows, const Slabs& slabs, const Channels<T>& grads);                       \
  }

ACE3D_FOR_INSTRUCTION_SETS(ACE3D_REGION_POOL_KERNELS)

}  // namespace ace3d
