// nearest_centers on the GPU: a block compares 64 points with 64 centres, a thread four with four, channels
// by way of shared memory. The nearest is kept as one 64-bit number (distance, then place), whose least is
// the same in any order.
#include "common/launch.h"
#define ACE3D_WITH_CUDA
#include "nearest_centers/nearest_centers.h"

namespace ace3d {
namespace {

using Word = unsigned long long;

constexpr int kTile = 64;   // points, and centres, of a block
constexpr int kEach = 4;    // of a thread
constexpr int kDepth = 16;  // channels at a time
constexpr int kPitch = kTile + kEach;
constexpr int kAcross = kTile / kEach;  // threads along an axis
constexpr Word kNothing = ~Word{0};
static_assert(kAcross * kAcross == kThreadsPerBlock);
static_assert(kTile * kDepth == kEach * kThreadsPerBlock);

// Channels [first, first + kDepth) of kTile rows to `to` [channel][row]; 0 beyond the last row and channel.
__device__ void bring(const float* __restrict__ rows, int64_t num_rows, int64_t first_row,
                      int64_t num_channels, int64_t first, float (*to)[kPitch]) {
  for (int i = 0; i < kEach; ++i) {
    const int number = static_cast<int>(threadIdx.x) + i * kThreadsPerBlock;
    const int row = number / kDepth, channel = number % kDepth;
    const bool there = first_row + row < num_rows && first + channel < num_channels;
    to[channel][row] = there ? rows[(first_row + row) * num_channels + first + channel] : 0.0f;
  }
}

__global__ void __launch_bounds__(kThreadsPerBlock)
    nearest_kernel(const float* __restrict__ points, const float* __restrict__ centers, NearestShape shape,
                   int64_t center_tiles, Word* __restrict__ nearest) {
  __shared__ float some_points[kDepth][kPitch], some_centers[kDepth][kPitch];
  const int64_t first_point = blockIdx.x / center_tiles * kTile;
  const int64_t first_center = blockIdx.x % center_tiles * kTile;
  const int64_t num_centers = shape.num_sets * shape.num_centers;
  const int across = static_cast<int>(threadIdx.x) % kAcross * kEach;
  const int down = static_cast<int>(threadIdx.x) / kAcross * kEach;
  float costs[kEach][kEach] = {};
  for (int64_t first = 0; first < shape.num_channels; first += kDepth) {
    bring(points, shape.num_points, first_point, shape.num_channels, first, some_points);
    bring(centers, num_centers, first_center, shape.num_channels, first, some_centers);
    __syncthreads();
#pragma unroll
    for (int channel = 0; channel < kDepth; ++channel) {
      float mine[kEach], theirs[kEach];
#pragma unroll
      for (int i = 0; i < kEach; ++i) mine[i] = some_points[channel][down + i];
#pragma unroll
      for (int i = 0; i < kEach; ++i) theirs[i] = some_centers[channel][across + i];
#pragma unroll
      for (int p = 0; p < kEach; ++p) {
#pragma unroll
        for (int k = 0; k < kEach; ++k) {
          const float difference = mine[p] - theirs[k];
          costs[p][k] = __fmaf_rn(difference, difference, costs[p][k]);
        }
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int p = 0; p < kEach; ++p) {
    const int64_t point = first_point + down + p;
    Word least = kNothing;
    int64_t least_set = -1;
    const auto give = [&] {
      if (least != kNothing && point < shape.num_points) {
        atomicMin(&nearest[least_set * shape.num_points + point], least);
      }
    };
#pragma unroll
    for (int k = 0; k < kEach; ++k) {
      const int64_t center = first_center + across + k, set = center / shape.num_centers;
      if (center >= num_centers || !(costs[p][k] < INFINITY)) continue;
      const auto bits = static_cast<unsigned>(__float_as_int(costs[p][k]));  // of no sign: in order
      const Word found = static_cast<Word>(bits) << 32 | static_cast<Word>(center % shape.num_centers);
      if (set != least_set) {
        give();
        least = kNothing;
        least_set = set;
      }
      least = found < least ? found : least;
    }
    give();
  }
}

__global__ void nothing_kernel(Word* __restrict__ nearest, int64_t size) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreadsPerBlock + threadIdx.x;
  if (i < size) nearest[i] = kNothing;
}

__global__ void unpack_kernel(const Word* __restrict__ nearest, int64_t size, int32_t* __restrict__ labels,
                              float* __restrict__ distances) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreadsPerBlock + threadIdx.x;
  if (i >= size) return;
  const Word found = nearest[i];
  labels[i] = found == kNothing ? -1 : static_cast<int32_t>(found & 0xffffffffu);
  distances[i] = found == kNothing ? INFINITY : __int_as_float(static_cast<int32_t>(found >> 32));
}

int64_t tiles_of(int64_t size) { return (size + kTile - 1) / kTile; }

}  // namespace

int64_t nearest_centers_work_bytes(const NearestShape& shape) {
  return shape.num_sets * shape.num_points * static_cast<int64_t>(sizeof(Word));
}

void launch_nearest_centers(const float* points, const float* centers, const NearestShape& shape,
                            int32_t* labels, float* distances, void* work, void* stream) {
  const int64_t size = shape.num_sets * shape.num_points;
  if (size == 0) return;
  const int64_t blocks = (size + kThreadsPerBlock - 1) / kThreadsPerBlock;
  const int64_t center_tiles = tiles_of(shape.num_sets * shape.num_centers);
  Word* const nearest = static_cast<Word*>(work);
  ACE3D_LAUNCH(nothing_kernel, blocks, 0, stream, nearest, size);
  if (center_tiles != 0) {
    ACE3D_LAUNCH(nearest_kernel, tiles_of(shape.num_points) * center_tiles, 0, stream, points, centers, shape,
                 center_tiles, nearest);
  }
  ACE3D_LAUNCH(unpack_kernel, blocks, 0, stream, nearest, size, labels, distances);
}

}  // namespace ace3d
