// Launching and checking of CUDA kernels; the one place that names the CUDA runtime.
#pragma once

#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

namespace ace3d {

inline void check_cuda(cudaError_t error, const char* what) {
  if (error != cudaSuccess) throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
}

inline constexpr int kThreadsPerBlock = 256;

// Let launches of a kernel have so much dynamic shared memory: without this, 48 KB.
template <class Kernel>
void allow_shared(Kernel* kernel, int bytes) {
#if defined(__CUDACC__)
  check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes),
             "shared memory");
#else
  (void)kernel, (void)bytes;
#endif
}

}  // namespace ace3d

// Run KERNEL with so many blocks; errors of the launch itself are thrown. Compiled as C++
// (tests/csrc/simt.h), it runs on the CPU. In a kernel, ACE3D_DYNAMIC_SHARED names its SHARED_BYTES.
#if defined(__CUDACC__)
#define ACE3D_LAUNCH(KERNEL, BLOCKS, SHARED_BYTES, STREAM, ...)                      \
  do {                                                                               \
    KERNEL<<<static_cast<unsigned>(BLOCKS), ::ace3d::kThreadsPerBlock, SHARED_BYTES, \
             static_cast<cudaStream_t>(STREAM)>>>(__VA_ARGS__);                      \
    ::ace3d::check_cuda(cudaGetLastError(), #KERNEL);                                \
  } while (false)
#define ACE3D_DYNAMIC_SHARED(TYPE, NAME)                        \
  extern __shared__ __align__(16) unsigned char ace3d_shared[]; \
  TYPE* const NAME = reinterpret_cast<TYPE*>(ace3d_shared)
#else
#define ACE3D_LAUNCH(KERNEL, BLOCKS, SHARED_BYTES, STREAM, ...)                                  \
  ::simt::launch(static_cast<unsigned>(BLOCKS), ::ace3d::kThreadsPerBlock, (SHARED_BYTES), [&] { \
    (void)(STREAM);                                                                              \
    KERNEL(__VA_ARGS__);                                                                         \
  })
#define ACE3D_DYNAMIC_SHARED(TYPE, NAME) \
  TYPE* const NAME = static_cast<TYPE*>(::simt::Block::current().shared())
#endif
