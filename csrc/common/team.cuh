// Threads of a block that work together: a warp, or all of them.
//
// Every thread of a team has to make each of its calls.
#pragma once

#include "common/launch.h"

namespace ace3d {

inline constexpr int kWarpThreads = 32;
inline constexpr int kWarpsPerBlock = kThreadsPerBlock / kWarpThreads;
inline constexpr unsigned kAllLanes = 0xffffffffu;

struct WarpTeam {
  static constexpr int kSize = kWarpThreads;

  __device__ int rank() const { return static_cast<int>(threadIdx.x) % kWarpThreads; }
  __device__ void sync() const { __syncwarp(); }

  // The sum of `value` over the threads before this one, and over all of them.
  __device__ int before(int value, int& total) const {
    int sum = value;
    for (int step = 1; step < kWarpThreads; step *= 2) {
      const int other = __shfl_sync(kAllLanes, sum, (rank() + kWarpThreads - step) % kWarpThreads);
      if (rank() >= step) sum += other;
    }
    total = __shfl_sync(kAllLanes, sum, kWarpThreads - 1);
    return sum - value;
  }

  __device__ uint64_t greatest(uint64_t value) const {
    for (int step = kWarpThreads / 2; step > 0; step /= 2) {
      const uint64_t other = __shfl_xor_sync(kAllLanes, value, step);
      if (other > value) value = other;
    }
    return value;
  }
};

struct BlockTeam {
  static constexpr int kSize = kThreadsPerBlock;

  __device__ int rank() const { return static_cast<int>(threadIdx.x); }
  __device__ void sync() const { __syncthreads(); }

  __device__ int before(int value, int& total) const {
    __shared__ int sums[kWarpsPerBlock];
    const WarpTeam warp;
    int sum = 0;
    int position = warp.before(value, sum);
    if (warp.rank() == 0) sums[rank() / kWarpThreads] = sum;
    __syncthreads();
    total = 0;
    for (int i = 0; i < kWarpsPerBlock; ++i) {
      if (i < rank() / kWarpThreads) position += sums[i];
      total += sums[i];
    }
    __syncthreads();  // before another call writes `sums`
    return position;
  }

  __device__ uint64_t greatest(uint64_t value) const {
    __shared__ uint64_t values[kWarpsPerBlock];
    const WarpTeam warp;
    value = warp.greatest(value);
    if (warp.rank() == 0) values[rank() / kWarpThreads] = value;
    __syncthreads();
    for (int i = 0; i < kWarpsPerBlock; ++i) {
      if (values[i] > value) value = values[i];
    }
    __syncthreads();
    return value;
  }
};

}  // namespace ace3d
