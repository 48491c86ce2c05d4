// CUDA registration of the ops: unpack, allocate, launch on torch's current stream; no arithmetic.
#define ACE3D_WITH_CUDA
#include <tuple>
#include <type_traits>
#include <vector>

#include "common/on_device.h"
#include "common/tensors.h"
#include "connectivity/connect_by_color.h"
#include "connectivity/connectivity.h"
#include "nearest_centers/nearest_centers.h"
#include "region_overlap/region_overlap.h"
#include "region_patches/region_patches.h"
#include "region_pool/region_pool.h"
#include "schemas.h"

namespace ace3d {
namespace {

// The types whose kernels exist: not float64.
template <class Body>
void with_pooled_type(ScalarType type, const Body& body) {
  with_float_type(type, [&](auto zero) {
    if constexpr (!std::is_same_v<decltype(zero), double>) {
      body(zero);
    } else {
      STD_TORCH_CHECK(false, "region_pool on CUDA: expected float32, float16 or bfloat16");
    }
  });
}

RegionPoolShape cuda_pool_shape(const Tensor& labels, int64_t channels, const std::vector<int64_t>& grid,
                                const std::vector<int64_t>& num_regions) {
  STD_TORCH_CHECK(labels.size(1) <= kMaxCudaPoolMaps, "region_pool on CUDA: expected at most 64 label maps");
  return region_pool_shape(labels, channels, grid, num_regions);
}

std::tuple<Tensor, Tensor> region_pool(const Tensor& features, const Tensor& labels,
                                       std::vector<int64_t> num_regions, bool mean) {
  const OnDevice device(features);
  const RegionPoolShape shape = cuda_pool_shape(labels, features.size(1), grid_of(features), num_regions);
  const ScalarType type = features.scalar_type();
  Tensor pooled = torch::stable::new_empty(features, {shape.num_clips, shape.num_regions, shape.num_channels},
                                           mean ? type : ScalarType::Float);
  Tensor counts = torch::stable::new_empty(labels, {shape.num_clips, shape.num_regions}, ScalarType::Long);
  Tensor work = work_bytes(features, region_pool_work_bytes(shape));
  with_pooled_type(type, [&](auto zero) {
    using T = decltype(zero);
    const auto pool = [&](auto* to) {
      launch_region_pool(feature_grid<T>(features), input<int32_t>(labels), shape, mean, to,
                         output<int64_t>(counts), output<uint8_t>(work), device.stream());
    };
    mean ? pool(output<T>(pooled)) : pool(output<float>(pooled));
  });
  return {pooled, counts};
}

std::tuple<Tensor, Tensor> region_max(const Tensor& features, const Tensor& labels,
                                      std::vector<int64_t> num_regions) {
  const OnDevice device(features);
  const RegionPoolShape shape = cuda_pool_shape(labels, features.size(1), grid_of(features), num_regions);
  const std::vector<int64_t> sizes = {shape.num_clips, shape.num_regions, shape.num_channels};
  Tensor values = torch::stable::new_empty(features, sizes);
  Tensor cells = torch::stable::new_empty(labels, sizes);
  Tensor work = work_bytes(features, region_max_work_bytes(shape));
  with_pooled_type(features.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    launch_region_max(feature_grid<T>(features), input<int32_t>(labels), shape, output<T>(values),
                      output<int32_t>(cells), output<uint8_t>(work), device.stream());
  });
  return {values, cells};
}

Tensor region_spread(const Tensor& grad_sums, const Tensor& labels, std::vector<int64_t> num_regions,
                     std::vector<int64_t> grid, ScalarType type) {
  const OnDevice device(grad_sums);
  const RegionPoolShape shape = cuda_pool_shape(labels, grad_sums.size(2), grid, num_regions);
  Tensor grad = torch::stable::new_empty(
      grad_sums, {shape.num_clips, shape.num_channels, grid[0], grid[1], grid[2]}, type);
  Tensor work = work_bytes(grad_sums, region_spread_work_bytes(shape));
  with_pooled_type(type, [&](auto zero) {
    launch_region_spread(input<float>(grad_sums), input<int32_t>(labels), shape, output<decltype(zero)>(grad),
                         output<uint8_t>(work), device.stream());
  });
  return grad;
}

VolumeShape connected_volume(const Tensor& labels) {
  const VolumeShape shape = volume_of(labels);
  STD_TORCH_CHECK(shape.num_voxels() <= kMaxConnectedVoxels,
                  "connectivity on CUDA: expected at most 357,913,940 voxels in a volume");
  return shape;
}

Tensor connect_maps(const Tensor& labels, const std::vector<int64_t>& min_sizes,
                    const std::vector<int64_t>& max_sizes, bool repair, const Tensor& out) {
  const OnDevice device(labels);
  const int64_t num_clips = labels.size(0), num_maps = labels.size(1);
  const VolumeShape shape = connected_volume(labels);
  std::vector<ConnectivityOptions> options(num_maps);
  for (int64_t map = 0; map < num_maps; ++map) options[map] = {min_sizes[map], max_sizes[map], repair};
  Tensor num_labels = torch::stable::new_empty(labels, {num_clips, num_maps}, ScalarType::Int);
  Tensor work = torch::stable::new_empty(
      labels, {connectivity_work_words(num_clips, num_maps, shape, repair)}, ScalarType::Int);
  launch_enforce_connectivity(input<int32_t>(labels), num_clips, num_maps, shape, options.data(),
                              output<int32_t>(out), output<int32_t>(num_labels), output<int32_t>(work),
                              device.stream());
  return num_labels;
}

std::tuple<Tensor, Tensor> enforce_connectivity(const Tensor& labels, std::vector<int64_t> min_sizes,
                                                std::vector<int64_t> max_sizes, bool repair) {
  Tensor out = torch::stable::empty_like(labels);
  Tensor num_labels = connect_maps(labels, min_sizes, max_sizes, repair, out);
  return {out, num_labels};
}

Tensor enforce_connectivity_(const Tensor& labels, std::vector<int64_t> min_sizes,
                             std::vector<int64_t> max_sizes, bool repair) {
  return connect_maps(labels, min_sizes, max_sizes, repair, labels);
}

std::tuple<Tensor, Tensor> connect_by_color(const Tensor& labels, const Tensor& colors,
                                            std::vector<int64_t> min_sizes) {
  const OnDevice device(labels);
  const int64_t num_clips = labels.size(0), num_maps = labels.size(1), channels = colors.size(4);
  const VolumeShape shape = connected_volume(labels);
  Tensor out = torch::stable::empty_like(labels);
  Tensor num_labels = torch::stable::new_empty(labels, {num_clips, num_maps}, ScalarType::Int);
  Tensor work = work_bytes(labels, connect_by_color_work_bytes(num_clips, num_maps, channels, shape));
  launch_connect_by_color(input<int32_t>(labels), input<uint8_t>(colors), num_clips, num_maps, channels,
                          shape, min_sizes.data(), output<int32_t>(out), output<int32_t>(num_labels),
                          output<uint8_t>(work), device.stream());
  return {out, num_labels};
}

std::tuple<Tensor, Tensor> nearest_centers(const Tensor& points, const Tensor& centers) {
  const OnDevice device(points);
  const NearestShape shape{points.size(0), points.size(1), centers.size(0), centers.size(1)};
  Tensor labels = torch::stable::new_empty(points, {shape.num_sets, shape.num_points}, ScalarType::Int);
  Tensor distances = torch::stable::new_empty(points, {shape.num_sets, shape.num_points}, ScalarType::Float);
  Tensor work = work_bytes(points, nearest_centers_work_bytes(shape));
  launch_nearest_centers(input<float>(points), input<float>(centers), shape, output<int32_t>(labels),
                         output<float>(distances), output<uint8_t>(work), device.stream());
  return {labels, distances};
}

Tensor region_overlap(const Tensor& a, const Tensor& b, int64_t num_a, int64_t num_b) {
  const OnDevice device(a);
  Tensor counts = torch::stable::new_zeros(a, {a.size(0), num_a, num_b}, ScalarType::Long);
  launch_region_overlap(input<int32_t>(a), input<int32_t>(b), a.size(0), volume_of(a).num_voxels(), num_a,
                        num_b, output<int64_t>(counts), device.stream());
  return counts;
}

Tensor region_patches(const Tensor& frames, const Tensor& labels, std::vector<int64_t> regions,
                      std::vector<int64_t> boxes, std::vector<int64_t> size, int64_t fill,
                      std::vector<double> scale, std::vector<double> shift) {
  const OnDevice device(frames);
  const int64_t num_patches = static_cast<int64_t>(regions.size());
  const RegionPatchesShape shape{volume_of(labels), labels.size(0), num_patches, {size[0], size[1], size[2]}};
  STD_TORCH_CHECK(shape.clip.width <= kMaxPatchLine,
                  "region_patches on CUDA: expected frames of at most 12288 columns");
  const std::vector<RegionBox> cuts = region_boxes(regions, boxes);
  Tensor patches =
      torch::stable::new_empty(frames, {num_patches, size[0], size[1], size[2], 3}, ScalarType::Float);
  Tensor work = work_bytes(frames, region_patches_work_bytes(shape));
  launch_region_patches(input<uint8_t>(frames), input<int32_t>(labels), shape, cuts.data(),
                        pixel_scale(fill, scale, shift), output<float>(patches), output<uint8_t>(work),
                        device.stream());
  return patches;
}

}  // namespace

#if defined(ACE3D_EMULATED)
STABLE_TORCH_LIBRARY(ace3d_emulated, library) { define_ops(library); }
#endif

ACE3D_CUDA_OPS(library) {
  library.impl("connect_by_color", TORCH_BOX(&connect_by_color));
  library.impl("enforce_connectivity", TORCH_BOX(&enforce_connectivity));
  library.impl("enforce_connectivity_", TORCH_BOX(&enforce_connectivity_));
  library.impl("nearest_centers", TORCH_BOX(&nearest_centers));
  library.impl("region_overlap", TORCH_BOX(&region_overlap));
  library.impl("region_patches", TORCH_BOX(&region_patches));
  library.impl("region_pool", TORCH_BOX(&region_pool));
  library.impl("region_max", TORCH_BOX(&region_max));
  library.impl("region_spread", TORCH_BOX(&region_spread));
}

}  // namespace ace3d
