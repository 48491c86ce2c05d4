// Parallel loops over torch's own thread pool, without its headers.
//
// parallel_for(begin, end, grain, body) calls body(first, last) on disjoint ranges that cover [begin, end).
// Ranges shorter than `grain` are not split, so that small work runs serially. How a range is split depends
// on the number of threads: a body must give the same result for any split.
#pragma once

#include <cstdint>

namespace ace3d {

using ParallelBody = void (*)(int64_t begin, int64_t end, void* context);

void run_parallel(int64_t begin, int64_t end, int64_t grain, ParallelBody body, void* context);

int64_t num_threads();

template <class Body>
void parallel_for(int64_t begin, int64_t end, int64_t grain, const Body& body) {
  run_parallel(
      begin, end, grain,
      [](int64_t first, int64_t last, void* context) { (*static_cast<const Body*>(context))(first, last); },
      const_cast<void*>(static_cast<const void*>(&body)));
}

}  // namespace ace3d
