#include "slic3d/brick_passes.h"

#include <mutex>

#include "common/cpu.h"
#include "common/parallel.h"
#include "slic3d/slic3d_simd.h"

namespace ace3d {

AssignTask assign_task(const BrickStorage& storage, const SlicOptions& options, const SlicMap& map) {
  const BrickVolume& volume = storage.volume();
  const int64_t sizes[3] = {volume.shape.depth, volume.shape.height, volume.shape.width};
  AssignTask task{};
  task.volume = &volume;
  task.use_colors = true;
  task.num_centers = map.num_centers;
  task.labels = map.labels;
  for (int axis = 0; axis < 3; ++axis) {
    const double spacing = options.spacing[axis], apart = map.spacing_of_centers;
    const double weight = spacing * spacing / (apart * apart);
    task.weight[axis] = static_cast<float>(weight);
    // A position is off by half a unit in the last place of a float; two centres are compared.
    const double off = static_cast<double>(sizes[axis]) * std::ldexp(1.0, -24);
    task.error += static_cast<float>(8 * weight * static_cast<double>(map.window[axis] + 2) * off);
  }
  // So is a colour, by at most e: a cost of x is off by 2 e sqrt(x) in each channel, which is no more than
  // 1e-5 x / 2, a margin that every comparison has, and a constant.
  const double off =
      std::ldexp(2.0 * std::sqrt(static_cast<double>(volume.channels)), volume.unit_exponent - 1);
  task.error += static_cast<float>(off * off / 2e-5);
  return task;
}

bool assign_all(const AssignTask& task, const FirstLabels* first, int64_t* sums) {
  const int64_t num_jobs = task.volume->num_nodes[kJobLevel];
  const int64_t num_sums = task.accumulate ? task.num_centers * sums_per_center(task.volume->channels) : 0;
  std::fill_n(sums, num_sums, 0);
  std::mutex adding;
  bool met_unreached = false;
  parallel_for(0, num_jobs, 1, [&](int64_t begin, int64_t end) {
    const bool alone = begin == 0 && end == num_jobs;
    std::vector<int64_t> part(alone ? 0 : num_sums);
    int64_t* to = alone ? sums : part.data();
    bool unreached = false;
    if (first != nullptr) {
      ACE3D_DISPATCH(assign_first, task, *first, begin, end, to);
    } else {
      unreached = ACE3D_DISPATCH(assign_nearest, task, begin, end, to);
    }
    const std::lock_guard<std::mutex> lock(adding);
    met_unreached |= unreached;
    for (size_t i = 0; i < part.size(); ++i) sums[i] += part[i];
  });
  return met_unreached;
}

}  // namespace ace3d
