#include "connectivity/connectivity.h"

#include <algorithm>
#include <vector>

namespace ace3d {

int32_t enforce_connectivity_cpu(const int32_t* labels, VolumeShape shape, int64_t min_size, int64_t max_size,
                                 int32_t* out) {
  const int64_t width = shape.width, plane = shape.height * shape.width, num_voxels = shape.num_voxels();
  std::fill_n(out, num_voxels, -1);
  std::vector<int64_t> queue;
  int32_t next_label = 0;
  for (int64_t seed = 0; seed < num_voxels; ++seed) {
    if (labels[seed] < 0 || out[seed] >= 0) continue;
    const int32_t label = labels[seed];
    int32_t neighbour = 0;
    out[seed] = next_label;
    queue.assign(1, seed);
    for (size_t visited = 0; visited < queue.size() && static_cast<int64_t>(queue.size()) < max_size;
         ++visited) {
      const int64_t v = queue[visited];
      const int64_t t = v / plane, y = v % plane / width, x = v % width;
      const struct {
        bool inside;
        int64_t voxel;
      } steps[6] = {{x + 1 < width, v + 1},
                    {x > 0, v - 1},
                    {y + 1 < shape.height, v + width},
                    {y > 0, v - width},
                    {t + 1 < shape.depth, v + plane},
                    {t > 0, v - plane}};
      for (const auto& step : steps) {
        if (!step.inside) continue;
        if (labels[step.voxel] == label && out[step.voxel] < 0) {
          out[step.voxel] = next_label;
          queue.push_back(step.voxel);
          if (static_cast<int64_t>(queue.size()) >= max_size) break;
        } else if (out[step.voxel] >= 0 && out[step.voxel] != next_label) {
          neighbour = out[step.voxel];
        }
      }
    }
    if (static_cast<int64_t>(queue.size()) < min_size) {
      for (const int64_t v : queue) out[v] = neighbour;
    } else {
      ++next_label;
    }
  }
  return next_label;
}

}  // namespace ace3d
