// CUDA registration of the ops: unpack, allocate, launch on torch's current stream; no arithmetic.
#define ACE3D_WITH_CUDA
#include <torch/csrc/stable/accelerator.h>

#include <tuple>

#include "common/tensors.h"
#include "region_pool/region_pool.h"

// Exists only in a CUDA torch; weak, so that this library links against and loads beside a CPU torch.
extern "C" __attribute__((weak)) AOTITorchError aoti_torch_get_current_cuda_stream(int32_t device_index,
                                                                                   void** stream);

namespace ace3d {
namespace {

void* current_stream(const Tensor& tensor) {
  STD_TORCH_CHECK(aoti_torch_get_current_cuda_stream != nullptr, "this torch was built without CUDA");
  void* stream = nullptr;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(tensor.get_device_index(), &stream));
  return stream;
}

std::tuple<Tensor, Tensor> region_sums(const Tensor& features, const Tensor& labels, int64_t num_regions) {
  STD_TORCH_CHECK(features.scalar_type() == ScalarType::Float,
                  "region_sums on CUDA: expected float32 features");
  const torch::stable::accelerator::DeviceGuard guard(features.get_device_index());
  const int64_t grid[3] = {features.size(2), features.size(3), features.size(4)};
  const RegionPoolShape shape = region_pool_shape(labels, features.size(1), grid, num_regions);
  Tensor sums = torch::stable::new_empty(features, {shape.num_clips, num_regions, shape.num_channels});
  Tensor counts = torch::stable::new_empty(labels, {shape.num_clips, num_regions}, ScalarType::Long);
  launch_region_sums(input<float>(features), input<int32_t>(labels), shape, output<float>(sums),
                     output<int64_t>(counts), current_stream(features));
  return {sums, counts};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(ace3d, CUDA, library) { library.impl("region_sums", TORCH_BOX(&region_sums)); }

}  // namespace ace3d
