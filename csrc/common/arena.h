// One block of memory, handed out in pieces of whole cache lines.
// For the files that are compiled once for each instruction set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

namespace ace3d::ACE3D_ISA {

inline int64_t round_up(int64_t size, int64_t unit) { return (size + unit - 1) / unit * unit; }

class Arena {
 public:
  template <class T>
  static int64_t bytes(int64_t size) {
    return round_up(size * static_cast<int64_t>(sizeof(T)), 64);
  }
  explicit Arena(int64_t size)
      : memory_(static_cast<char*>(operator new(static_cast<size_t>(size), kCacheLine))) {}
  ~Arena() { operator delete(memory_, kCacheLine); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  template <class T>
  T* take(int64_t size) {
    T* at = reinterpret_cast<T*>(memory_ + used_);
    used_ += bytes<T>(size);
    return at;
  }

 private:
  static constexpr std::align_val_t kCacheLine{64};
  char* memory_;
  int64_t used_ = 0;
};

}  // namespace ace3d::ACE3D_ISA
