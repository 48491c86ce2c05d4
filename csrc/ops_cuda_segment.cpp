// CUDA registration of the ops that lead from frames to supervoxels: unpack, allocate, launch.
#define ACE3D_WITH_CUDA
#include <numeric>
#include <optional>
#include <tuple>
#include <vector>

#include "color/color.h"
#include "common/on_device.h"
#include "common/slic_options.h"
#include "slic3d/slic3d.h"
#include "smooth/smooth.h"

namespace ace3d {
namespace {

using torch::stable::empty_like;
using torch::stable::new_empty;

Tensor rgb_to_lab(const Tensor& rgb) {
  const OnDevice device(rgb);
  const ScalarType type = rgb.scalar_type();
  const int64_t num_pixels = rgb.numel() / 3;
  if (type == ScalarType::Byte) {
    Tensor lab = new_empty(rgb, rgb.sizes(), ScalarType::Float);
    launch_rgb_to_lab(input<uint8_t>(rgb), output<float>(lab), num_pixels, device.stream());
    return lab;
  }
  Tensor lab = empty_like(rgb);
  if (type == ScalarType::Double) {
    launch_rgb_to_lab(input<double>(rgb), output<double>(lab), num_pixels, device.stream());
  } else {
    launch_rgb_to_lab(input<float>(rgb), output<float>(lab), num_pixels, device.stream());
  }
  return lab;
}

Tensor clips_to_lab(const Tensor& frames, bool stretch) {
  const OnDevice device(frames);
  const int64_t n = frames.size(0), t = frames.size(1), h = frames.size(2), w = frames.size(3);
  Tensor lab = new_empty(frames, {n, 3, t, h, w}, ScalarType::Float);
  Tensor work = work_bytes(frames, light_table_bytes(n));
  const uint8_t* rgb = input<uint8_t>(frames);
  const LightTable* tables =
      launch_light_tables(rgb, n, t * h * w, stretch, output<uint8_t>(work), device.stream());
  launch_clips_to_lab(rgb, tables, output<float>(lab), n, t * h * w, device.stream());
  return lab;
}

template <class T>
Tensor smooth_volumes(const Tensor& volume, const double sigma[3]) {
  const OnDevice device(volume);
  Tensor out = empty_like(volume);
  const int64_t num_volumes = volume.size(0) * volume.size(1);
  const VolumeShape shape = volume_of(volume);
  Tensor work = work_bytes(volume, smooth_work_bytes<T>(num_volumes, shape, sigma));
  launch_gaussian_smooth(input<T>(volume), output<T>(out), output<uint8_t>(work), num_volumes, shape, sigma,
                         device.stream());
  return out;
}

Tensor gaussian_smooth(const Tensor& volume, std::vector<double> sigma) {
  return volume.scalar_type() == ScalarType::Double ? smooth_volumes<double>(volume, sigma.data())
                                                    : smooth_volumes<float>(volume, sigma.data());
}

Tensor smooth_lab(const Tensor& frames, bool stretch, std::vector<double> sigma) {
  const OnDevice device(frames);
  const int64_t num_clips = frames.size(0);
  const VolumeShape shape = {frames.size(1), frames.size(2), frames.size(3)};
  Tensor lab = new_empty(frames, {num_clips, 3, shape.depth, shape.height, shape.width}, ScalarType::Float);
  Tensor light = work_bytes(frames, light_table_bytes(num_clips));
  Tensor work = work_bytes(frames, smooth_work_bytes<float>(3 * num_clips, shape, sigma.data()));
  const uint8_t* rgb = input<uint8_t>(frames);
  const LightTable* tables = launch_light_tables(rgb, num_clips, shape.num_voxels(), stretch,
                                                 output<uint8_t>(light), device.stream());
  launch_smooth_lab(rgb, tables, output<float>(lab), output<uint8_t>(work), num_clips, shape, sigma.data(),
                    device.stream());
  return lab;
}

// `centers` [clip, center of all resolutions, 3 + channels]; see ops_cpu.cpp.
std::tuple<Tensor, Tensor> slic3d(const Tensor& volume, const std::optional<Tensor>& mask,
                                  const std::optional<Tensor>& centers, std::vector<int64_t> grids,
                                  std::vector<int64_t> num_centers, std::vector<double> apart,
                                  double compactness, int64_t num_iterations, std::vector<double> spacing,
                                  bool exact, bool adapt_compactness, bool settle_first,
                                  bool return_centers) {
  STD_TORCH_CHECK(!exact && !adapt_compactness && volume.scalar_type() == ScalarType::Float,
                  "slic3d on CUDA: expected float32 and neither exact nor adapt_compactness");
  const OnDevice device(volume);
  const auto num_maps = static_cast<int64_t>(num_centers.size());
  const int64_t row = 3 + volume.size(1);
  const int64_t all_centers = std::accumulate(num_centers.begin(), num_centers.end(), int64_t{0});
  const VolumeShape shape = volume_of(volume);
  Tensor labels =
      new_empty(volume, {volume.size(0), num_maps, shape.depth, shape.height, shape.width}, ScalarType::Int);
  Tensor moved =
      new_empty(volume, {volume.size(0), return_centers ? all_centers : 0, row}, ScalarType::Double);
  const SlicClips clips{volume.size(0),
                        volume.size(1),
                        shape,
                        centers ? input<double>(*centers) : nullptr,
                        return_centers ? output<double>(moved) : nullptr,
                        output<int32_t>(labels)};
  SlicOptions options = slic_options(compactness, num_iterations, spacing);
  options.settle_first = settle_first;
  const std::vector<SlicMap> maps = slic_maps(grids, num_centers, apart);
  Tensor work = work_bytes(volume, slic3d_work_bytes(clips, maps.data(), num_maps));
  launch_slic3d(input<float>(volume), mask ? input<uint8_t>(*mask) : nullptr, clips, options, maps.data(),
                num_maps, output<uint8_t>(work), device.stream());
  return {labels, moved};
}

Tensor slic3d_frames(const Tensor& frames, const std::optional<Tensor>& centers, std::vector<int64_t> grids,
                     std::vector<int64_t> num_centers, std::vector<double> apart, double compactness,
                     int64_t num_iterations, std::vector<double> spacing) {
  const OnDevice device(frames);
  const auto num_maps = static_cast<int64_t>(num_centers.size());
  const VolumeShape shape = {frames.size(1), frames.size(2), frames.size(3)};
  Tensor labels =
      new_empty(frames, {frames.size(0), num_maps, shape.depth, shape.height, shape.width}, ScalarType::Int);
  const SlicClips clips{frames.size(0), 3,
                        shape,          centers ? input<double>(*centers) : nullptr,
                        nullptr,        output<int32_t>(labels)};
  const std::vector<SlicMap> maps = slic_maps(grids, num_centers, apart);
  Tensor light = work_bytes(frames, light_table_bytes(clips.num_clips));
  Tensor work = work_bytes(frames, slic3d_work_bytes(clips, maps.data(), num_maps));
  const uint8_t* rgb = input<uint8_t>(frames);
  const LightTable* tables = launch_light_tables(rgb, clips.num_clips, shape.num_voxels(), true,
                                                 output<uint8_t>(light), device.stream());
  launch_slic3d_bytes(rgb, tables, clips, slic_options(compactness, num_iterations, spacing), maps.data(),
                      num_maps, output<uint8_t>(work), device.stream());
  return labels;
}

}  // namespace

ACE3D_CUDA_OPS(library) {
  library.impl("rgb_to_lab", TORCH_BOX(&rgb_to_lab));
  library.impl("clips_to_lab", TORCH_BOX(&clips_to_lab));
  library.impl("gaussian_smooth", TORCH_BOX(&gaussian_smooth));
  library.impl("smooth_lab", TORCH_BOX(&smooth_lab));
  library.impl("slic3d", TORCH_BOX(&slic3d));
  library.impl("slic3d_frames", TORCH_BOX(&slic3d_frames));
}

}  // namespace ace3d
