// Runs CUDA kernels on the CPU: the same .cu files, compiled as C++ with this file as their <cuda_runtime.h>.
//
// Blocks run one after the other; the threads of a block are fibers that give way to each other at barriers
// and at warp-wide exchanges. Which block or thread is next is drawn from ACE3D_SIMT_SEED (as they are
// numbered where that is 0 or not set), so that what hangs on an order shows. A barrier that some thread
// never reaches ends the program with a message, and address and undefined-behaviour sanitizers see every
// access; the thread sanitizer sees those that CUDA leaves unordered (simt_races.h). It does not model speed.
// Here are blocks and fibers; simt_intrinsics.h holds what kernels call.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <vector>

#include "simt_fibers.h"
#include "simt_races.h"

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};

namespace simt {

inline constexpr unsigned kWarp = 32;
inline constexpr size_t kSharedUnasked = 48 << 10;
inline constexpr size_t kMostShared = 99 << 10;  // of a block on sm_120, the least of all architectures
enum class State { kReady, kAtBlock, kAtWarp, kDone };

struct Fiber {
  static constexpr size_t kStackBytes = 256 << 10;
  Context context;
  std::unique_ptr<char[]> stack = std::make_unique<char[]>(kStackBytes);
  Strand strand;
  State state = State::kReady;
  uint32_t mask = 0;    // lanes waited for
  bool orders = false;  // what they did before comes before what they do next
  uint64_t value = 0;   // what this lane gives to an exchange
};

// The threads of a block, and by which the sanitizer knows a barrier of all or of a warp.
struct Crew {
  std::vector<Fiber> fibers;
  std::vector<uint64_t> places;
};

class Block {
 public:
  // Not references: what a kernel reads of them is not its own.
  SIMT_UNWATCHED static dim3 thread_index() { return current().thread_; }
  SIMT_UNWATCHED static dim3 block_index() { return current().block_; }
  SIMT_UNWATCHED static dim3 block_dim() { return current().block_size_; }
  SIMT_UNWATCHED static dim3 grid_dim() { return current().grid_size_; }

  // Runs `body` in each thread of each block; `shared_bytes` of dynamic shared memory, exactly as many. Their
  // content is not that of CUDA, which is undefined, but a pattern that no kernel can take for zeros.
  void launch(unsigned num_blocks, unsigned num_threads, size_t shared_bytes,
              const std::function<void()>& body) {
    const Unwatched own;
    body_ = &body;
    block_size_ = {num_threads, 1, 1};
    grid_size_ = {num_blocks, 1, 1};
    give_order(launch_begins_.get());
    const Order order(num_blocks);
    for (unsigned i = 0; i < num_blocks; ++i) {
      block_ = {static_cast<unsigned>(order[i]), 0, 0};
      shared_.reset(shared_bytes == 0 ? nullptr : new char[shared_bytes]);
      if (shared_bytes != 0) std::memset(shared_.get(), 0xa5, shared_bytes);
      crew_ = &crews_[i % kCrews];
      run(num_threads);
    }
    take_order(launch_ends_.get());
  }

  void sync_block() { wait(State::kAtBlock, 0, true); }
  void sync_warp(uint32_t mask) { wait(State::kAtWarp, mask, true); }

  // How many threads of the block give one that is not 0.
  int count(int predicate) {
    const Unwatched own;
    fibers()[running_].value = predicate != 0;
    sync_block();
    const auto sum = [](uint64_t before, const Fiber& fiber) { return before + fiber.value; };
    const auto result = std::accumulate(fibers().begin(), fibers().end(), uint64_t{0}, sum);
    sync_block();  // before another call changes them
    return static_cast<int>(result);
  }

  // The values of all lanes of the mask; 0 for the others.
  void exchange(uint32_t mask, uint64_t value, uint64_t values[kWarp]) {
    const Unwatched own;
    const size_t self = running_, first = self / kWarp * kWarp;
    if ((mask >> (self - first) & 1) == 0) fail("a thread outside the mask of a warp-wide operation");
    fibers()[self].value = value;
    wait(State::kAtWarp, mask, false);
    for (unsigned i = 0; i < kWarp; ++i) {
      const bool there = (mask >> i & 1) != 0 && first + i < fibers().size();
      values[i] = there ? fibers()[first + i].value : 0;
    }
    wait(State::kAtWarp, mask, false);
  }

  SIMT_UNWATCHED static Block& current() {
    static Block block;
    return block;
  }

  [[noreturn]] static void fail_launch(const char* what) {
    std::fprintf(stderr, "simt: %s\n", what);
    std::exit(3);
  }

  SIMT_UNWATCHED void* shared() const { return shared_.get(); }

 private:
  void run(unsigned num_threads) {
    forget_statics();
    fibers().resize(num_threads);
    crew_->places.resize(1 + num_threads / kWarp + 1);
    for (Fiber& fiber : fibers()) {
      fiber.state = State::kReady;
      fiber.context.start(fiber.stack.get(), Fiber::kStackBytes, &Block::enter, &scheduler_);
    }
    while (step()) {
    }
  }

  std::vector<Fiber>& fibers() { return crew_->fibers; }

  SIMT_UNWATCHED static void enter() {
    Block& block = current();
    take_order(block.launch_begins_.get());
    (*block.body_)();
    give_order(block.launch_ends_.get());
    Fiber& fiber = block.fibers()[block.running_];
    fiber.state = State::kDone;
    block.leave(fiber);
  }

  SIMT_UNWATCHED void leave(Fiber& fiber) {
    scheduler_strand_.go_on();
    fiber.context.leave_for(scheduler_);
  }

  void wait(State state, uint32_t mask, bool orders) {
    const Unwatched own;
    Fiber& fiber = fibers()[running_];
    fiber.state = state;
    fiber.mask = mask;
    fiber.orders = orders;
    leave(fiber);
  }

  SIMT_UNWATCHED void resume(Fiber& fiber) {
    fiber.strand.go_on();
    scheduler_.leave_for(fiber.context);
  }

  bool step() {
    bool ran = false;
    const Order order(fibers().size());
    for (size_t i = 0; i < fibers().size(); ++i) {
      running_ = order[i];
      if (fibers()[running_].state != State::kReady) continue;
      ran = true;
      thread_ = {static_cast<unsigned>(running_), 0, 0};
      resume(fibers()[running_]);
    }
    if (release()) return true;
    const auto is_done = [](const Fiber& fiber) { return fiber.state == State::kDone; };
    if (std::all_of(fibers().begin(), fibers().end(), is_done)) return false;
    if (!ran) fail("a barrier that not all threads reach");
    return true;
  }

  bool release() {
    const auto waits = [](const Fiber& fiber) { return fiber.state == State::kAtBlock; };
    if (std::all_of(fibers().begin(), fibers().end(), waits)) {
      let_go(0, fibers().size(), &crew_->places[0], [](size_t) { return true; });
      return true;
    }
    bool released = false;
    for (size_t first = 0; first < fibers().size(); first += kWarp) {
      const size_t end = std::min<size_t>(first + kWarp, fibers().size());
      for (size_t at = first; at < end; ++at) {
        if (fibers()[at].state != State::kAtWarp) continue;
        const uint32_t mask = fibers()[at].mask;
        const auto is_of_mask = [&](size_t i) { return (mask >> (i - first) & 1) != 0; };
        bool all = true;
        for (size_t i = first; i < end; ++i) {
          const Fiber& fiber = fibers()[i];
          if (is_of_mask(i)) all &= fiber.state == State::kAtWarp && fiber.mask == mask;
        }
        if (!all) continue;
        let_go(first, end, &crew_->places[1 + first / kWarp], is_of_mask);
        released = true;
      }
    }
    return released;
  }

  // The fibers of [first, end) that are `taken` go on, in order where that is what they waited for.
  template <class Taken>
  SIMT_UNWATCHED void let_go(size_t first, size_t end, void* place, const Taken& taken) {
    for (void (*tell)(void*) : {give_order, take_order}) {
      for (size_t i = first; kCrews > 1 && i < end; ++i) {
        if (!taken(i) || !fibers()[i].orders) continue;
        fibers()[i].strand.go_on();
        tell(place);
      }
    }
    scheduler_strand_.go_on();
    for (size_t i = first; i < end; ++i) {
      if (taken(i)) fibers()[i].state = State::kReady;
    }
  }

  [[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "simt: %s (block %u)\n", what, block_.x);
    std::exit(3);
  }

  dim3 thread_, block_, block_size_, grid_size_;
  Context scheduler_;
  Strand scheduler_strand_ = Strand::running();
  std::array<Crew, kCrews> crews_;
  Crew* crew_ = nullptr;
  size_t running_ = 0;
  const std::function<void()>* body_ = nullptr;
  std::unique_ptr<char[]> shared_;
  // By which the sanitizer knows where launches begin and end; on the heap, because of forget_statics.
  std::unique_ptr<uint64_t> launch_begins_ = std::make_unique<uint64_t>();
  std::unique_ptr<uint64_t> launch_ends_ = std::make_unique<uint64_t>();
};

// Dynamic shared memory that launches of a kernel may have: without asking, as much as everywhere.
inline std::map<const void*, size_t>& allowed_shared() {
  static std::map<const void*, size_t> bytes;
  return bytes;
}
inline void allow_shared(const void* kernel, size_t bytes) {
  if (bytes > kMostShared) Block::fail_launch("more shared memory than a block can have");
  allowed_shared()[kernel] = bytes;
}

inline void launch(const void* kernel, unsigned num_blocks, unsigned num_threads, size_t shared_bytes,
                   const std::function<void()>& body) {
  const auto allowed = allowed_shared().find(kernel);
  if (shared_bytes > (allowed == allowed_shared().end() ? kSharedUnasked : allowed->second)) {
    Block::fail_launch("more shared memory than the kernel was allowed");
  }
  Block::current().launch(num_blocks, num_threads, shared_bytes, body);
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
