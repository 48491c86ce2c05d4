// Which centres can win somewhere in a box, on the GPU: the question of narrow.h, a lane a centre. Costs and
// their scale are the CPU's, bit for bit. The choice need not be: whoever is left out loses everywhere by
// more than rounding, and by more than a tie.
#pragma once

#include "slic3d/task.cuh"

namespace ace3d {

// A value a channel: in registers where the channels are known, else in memory.
template <int C>
struct Values {
  float held[C];
  __device__ explicit Values(const float* from) {
    for (int c = 0; c < C; ++c) held[c] = from[c];
  }
  __device__ float operator[](int64_t c) const { return held[c]; }
};
template <>
struct Values<kDynamic> {
  const float* from;
  __device__ explicit Values(const float* at) : from(at) {}
  __device__ float operator[](int64_t c) const { return from[c]; }
};

template <int C>
struct Box {
  int first[3], last[3];  // voxels inside the volume
  float half;             // of a side, in voxels
  Values<C> color_middle, color_half;
  __device__ float middle(int axis) const { return static_cast<float>(first[axis]) + half; }
};

template <int C>
__device__ Box<C> box_at(const SlicTask& task, const int first[3], int side, const float* color_middle,
                         const float* color_half) {
  Box<C> box{{first[0], first[1], first[2]},
             {},
             static_cast<float>(side - 1) / 2,
             Values<C>(color_middle),
             Values<C>(color_half)};
  for (int axis = 0; axis < 3; ++axis) {
    const int inside = task.size(axis) - 1, end = first[axis] + side - 1;
    box.last[axis] = end < inside ? end : inside;
  }
  return box;
}

// The centres of one resolution of one clip: in the task, from `first` on.
template <int C>
struct Centers {
  const SlicTask& task;
  uint32_t first;
  float weight[3], error;
  __device__ int64_t channels() const { return C == kDynamic ? task.channels : C; }
  __device__ const float* row(int k) const {
    return task.rows + static_cast<uint64_t>(first + static_cast<uint32_t>(k)) * row_floats_of(channels());
  }
  __device__ const int4* window(int k) const {
    return task.windows + static_cast<uint64_t>(first + static_cast<uint32_t>(k)) * 2;
  }
  __device__ Word* sums(int k) const {
    return task.sums + static_cast<uint64_t>(first + static_cast<uint32_t>(k)) * sums_stride_of(channels());
  }
};

template <int C>
struct Center {
  float at[3];
  Values<C> colors;
  __device__ explicit Center(const float* row) : at{}, colors(row + 4) {
    const float4 quad = *reinterpret_cast<const float4*>(row);
    at[0] = quad.y, at[1] = quad.z, at[2] = quad.w;
  }
};

struct Window {
  int begin[3], end[3];
  __device__ explicit Window(const int4* window) {
    const int4 a = window[0], b = window[1];
    begin[0] = a.x, begin[1] = a.y, begin[2] = a.z, end[0] = a.w, end[1] = b.x, end[2] = b.y;
  }
  template <int C>
  __device__ bool touches(const Box<C>& box) const {
    bool all = true;
    for (int axis = 0; axis < 3; ++axis) all &= begin[axis] <= box.last[axis] && box.first[axis] < end[axis];
    return all;
  }
  template <int C>
  __device__ bool covers(const Box<C>& box) const {
    bool all = true;
    for (int axis = 0; axis < 3; ++axis) all &= begin[axis] <= box.first[axis] && box.last[axis] < end[axis];
    return all;
  }
};

// What one lane knows of a centre.
template <int C>
struct Candidate {
  Center<C> center;
  float cost;  // in the middle of the box; kUnreached where it reaches no voxel of it
  bool covers;

  template <bool kColors>
  static __device__ Candidate of(const Centers<C>& centers, int k, const Box<C>& box) {
    const Window window(centers.window(k));
    Candidate found{Center<C>(centers.row(k)), 0.0f, window.covers(box)};
    for (int axis = 0; axis < 3; ++axis) {
      const float d = found.center.at[axis] - box.middle(axis);
      found.cost = __fmaf_rn(d * d, centers.weight[axis], found.cost);
    }
    for (int64_t c = 0; kColors && c < centers.channels(); ++c) {
      const float d = found.center.colors[c] - box.color_middle[c];
      found.cost = __fmaf_rn(d, d, found.cost);
    }
    if (!window.touches(box)) found.cost = kUnreached;
    return found;
  }
  // What it has to be the nearest by: ordered as the costs are.
  __device__ int rank() const { return __float_as_int(covers && cost < kUnreached ? cost : kUnreached); }
};

// The nearest centre that reaches all of the box, and what it leaves to the others.
template <int C, bool kColors>
struct Rival {
  Center<C> center;
  float best, scale, error;
  bool exists;

  __device__ Rival(const Centers<C>& centers, int k, float cost, const Box<C>& box)
      : center(centers.row(k)), best(cost), error(centers.error), exists(cost < kUnreached) {
    float slack = 0.0f;
    for (int axis = 0; axis < 3; ++axis) {
      slack = __fmaf_rn(centers.weight[axis] * box.half, box.half, slack);
    }
    for (int64_t c = 0; kColors && c < centers.channels(); ++c) {
      slack = __fmaf_rn(box.color_half[c], box.color_half[c], slack);
    }
    scale = (exists ? best : 0.0f) + slack;
  }

  // Without a rival, all that touch the box.
  __device__ bool leaves(const Centers<C>& centers, const Candidate<C>& other, const Box<C>& box) const {
    if (!exists || !(other.cost < kUnreached)) return other.cost < kUnreached;
    float bound = other.cost - best;
    for (int axis = 0; axis < 3; ++axis) {
      const float width = 2.0f * (centers.weight[axis] * box.half);
      bound = __fmaf_rn(-width, fabsf(other.center.at[axis] - center.at[axis]), bound);
    }
    for (int64_t c = 0; kColors && c < centers.channels(); ++c) {
      const float apart = fabsf(other.center.colors[c] - center.colors[c]);
      bound = __fmaf_rn(-2.0f * box.color_half[c], apart, bound);
    }
    return bound <= __fmaf_rn(1e-5f, other.cost + scale, error);
  }
};

// Which voxels of the brick at `first` a centre reaches, a bit each.
__device__ inline uint64_t reached_voxels(const Window& window, const int first[3]) {
  unsigned set[3];
  for (int axis = 0; axis < 3; ++axis) {
    const int begin = window.begin[axis] - first[axis], end = window.end[axis] - first[axis];
    const unsigned after = begin <= 0 ? 15u : begin < 4 ? 15u << begin & 15u : 0u;
    const unsigned before = end >= 4 ? 15u : end > 0 ? (1u << end) - 1u : 0u;
    set[axis] = after & before;
  }
  const unsigned t = set[0], y = set[1];
  const unsigned rows = (y & 1) * 0xf | (y >> 1 & 1) * 0xf0 | (y >> 2 & 1) * 0xf00 | (y >> 3 & 1) * 0xf000;
  const unsigned plane = rows & set[2] * 0x1111u;
  return (t & 1 ? uint64_t{plane} : 0) | (t & 2 ? uint64_t{plane} << 16 : 0) |
         (t & 4 ? uint64_t{plane} << 32 : 0) | (t & 8 ? uint64_t{plane} << 48 : 0);
}

}  // namespace ace3d
