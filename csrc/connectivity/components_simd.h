// Rows of labels as runs, compiled once for each instruction set.
//
// A row's bits: bit x of word x / 64 says whether a run of equal labels begins at voxel x.
#pragma once

#include <cstdint>

#include "common/cpu.h"

namespace ace3d {

// A row of labels and its runs: its bits, and the number of its first run.
struct RowOfRuns {
  const int32_t* labels;
  const uint64_t* bits;
  int32_t first_run;
};

#define ACE3D_COMPONENT_KERNELS(ISA)                                                                      \
  namespace ISA {                                                                                         \
  /* Find the bits of a row; returns the number of its runs. */                                           \
  int32_t find_run_bits(const int32_t* labels, int64_t width, uint64_t* bits);                            \
  /* Write the voxels at which the runs of a row begin, given its first voxel; each run is its own        \
     parent, or `background` where its label is negative. */                                              \
  void start_runs(RowOfRuns row, int64_t width, int32_t first_voxel, int32_t background, int32_t* begins, \
                  int32_t* parents);                                                                      \
  /* Join the runs of two rows that touch and have the same label, if that is not negative: `parents`     \
     [num_runs] holds for each run one that does not come after it, and for the first of a set itself.    \
   */                                                                                                     \
  void join_rows(RowOfRuns before, RowOfRuns row, int64_t width, int32_t* parents);                       \
  /* out[v] = values[keys[run]], for negative keys `none`, for the voxels of runs [first, last).          \
     `begins` [last + 1]. */                                                                              \
  void fill_runs(const int32_t* begins, const int32_t* keys, int64_t first, int64_t last,                 \
                 const int32_t* values, int32_t none, int32_t* out);                                      \
  }

ACE3D_FOR_INSTRUCTION_SETS(ACE3D_COMPONENT_KERNELS)

}  // namespace ace3d
