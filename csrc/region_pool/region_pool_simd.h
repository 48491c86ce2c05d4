// The inner loop of region sums, compiled once for each instruction set.
#pragma once

#include <cstdint>

#include "common/cpu.h"

namespace ace3d {

// A stretch of cells that lie in one region, each with as many points.
struct Stretch {
  int32_t begin, end;  // cells
  int32_t region;
  float points;  // of the finer grid, in each cell
};

inline constexpr int64_t kChunkCells = 128;  // no stretch crosses a multiple of it
inline constexpr int64_t kBlockChannels = 16;

// Sums of up to 16 channels over the regions of one clip.
//   rows       [16]: the first cell of each channel; channels that do not exist point to zeros
//   stretches  of all chunks; those of chunk i begin at first_of_chunk[i]
//   totals     [num_regions, 16], added to in the order of the stretches
#define ACE3D_REGION_POOL_KERNELS(ISA)                                                      \
  namespace ISA {                                                                           \
  void add_stretches(const float* const* rows, int64_t num_cells, const Stretch* stretches, \
                     const int64_t* first_of_chunk, double* totals);                        \
  }

ACE3D_FOR_INSTRUCTION_SETS(ACE3D_REGION_POOL_KERNELS)

}  // namespace ace3d
