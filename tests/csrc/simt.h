// Runs CUDA kernels on the CPU: the same .cu files, compiled as C++ with this file as their <cuda_runtime.h>.
//
// Blocks run one after the other; the threads of a block are fibers that give way to each other at barriers
// and at warp-wide exchanges. A barrier that some thread never reaches ends the program with a message, and
// address and undefined-behaviour sanitizers see every access. It models neither memory ordering nor speed.
#pragma once

#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static  // blocks run one at a time

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};

namespace simt {

inline constexpr unsigned kWarp = 32;
enum class State { kReady, kAtBlock, kAtWarp, kDone };

struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack;
  State state = State::kReady;
  uint32_t mask = 0;   // lanes waited for
  uint64_t value = 0;  // what this lane gives to an exchange
};

class Block {
 public:
  static constexpr size_t kStackBytes = 256 << 10;
  dim3 thread, block, block_size, grid_size;

  void run(unsigned num_threads, const std::function<void()>& body) {
    body_ = &body;
    fibers_.resize(num_threads);
    for (unsigned i = 0; i < num_threads; ++i) {
      Fiber& fiber = fibers_[i];
      if (!fiber.stack) fiber.stack = std::make_unique<char[]>(kStackBytes);
      fiber.state = State::kReady;
      getcontext(&fiber.context);
      fiber.context.uc_stack.ss_sp = fiber.stack.get();
      fiber.context.uc_stack.ss_size = kStackBytes;
      fiber.context.uc_link = &scheduler_;
      makecontext(&fiber.context, &Block::enter, 0);
    }
    while (step()) {
    }
  }

  void sync_block() { wait(State::kAtBlock, 0); }
  void sync_warp(uint32_t mask) { wait(State::kAtWarp, mask); }

  // The values of all lanes of the mask; 0 for the others.
  void exchange(uint32_t mask, uint64_t value, uint64_t values[kWarp]) {
    const unsigned lane = thread.x % kWarp, first = thread.x - lane;
    if ((mask >> lane & 1) == 0) fail("a thread outside the mask of a warp-wide operation");
    fibers_[thread.x].value = value;
    sync_warp(mask);
    for (unsigned i = 0; i < kWarp; ++i) {
      const bool there = (mask >> i & 1) != 0 && first + i < fibers_.size();
      values[i] = there ? fibers_[first + i].value : 0;
    }
    sync_warp(mask);
  }

  static Block& current() {
    static Block block;
    return block;
  }

 private:
  static void enter() {
    Block& block = current();
    (*block.body_)();
    block.fibers_[block.running_].state = State::kDone;
  }

  void wait(State state, uint32_t mask) {
    Fiber& fiber = fibers_[running_];
    fiber.state = state;
    fiber.mask = mask;
    swapcontext(&fiber.context, &scheduler_);
  }

  bool step() {
    bool ran = false;
    for (running_ = 0; running_ < fibers_.size(); ++running_) {
      if (fibers_[running_].state != State::kReady) continue;
      ran = true;
      thread = {static_cast<unsigned>(running_), 0, 0};
      swapcontext(&scheduler_, &fibers_[running_].context);
    }
    if (release()) return true;
    const auto is_done = [](const Fiber& fiber) { return fiber.state == State::kDone; };
    if (std::all_of(fibers_.begin(), fibers_.end(), is_done)) return false;
    if (!ran) fail("a barrier that not all threads reach");
    return true;
  }

  bool release() {
    const auto waits = [](const Fiber& fiber) { return fiber.state == State::kAtBlock; };
    if (std::all_of(fibers_.begin(), fibers_.end(), waits)) {
      for (Fiber& fiber : fibers_) fiber.state = State::kReady;
      return true;
    }
    bool released = false;
    for (size_t first = 0; first < fibers_.size(); first += kWarp) {
      for (unsigned lane = 0; lane < kWarp && first + lane < fibers_.size(); ++lane) {
        if (fibers_[first + lane].state != State::kAtWarp) continue;
        const uint32_t mask = fibers_[first + lane].mask;
        bool all = true;
        for (unsigned i = 0; i < kWarp && first + i < fibers_.size(); ++i) {
          const Fiber& fiber = fibers_[first + i];
          if (mask >> i & 1) all &= fiber.state == State::kAtWarp && fiber.mask == mask;
        }
        if (!all) continue;
        for (unsigned i = 0; i < kWarp && first + i < fibers_.size(); ++i) {
          if (mask >> i & 1) fibers_[first + i].state = State::kReady;
        }
        released = true;
      }
    }
    return released;
  }

  [[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "simt: %s (block %u)\n", what, block.x);
    std::exit(3);
  }

  ucontext_t scheduler_;
  std::vector<Fiber> fibers_;
  size_t running_ = 0;
  const std::function<void()>* body_ = nullptr;
};

inline void launch(unsigned num_blocks, unsigned num_threads, const std::function<void()>& body) {
  Block& block = Block::current();
  block.block_size = {num_threads, 1, 1};
  block.grid_size = {num_blocks, 1, 1};
  for (unsigned i = 0; i < num_blocks; ++i) {
    block.block = {i, 0, 0};
    block.run(num_threads, body);
  }
}

template <class T>
uint64_t pack(T value) {
  static_assert(sizeof(T) <= 8);
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return bits;
}

template <class T>
T unpack(uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

template <class T>
T value_of_lane(uint32_t mask, T value, unsigned lane) {
  uint64_t values[kWarp];
  Block::current().exchange(mask, pack(value), values);
  return unpack<T>(values[lane % kWarp]);
}

}  // namespace simt

#define threadIdx (::simt::Block::current().thread)
#define blockIdx (::simt::Block::current().block)
#define blockDim (::simt::Block::current().block_size)
#define gridDim (::simt::Block::current().grid_size)

inline void __syncthreads() { simt::Block::current().sync_block(); }
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

template <class T>
T atomicAdd(T* at, T value) {
  const T before = *at;
  *at = before + value;
  return before;
}
template <class T>
T atomicMax(T* at, T value) {
  const T before = *at;
  *at = std::max(before, value);
  return before;
}
template <class T>
T atomicMin(T* at, T value) {
  const T before = *at;
  *at = std::min(before, value);
  return before;
}
template <class T>
T atomicExch(T* at, T value) {
  const T before = *at;
  *at = value;
  return before;
}
template <class T>
T atomicCAS(T* at, T expected, T value) {
  const T before = *at;
  if (before == expected) *at = value;
  return before;
}
template <class T>
T atomicOr(T* at, T value) {
  const T before = *at;
  *at = before | value;
  return before;
}
inline int __popc(uint32_t bits) { return __builtin_popcount(bits); }
inline int __clz(int bits) { return bits == 0 ? 32 : __builtin_clz(static_cast<unsigned>(bits)); }
inline int __ffs(int bits) { return __builtin_ffs(bits); }
inline int32_t __float_as_int(float value) { return simt::unpack<int32_t>(simt::pack(value)); }

// --- what launchers ask of the runtime ---

using cudaError_t = int;
using cudaStream_t = void*;
inline constexpr cudaError_t cudaSuccess = 0;
inline const char* cudaGetErrorString(cudaError_t) { return "no error"; }
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
inline cudaError_t cudaMemsetAsync(void* at, int value, size_t bytes, cudaStream_t) {
  std::memset(at, value, bytes);
  return cudaSuccess;
}
