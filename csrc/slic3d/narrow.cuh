// Which centres can win somewhere in a box, on the GPU: the question of narrow.h, in its very operations, a
// lane a centre.
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

// The centres of one resolution of one clip.
struct Centers {
  const float *rows, *windows;
  int64_t stride, channels;
  float weight[3], error;
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
  __device__ explicit Window(const float* window) {
    const float4 a = reinterpret_cast<const float4*>(window)[0],
                 b = reinterpret_cast<const float4*>(window)[1];
    const float values[6] = {a.x, a.y, a.z, a.w, b.x, b.y};
    for (int axis = 0; axis < 3; ++axis) {
      // Of a dead centre, or one that is not a number: nothing.
      begin[axis] = values[axis] >= 0 ? static_cast<int>(values[axis]) : 0;
      end[axis] = values[axis] >= 0 ? static_cast<int>(values[3 + axis]) : 0;
    }
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
  static __device__ Candidate of(const Centers& centers, int k, const Box<C>& box) {
    const Window window(centers.windows + 8 * static_cast<int64_t>(k));
    Candidate found{Center<C>(centers.rows + k * centers.stride), 0.0f, window.covers(box)};
    for (int axis = 0; axis < 3; ++axis) {
      const float d = found.center.at[axis] - box.middle(axis);
      found.cost = __fmaf_rn(d * d, centers.weight[axis], found.cost);
    }
    for (int64_t c = 0; kColors && c < (C == kDynamic ? centers.channels : C); ++c) {
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
  float best, scale, farthest, error;
  bool exists;

  __device__ Rival(const Centers& centers, int k, float cost, const Box<C>& box)
      : center(centers.rows + k * centers.stride),
        best(cost),
        error(centers.error),
        exists(cost < kUnreached) {
    float slack = 0.0f;
    for (int axis = 0; axis < 3; ++axis) slack = __fmaf_rn(centers.weight[axis] * box.half, box.half, slack);
    for (int64_t c = 0; kColors && c < (C == kDynamic ? centers.channels : C); ++c) {
      slack = __fmaf_rn(box.color_half[c], box.color_half[c], slack);
    }
    scale = (exists ? best : 0.0f) + slack;
    const float diagonal = sqrtf(best) + 2.0f * sqrtf(slack);
    farthest = exists ? 1.0001f * diagonal * diagonal + error : 0.5f * kUnreached;
  }

  __device__ bool leaves(const Centers& centers, const Candidate<C>& other, const Box<C>& box) const {
    if (!(other.cost <= farthest)) return false;
    if (!exists) return true;
    float bound = other.cost - best;
    for (int axis = 0; axis < 3; ++axis) {
      const float width = 2.0f * (centers.weight[axis] * box.half);
      bound -= width * fabsf(other.center.at[axis] - center.at[axis]);
    }
    for (int64_t c = 0; kColors && c < (C == kDynamic ? centers.channels : C); ++c) {
      bound -= 2.0f * box.color_half[c] * fabsf(other.center.colors[c] - center.colors[c]);
    }
    return bound <= __fmaf_rn(1e-5f, other.cost + scale, error);
  }
};

}  // namespace ace3d
