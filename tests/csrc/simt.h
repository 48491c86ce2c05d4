// Runs CUDA kernels on the CPU: the same .cu files, compiled as C++ with this file as their <cuda_runtime.h>.
//
// Blocks run one after the other; the threads of a block are fibers that give way to each other at barriers
// and at warp-wide exchanges. Which block or thread is next is drawn from ACE3D_SIMT_SEED (as they are
// numbered where that is 0 or not set), so that what hangs on an order shows. A barrier that some thread
// never reaches ends the program with a message, and address and undefined-behaviour sanitizers see every
// access. It models neither memory ordering nor speed. Here are blocks and fibers; simt_intrinsics.h holds
// what kernels call.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#include <algorithm>
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

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};

namespace simt {

inline constexpr unsigned kWarp = 32;
inline constexpr size_t kSharedUnasked = 48 << 10;
inline constexpr size_t kMostShared = 99 << 10;  // of a block on sm_120, the least of all architectures
enum class State { kReady, kAtBlock, kAtWarp, kDone };

// Where a fiber, or the scheduler, goes on. On x86-64 a switch saves what a call preserves and no more:
// swapcontext asks the system for its signal mask each time, and the address sanitizer clears the stack.
class Context {
 public:
#if defined(__x86_64__)
  void start(char* stack, size_t size, void (*body)(), Context*) {
    const auto top = (reinterpret_cast<uintptr_t>(stack) + size) & ~uintptr_t{15};
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(reinterpret_cast<void*>(top - 1024), 1024);  // of a body that ended here
#endif
    auto* at = reinterpret_cast<uint64_t*>(top);
    *--at = 0;
    *--at = reinterpret_cast<uint64_t>(body);
    for (int i = 0; i < 6; ++i) *--at = 0;
    at_ = at;
  }
  void leave_for(const Context& other) { swap(&at_, other.at_); }

 private:
  __attribute__((naked, noinline)) static void swap(void** /*save*/, void* /*load*/) {
    __asm__(
        "pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15\n"
        "movq %rsp, (%rdi); movq %rsi, %rsp\n"
        "popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp\n"
        "ret");
  }
  void* at_ = nullptr;
#else
  void start(char* stack, size_t size, void (*body)(), Context* after) {
    getcontext(&context_);
    context_.uc_stack.ss_sp = stack;
    context_.uc_stack.ss_size = size;
    context_.uc_link = &after->context_;
    makecontext(&context_, body, 0);
  }
  void leave_for(Context& other) { swapcontext(&context_, &other.context_); }

 private:
  ucontext_t context_;
#endif
};

// The numbers below `size`, each once: from a random one on, in steps that share no factor with `size`.
class Order {
 public:
  explicit Order(uint64_t size) : size_(size) {
    if (state() == 0 || size < 2) return;
    first_ = draw() % size;
    do {
      step_ = draw() % size;
    } while (std::gcd(step_, size) != 1);
  }
  uint64_t operator[](uint64_t i) const { return (first_ + i * step_) % size_; }

 private:
  static uint64_t& state() {
    static uint64_t seed = [] {
      const char* given = std::getenv("ACE3D_SIMT_SEED");
      return given == nullptr ? uint64_t{0} : std::strtoull(given, nullptr, 10);
    }();
    return seed;
  }
  static uint64_t draw() {
    state() = state() * 6364136223846793005u + 1442695040888963407u;
    return state() >> 33;
  }
  uint64_t size_, first_ = 0, step_ = 1;
};

struct Fiber {
  Context context;
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
      fiber.context.start(fiber.stack.get(), kStackBytes, &Block::enter, &scheduler_);
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

  [[noreturn]] static void fail_launch(const char* what) {
    std::fprintf(stderr, "simt: %s\n", what);
    std::exit(3);
  }

  // The dynamic shared memory of a launch: exactly as large as asked for. Its content is not that of CUDA,
  // which is undefined, but a pattern that no kernel can take for zeros.
  void* shared() const { return shared_.get(); }
  void reserve_shared(size_t bytes) {
    shared_.reset(bytes == 0 ? nullptr : new char[bytes]);
    if (bytes != 0) std::memset(shared_.get(), 0xa5, bytes);
  }

 private:
  static void enter() {
    Block& block = current();
    (*block.body_)();
    Fiber& fiber = block.fibers_[block.running_];
    fiber.state = State::kDone;
    fiber.context.leave_for(block.scheduler_);
  }

  void wait(State state, uint32_t mask) {
    Fiber& fiber = fibers_[running_];
    fiber.state = state;
    fiber.mask = mask;
    fiber.context.leave_for(scheduler_);
  }

  bool step() {
    bool ran = false;
    const Order order(fibers_.size());
    for (size_t i = 0; i < fibers_.size(); ++i) {
      running_ = order[i];
      if (fibers_[running_].state != State::kReady) continue;
      ran = true;
      thread = {static_cast<unsigned>(running_), 0, 0};
      scheduler_.leave_for(fibers_[running_].context);
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

  Context scheduler_;
  std::vector<Fiber> fibers_;
  size_t running_ = 0;
  const std::function<void()>* body_ = nullptr;
  std::unique_ptr<char[]> shared_;
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
  Block& block = Block::current();
  block.reserve_shared(shared_bytes);
  block.block_size = {num_threads, 1, 1};
  block.grid_size = {num_blocks, 1, 1};
  const Order order(num_blocks);
  for (unsigned i = 0; i < num_blocks; ++i) {
    block.block = {static_cast<unsigned>(order[i]), 0, 0};
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
