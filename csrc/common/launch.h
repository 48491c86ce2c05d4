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

}  // namespace ace3d

// Run KERNEL with one block per row of work; errors of the launch itself are thrown.
#define ACE3D_LAUNCH(KERNEL, BLOCKS, SHARED_BYTES, STREAM, ...)                      \
  do {                                                                               \
    KERNEL<<<static_cast<unsigned>(BLOCKS), ::ace3d::kThreadsPerBlock, SHARED_BYTES, \
             static_cast<cudaStream_t>(STREAM)>>>(__VA_ARGS__);                      \
    ::ace3d::check_cuda(cudaGetLastError(), #KERNEL);                                \
  } while (false)
