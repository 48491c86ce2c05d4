// Launching and checking of CUDA kernels; the one place that names the CUDA runtime.
#pragma once

#include <cuda_runtime.h>

#include <climits>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace ace3d {

inline void check_cuda(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
}

inline constexpr int kThreadsPerBlock = 256;

// Blocks of a launch, of which CUDA takes no more, and no fewer than one.
inline unsigned num_blocks(int64_t wanted, const char* what) {
  if (wanted < 1 || wanted > INT_MAX) {
    throw std::runtime_error(std::string(what) + ": expected 1 to 2147483647 blocks of threads, got " +
                             std::to_string(wanted));
  }
  return static_cast<unsigned>(wanted);
}

inline constexpr int kSharedUnasked = 48 << 10;

// Let launches of a kernel have so much dynamic shared memory: without this, kSharedUnasked bytes.
template <class Kernel>
void allow_shared(Kernel* kernel, int bytes) {
#if defined(__CUDACC__)
  check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes),
             "shared memory");
#else
  ::simt::allow_shared(reinterpret_cast<const void*>(kernel), static_cast<size_t>(bytes));
#endif
}

}  // namespace ace3d

// Run KERNEL with so many blocks; errors of the launch itself are thrown. Compiled as C++
// (tests/csrc/simt.h), it runs on the CPU. In a kernel, ACE3D_DYNAMIC_SHARED names its SHARED_BYTES.
#if defined(__CUDACC__)
#define ACE3D_LAUNCH(KERNEL, BLOCKS, SHARED_BYTES, STREAM, ...)                             \
  do {                                                                                      \
    KERNEL<<<::ace3d::num_blocks(BLOCKS, #KERNEL), ::ace3d::kThreadsPerBlock, SHARED_BYTES, \
             static_cast<cudaStream_t>(STREAM)>>>(__VA_ARGS__);                             \
    ::ace3d::check_cuda(cudaGetLastError(), #KERNEL);                                       \
  } while (false)
#define ACE3D_DYNAMIC_SHARED(TYPE, NAME)                        \
  extern __shared__ __align__(16) unsigned char ace3d_shared[]; \
  TYPE* const NAME = reinterpret_cast<TYPE*>(ace3d_shared)
#else
#define ACE3D_LAUNCH(KERNEL, BLOCKS, SHARED_BYTES, STREAM, ...)                                  \
  ::simt::launch(reinterpret_cast<const void*>(&(KERNEL)), ::ace3d::num_blocks(BLOCKS, #KERNEL), \
                 ::ace3d::kThreadsPerBlock, (SHARED_BYTES), [&] {                                \
                   (void)(STREAM);                                                               \
                   KERNEL(__VA_ARGS__);                                                          \
                 })
#define ACE3D_DYNAMIC_SHARED(TYPE, NAME) \
  TYPE* const NAME = static_cast<TYPE*>(::simt::Block::current().shared())
#endif
