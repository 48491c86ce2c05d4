#include "region_overlap/region_overlap.h"

namespace ace3d {

void region_overlap_cpu(const int32_t* a, const int32_t* b, int64_t num_voxels, int64_t num_a, int64_t num_b,
                        int64_t* counts) {
  // Neighbouring voxels mostly form the same pair: count runs, touch memory once for each.
  int64_t pair = -1, run = 0;
  for (int64_t v = 0; v < num_voxels; ++v) {
    const int64_t i = a[v], j = b[v];
    const bool inside = i >= 0 && i < num_a && j >= 0 && j < num_b;
    const int64_t here = inside ? i * num_b + j : -1;
    if (here != pair) {
      if (pair >= 0) counts[pair] += run;
      pair = here;
      run = 0;
    }
    ++run;
  }
  if (pair >= 0) counts[pair] += run;
}

}  // namespace ace3d
