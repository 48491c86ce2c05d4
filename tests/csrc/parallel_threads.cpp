// Parallel loops on threads of their own, for the build that the thread sanitizer watches.
//
// Always several threads, and small ranges too are split: races show however little there is to do.
#include <algorithm>
#include <thread>
#include <vector>

#include "common/parallel.h"

namespace ace3d {

int64_t num_threads() { return 4; }

void run_parallel(int64_t begin, int64_t end, int64_t, ParallelBody body, void* context) {
  const int64_t share = std::max<int64_t>(1, (end - begin + num_threads() - 1) / num_threads());
  std::vector<std::thread> threads;
  for (int64_t first = begin; first < end; first += share) {
    threads.emplace_back(body, first, std::min(end, first + share), context);
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace ace3d
