// Where the CUDA registration files run: the device and the stream of a tensor, and the library they fill.
//
// With ACE3D_EMULATED the same ops are registered for CPU tensors, in a namespace of their own, over kernels
// that run on the CPU (tests/csrc/emulated_library.py).
#pragma once

#include <torch/csrc/stable/accelerator.h>

#include "common/tensors.h"
#include "common/torch_stream.h"

namespace ace3d {

// The device of a tensor is the current one while this lives; `stream` is torch's current stream there.
class OnDevice {
 public:
#if defined(ACE3D_EMULATED)
  explicit OnDevice(const Tensor&) {}
#else
  explicit OnDevice(const Tensor& tensor) : guard_(tensor.get_device_index()) {
    STD_TORCH_CHECK(torch_stream() != nullptr, "this torch was built without CUDA");
    TORCH_ERROR_CODE_CHECK(torch_stream()(tensor.get_device_index(), &stream_));
  }
#endif
  void* stream() const { return stream_; }

 private:
#if !defined(ACE3D_EMULATED)
  torch::stable::accelerator::DeviceGuard guard_;
#endif
  void* stream_ = nullptr;
};

// Bytes to work with, beside a tensor.
inline Tensor work_bytes(const Tensor& tensor, int64_t bytes) {
  return torch::stable::new_empty(tensor, {bytes}, ScalarType::Byte);
}

}  // namespace ace3d

#if defined(ACE3D_EMULATED)
#define ACE3D_CUDA_OPS(LIBRARY) STABLE_TORCH_LIBRARY_IMPL(ace3d_emulated, CPU, LIBRARY)
#else
#define ACE3D_CUDA_OPS(LIBRARY) STABLE_TORCH_LIBRARY_IMPL(ace3d, CUDA, LIBRARY)
#endif
