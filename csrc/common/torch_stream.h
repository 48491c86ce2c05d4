// torch's current CUDA stream, without linking to a torch that has CUDA.
#pragma once

#include <dlfcn.h>

#include <cstdint>

namespace ace3d {

// An AOTITorchError (0: done) and, behind the pointer, the stream.
using TorchStream = int32_t (*)(int32_t device_index, void** stream);

// The shim of libtorch_cuda, or null in a torch without CUDA. Python loads torch's libraries out of sight of
// those loaded later, so an undefined symbol, weak or not, would not be bound to it: the library is asked for
// by name.
inline TorchStream torch_stream() {
  static const TorchStream found = [] {
    void* library = dlopen("libtorch_cuda.so", RTLD_LAZY | RTLD_NOLOAD);
    return library == nullptr
               ? nullptr
               : reinterpret_cast<TorchStream>(dlsym(library, "aoti_torch_get_current_cuda_stream"));
  }();
  return found;
}

}  // namespace ace3d
