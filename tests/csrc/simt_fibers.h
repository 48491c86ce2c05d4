// Where emulated threads stop and go on, and in which order they are taken: see simt.h.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <numeric>

#include "simt_races.h"

namespace simt {

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
  SIMT_UNWATCHED void leave_for(const Context& other) { swap(&at_, other.at_); }

 private:
  SIMT_UNWATCHED __attribute__((naked, noinline)) static void swap(void** /*save*/, void* /*load*/) {
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
  SIMT_UNWATCHED void leave_for(Context& other) { swapcontext(&context_, &other.context_); }

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

}  // namespace simt
