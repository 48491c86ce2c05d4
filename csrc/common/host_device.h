// Marks functions that kernels and host code share.
#pragma once

#if defined(__CUDACC__)
#define ACE3D_HOST_DEVICE __host__ __device__
#else
#define ACE3D_HOST_DEVICE
#endif
