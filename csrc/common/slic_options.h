// The arguments of the SLIC ops as the kernels take them.
#pragma once

#include <vector>

#include "slic3d/slic3d.h"

namespace ace3d {

// The resolutions of one volume: `grids` holds for each the start, step and window of the seeds along T, H
// and W, and `apart` how far apart centres are.
inline std::vector<SlicMap> slic_maps(const std::vector<int64_t>& grids,
                                      const std::vector<int64_t>& num_centers,
                                      const std::vector<double>& apart) {
  std::vector<SlicMap> maps(num_centers.size());
  for (size_t map = 0; map < maps.size(); ++map) {
    const int64_t* g = grids.data() + 9 * map;
    maps[map] = {num_centers[map],
                 {{g[0], g[1], g[2]}, {g[3], g[4], g[5]}},
                 {g[6], g[7], g[8]},
                 apart[map],
                 nullptr,
                 nullptr,
                 nullptr};
  }
  return maps;
}

inline SlicOptions slic_options(double compactness, int64_t num_iterations,
                                const std::vector<double>& spacing) {
  return {compactness, {spacing[0], spacing[1], spacing[2]}, num_iterations, false, false};
}

}  // namespace ace3d
