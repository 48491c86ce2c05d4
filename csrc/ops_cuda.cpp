// CUDA registration of the ops: unpack, allocate, launch on torch's current stream; no arithmetic.
#define ACE3D_WITH_CUDA
#include <torch/csrc/stable/accelerator.h>

#include <tuple>
#include <vector>

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

std::tuple<Tensor, Tensor> region_pool(const Tensor& features, const Tensor& labels,
                                       std::vector<int64_t> num_regions, bool mean) {
  STD_TORCH_CHECK(features.scalar_type() == ScalarType::Float && features.is_contiguous(),
                  "region_pool on CUDA: expected contiguous float32 features");
  STD_TORCH_CHECK(num_regions.size() == 1, "region_pool on CUDA: expected one number of regions");
  const torch::stable::accelerator::DeviceGuard guard(features.get_device_index());
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
                     output<int64_t>(counts), output<int64_t>(work), current_stream(features));
  return {pooled, counts};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(ace3d, CUDA, library) { library.impl("region_pool", TORCH_BOX(&region_pool)); }

}  // namespace ace3d
