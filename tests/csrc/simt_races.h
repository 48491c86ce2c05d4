// What the thread sanitizer is told of emulated kernels: which threads of CUDA are ordered, and by what.
//
// Compiled with -fsanitize=thread, each thread of a kernel is a fiber of the sanitizer's. __syncthreads
// orders the threads of a block, __syncwarp the lanes of its mask, a launch all that comes before and after.
// Nothing else does: no shuffle, no vote, no atomic, nor the order in which the emulation happens to run
// them. So two accesses to one place that CUDA leaves unordered are reported, within a block and across
// blocks, unless both are atomic or neither writes. Fibers cost a millisecond each, so blocks share kCrews
// crews of them by turns: every third block of a launch passes for ordered. In other builds all of this is
// empty.
#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>

extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
void __tsan_java_init(uintptr_t begin, uintptr_t size);
void __tsan_java_alloc(uintptr_t at, uintptr_t size);
void __tsan_java_free(uintptr_t at, uintptr_t size);
extern char __bss_start __attribute__((visibility("hidden"))), _end __attribute__((visibility("hidden")));
}

// For what runs while the sanitizer is told of another fiber, and for reads of the emulation's state.
#define SIMT_UNWATCHED __attribute__((no_sanitize("thread"), noinline))

namespace simt {

inline constexpr size_t kCrews = 3;

// While it lives, what its thread reads and writes is the emulation's own.
class Unwatched {
 public:
  Unwatched() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~Unwatched() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
  Unwatched(const Unwatched&) = delete;
  Unwatched& operator=(const Unwatched&) = delete;
};

// A thread as the sanitizer knows it: a new one, or the running one.
class Strand {
 public:
  static Strand running() { return Strand(__tsan_get_current_fiber()); }
  Strand() : fiber_(__tsan_create_fiber(0)) {}
  SIMT_UNWATCHED void go_on() const { __tsan_switch_to_fiber(fiber_, __tsan_switch_to_fiber_no_sync); }

 private:
  explicit Strand(void* fiber) : fiber_(fiber) {}
  void* fiber_;
};

inline void give_order(void* place) { __tsan_release(place); }
inline void take_order(void* place) { __tsan_acquire(place); }

// Static variables, shared ones among them, as if nobody had touched them. The sanitizer forgets what a
// managed heap frees and gives out again.
inline void forget_statics() {
  const uintptr_t begin = reinterpret_cast<uintptr_t>(&__bss_start) / 8 * 8;
  const uintptr_t size = (reinterpret_cast<uintptr_t>(&_end) - begin) / 8 * 8;
  static const bool first = [&] {
    __tsan_java_init(begin, size);
    __tsan_java_alloc(begin, size);
    return true;
  }();
  (void)first;
  __tsan_java_free(begin, size);
  __tsan_java_alloc(begin, size);
}

}  // namespace simt
#else
#define SIMT_UNWATCHED

namespace simt {

inline constexpr size_t kCrews = 1;

struct Unwatched {
  Unwatched() {}  // not a variable that is never used
};

class Strand {
 public:
  static Strand running() { return {}; }
  void go_on() const {}
};

inline void give_order(void*) {}
inline void take_order(void*) {}
inline void forget_statics() {}

}  // namespace simt
#endif
