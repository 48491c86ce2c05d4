// The inner loops of region pooling, compiled once for each instruction set.
//
// A clip is taken in parts, those in slabs of kSlabCells cells, and 16 channels (a block) at a time. A slab
// is first brought into a buffer in which the channels of a cell lie side by side; then its pieces, which are
// cells of one region that follow each other, are added up in registers and added to the sums of the part.
//
// Order of a sum, the same everywhere: a piece adds ((x0 + x1) + (x2 + x3)) of four cells at a time, the
// part its pieces slab by slab, the shorter first, both in the type Sum<T>; parts are added in double.
#pragma once

#include <cstdint>
#include <type_traits>

#include "region_pool/region_pool.h"

#include "common/cpu.h"

namespace ace3d {

inline constexpr int64_t kSlabCells = 64;
inline constexpr int64_t kBlockChannels = 16;

// Pieces of a slab are sorted by their number of cells, so that loops over those of one size are predictable:
// 1, 2, 3, 4, 8, and more. Longer ones have a multiple of four.
inline constexpr int kNumSizes = 6;
inline constexpr int32_t kQuad = 4;

// A piece in one word: its region in the part, its first cell and number of cells in the slab.
class Piece {
 public:
  Piece() = default;
  Piece(int32_t region, int32_t first_cell, int32_t num_cells)
      : word_(static_cast<uint64_t>(region) << 16 | static_cast<uint64_t>(first_cell) << 8 |
              static_cast<uint64_t>(num_cells)) {}
  int64_t region() const { return static_cast<int64_t>(word_ >> 16); }
  int64_t first_cell() const { return static_cast<int64_t>(word_ >> 8 & 0xff); }
  int32_t num_cells() const { return static_cast<int32_t>(word_ & 0xff); }

 private:
  uint64_t word_;
};

struct Slab {
  int32_t num_cells, num_pieces[kNumSizes];
};

// Slabs that follow each other.
struct Slabs {
  int64_t first_cell, num_cells, num_slabs, num_regions;
  const Slab* slabs;
  const Piece* pieces;     // of the first slab, then of the second...
  const float* points;     // on the finer grid, in each cell of each piece; null: one each
  const int32_t* regions;  // of the clip, for each region of the part
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

// find_runs: where runs of equal labels begin, and their number; up to kSlabCells labels, and as many starts
// and eight more.
// sum_slabs: adds to the totals [blocks, R, 16]. `sums` [blocks, regions of the part, 16] holds zeros, and
// does so again afterwards.
// max_slabs: the greatest values [blocks, R, 16] so far, and their first cells; below 0 where there is none.
// write_totals: those of all blocks, divided by the counts [R] if there are any, to [R] rows of `count`
// values, `stride` apart. spread_slabs: writes to each cell the sum, over its pieces, of points times row
// [R, 16] of the piece's region; up to 16 channels.
#define ACE3D_REGION_POOL_KERNELS(ISA)                                                                       \
  namespace ISA {                                                                                            \
  int32_t find_runs(const int32_t* labels, int64_t count, uint8_t* starts);                                  \
  template <class T>                                                                                         \
  void sum_slabs(const Channels<const T>& features, const Slabs& slabs, int64_t num_regions, Sum<T>* sums,   \
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
