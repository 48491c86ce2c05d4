#include <torch/csrc/stable/ops.h>

#include "common/parallel.h"

namespace ace3d {

void run_parallel(int64_t begin, int64_t end, int64_t grain, ParallelBody body, void* context) {
  if (end - begin <= grain) {
    if (begin < end) body(begin, end, context);
    return;
  }
  torch::stable::parallel_for(begin, end, grain,
                              [&](int64_t first, int64_t last) { body(first, last, context); });
}

int64_t num_threads() { return static_cast<int64_t>(torch::stable::get_num_threads()); }

}  // namespace ace3d
