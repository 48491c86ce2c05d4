// What kernels call, on the CPU: see simt.h. Names and meaning are those of the CUDA C++ Programming Guide.
#pragma once

#include "simt.h"

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)
#define __shared__ static  // blocks run one at a time

#define threadIdx (::simt::Block::thread_index())
#define blockIdx (::simt::Block::block_index())
#define blockDim (::simt::Block::block_dim())
#define gridDim (::simt::Block::grid_dim())

inline void __syncthreads() { simt::Block::current().sync_block(); }
inline int __syncthreads_count(int predicate) { return simt::Block::current().count(predicate); }
inline int __syncthreads_or(int predicate) { return __syncthreads_count(predicate) != 0; }
inline int __syncthreads_and(int predicate) {
  return __syncthreads_count(predicate) == static_cast<int>(blockDim.x);
}
inline void __syncwarp(uint32_t mask = ~0u) { simt::Block::current().sync_warp(mask); }

template <class T>
T __shfl_sync(uint32_t mask, T value, int lane) {
  return simt::value_of_lane(mask, value, static_cast<unsigned>(lane));
}
template <class T>
T __shfl_down_sync(uint32_t mask, T value, unsigned delta) {
  const unsigned lane = threadIdx.x % simt::kWarp;
  return simt::value_of_lane(mask, value, lane + delta < simt::kWarp ? lane + delta : lane);
}
template <class T>
T __shfl_up_sync(uint32_t mask, T value, unsigned delta) {
  const unsigned lane = threadIdx.x % simt::kWarp;
  return simt::value_of_lane(mask, value, lane >= delta ? lane - delta : lane);
}
template <class T>
T __shfl_xor_sync(uint32_t mask, T value, int bits) {
  return simt::value_of_lane(mask, value, threadIdx.x % simt::kWarp ^ static_cast<unsigned>(bits));
}
inline uint32_t __ballot_sync(uint32_t mask, int predicate) {
  uint64_t values[simt::kWarp];
  simt::Block::current().exchange(mask, predicate != 0, values);
  uint32_t bits = 0;
  for (unsigned i = 0; i < simt::kWarp; ++i) bits |= static_cast<uint32_t>(values[i]) << i;
  return bits;
}
template <class T>
uint32_t __match_any_sync(uint32_t mask, T value) {
  uint64_t values[simt::kWarp];
  simt::Block::current().exchange(mask, simt::pack(value), values);
  uint32_t bits = 0;
  for (unsigned i = 0; i < simt::kWarp; ++i) {
    bits |= static_cast<uint32_t>((mask >> i & 1) != 0 && values[i] == simt::pack(value)) << i;
  }
  return bits;
}

// Of the lanes of the mask, joined two at a time in their order.
template <class T, class Join>
T reduce_lanes(uint32_t mask, T value, const Join& join) {
  uint64_t values[simt::kWarp];
  simt::Block::current().exchange(mask, simt::pack(value), values);
  unsigned first = 0;
  while ((mask >> first & 1) == 0) ++first;
  T result = simt::unpack<T>(values[first]);
  for (unsigned i = first + 1; i < simt::kWarp; ++i) {
    if (mask >> i & 1) result = join(result, simt::unpack<T>(values[i]));
  }
  return result;
}
template <class T>
T __reduce_add_sync(uint32_t mask, T value) {
  static_assert(sizeof(T) == 4 && std::is_integral_v<T>);
  return reduce_lanes(mask, value, [](T a, T b) { return static_cast<T>(uint32_t(a) + uint32_t(b)); });
}
template <class T>
T __reduce_min_sync(uint32_t mask, T value) {
  static_assert(sizeof(T) == 4 && std::is_integral_v<T>);
  return reduce_lanes(mask, value, [](T a, T b) { return std::min(a, b); });
}
template <class T>
T __reduce_max_sync(uint32_t mask, T value) {
  static_assert(sizeof(T) == 4 && std::is_integral_v<T>);
  return reduce_lanes(mask, value, [](T a, T b) { return std::max(a, b); });
}
inline uint32_t __reduce_or_sync(uint32_t mask, uint32_t value) {
  return reduce_lanes(mask, value, [](uint32_t a, uint32_t b) { return a | b; });
}
inline uint32_t __reduce_and_sync(uint32_t mask, uint32_t value) {
  return reduce_lanes(mask, value, [](uint32_t a, uint32_t b) { return a & b; });
}
inline int __any_sync(uint32_t mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(uint32_t mask, int predicate) { return __ballot_sync(mask, predicate) == mask; }

// One thread runs at a time, and gives way at barriers alone, so nobody comes between the two.
template <class T, class Step>
T step_at(T* at, const Step& step) {
  T before;
  __atomic_load(at, &before, __ATOMIC_RELAXED);
  T after = step(before);
  __atomic_store(at, &after, __ATOMIC_RELAXED);
  return before;
}
template <class T>
T atomicAdd(T* at, T value) {
  return step_at(at, [&](T before) {
    if constexpr (std::is_integral_v<T>) {
      using Bits = std::make_unsigned_t<T>;  // wraps around
      return static_cast<T>(static_cast<Bits>(before) + static_cast<Bits>(value));
    } else {
      return before + value;
    }
  });
}
template <class T>
T atomicMax(T* at, T value) {
  return step_at(at, [&](T before) { return std::max(before, value); });
}
template <class T>
T atomicMin(T* at, T value) {
  return step_at(at, [&](T before) { return std::min(before, value); });
}
template <class T>
T atomicOr(T* at, T value) {
  return step_at(at, [&](T before) { return before | value; });
}
template <class T>
T atomicAnd(T* at, T value) {
  return step_at(at, [&](T before) { return before & value; });
}
template <class T>
T atomicExch(T* at, T value) {
  return step_at(at, [&](T) { return value; });
}
template <class T>
T atomicCAS(T* at, T expected, T value) {
  return step_at(at, [&](T before) { return before == expected ? value : before; });
}
inline void __threadfence() {}
inline void __threadfence_block() {}
template <class T>
T __ldg(const T* at) {
  return *at;
}

inline int __popc(uint32_t bits) { return __builtin_popcount(bits); }
inline int __popcll(uint64_t bits) { return __builtin_popcountll(bits); }
inline int __ffs(int bits) { return __builtin_ffs(bits); }
inline int __ffsll(long long bits) { return __builtin_ffsll(bits); }
inline int __clz(int bits) { return bits == 0 ? 32 : __builtin_clz(static_cast<unsigned>(bits)); }
inline int __clzll(long long bits) {
  return bits == 0 ? 64 : __builtin_clzll(static_cast<unsigned long long>(bits));
}
inline long long __double_as_longlong(double value) { return simt::unpack<long long>(simt::pack(value)); }
inline double __longlong_as_double(long long bits) { return simt::unpack<double>(simt::pack(bits)); }
inline int32_t __float_as_int(float value) { return simt::unpack<int32_t>(simt::pack(value)); }
inline float __int_as_float(int32_t bits) { return simt::unpack<float>(simt::pack(bits)); }
inline float __fmaf_rn(float a, float b, float c) { return std::fmaf(a, b, c); }
inline int __float2int_rn(float value) { return static_cast<int>(std::nearbyintf(value)); }
inline int __float2int_rz(float value) { return static_cast<int>(value); }

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(4) uchar4 {
  unsigned char x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
