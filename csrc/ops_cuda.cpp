// CUDA registration of the ops: unpack, allocate, launch on torch's current stream; no arithmetic.
//
// With ACE3D_EMULATED the same ops are registered for CPU tensors, in a namespace of their own, over kernels
// that run on the CPU (tests/csrc/emulated_library.py).
#define ACE3D_WITH_CUDA
#include <torch/csrc/stable/accelerator.h>

#include <tuple>
#include <vector>

#include "common/tensors.h"
#include "region_pool/region_pool.h"
#include "schemas.h"

// Exists only in a CUDA torch; weak, so that this library links against and loads beside a CPU torch.
extern "C" __attribute__((weak)) AOTITorchError aoti_torch_get_current_cuda_stream(int32_t device_index,
                                                                                   void** stream);

namespace ace3d {
namespace {

// The device of a tensor is the current one while this lives; `stream` is torch's current stream there.
class OnDevice {
 public:
#if defined(ACE3D_EMULATED)
  explicit OnDevice(const Tensor&) {}
#else
  explicit OnDevice(const Tensor& tensor) : guard_(tensor.get_device_index()) {
    STD_TORCH_CHECK(aoti_torch_get_current_cuda_stream != nullptr, "this torch was built without CUDA");
    STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(tensor.get_device_index(), &stream_));
  }
#endif
  void* stream() const { return stream_; }

 private:
#if !defined(ACE3D_EMULATED)
  torch::stable::accelerator::DeviceGuard guard_;
#endif
  void* stream_ = nullptr;
};

std::tuple<Tensor, Tensor> region_pool(const Tensor& features, const Tensor& labels,
                                       std::vector<int64_t> num_regions, bool mean) {
  STD_TORCH_CHECK(features.scalar_type() == ScalarType::Float && features.is_contiguous(),
                  "region_pool on CUDA: expected contiguous float32 features");
  STD_TORCH_CHECK(num_regions.size() == 1, "region_pool on CUDA: expected one number of regions");
  const OnDevice device(features);
  const RegionGrid grid{labels.size(0),
                        features.size(1),
                        labels.size(1),
                        num_regions[0],
                        {features.size(2), features.size(3), features.size(4)},
                        {labels.size(2), labels.size(3), labels.size(4)}};
  Tensor pooled = torch::stable::new_empty(features, {grid.num_clips, grid.num_regions, grid.num_channels});
  Tensor counts = torch::stable::new_empty(labels, {grid.num_clips, grid.num_regions}, ScalarType::Long);
  Tensor work = torch::stable::new_empty(labels, {region_pool_work_words(grid)}, ScalarType::Long);
  launch_region_pool(input<float>(features), input<int32_t>(labels), grid, mean, output<float>(pooled),
                     output<int64_t>(counts), output<int64_t>(work), device.stream());
  return {pooled, counts};
}

template <class Library>
void register_ops(Library& library) {
  library.impl("region_pool", TORCH_BOX(&region_pool));
}

}  // namespace

#if defined(ACE3D_EMULATED)
STABLE_TORCH_LIBRARY(ace3d_emulated, library) { define_ops(library); }
STABLE_TORCH_LIBRARY_IMPL(ace3d_emulated, CPU, library) { register_ops(library); }
#else
STABLE_TORCH_LIBRARY_IMPL(ace3d, CUDA, library) { register_ops(library); }
#endif

}  // namespace ace3d
