// CUDA registration of the ops that lead from frames to supervoxels: unpack, allocate, launch.
#define ACE3D_WITH_CUDA
#include <vector>

#include "color/color.h"
#include "common/on_device.h"
#include "smooth/smooth.h"

namespace ace3d {
namespace {

using torch::stable::empty_like;
using torch::stable::new_empty;

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

}  // namespace

ACE3D_CUDA_OPS(library) {
  library.impl("clips_to_lab", TORCH_BOX(&clips_to_lab));
  library.impl("gaussian_smooth", TORCH_BOX(&gaussian_smooth));
  library.impl("smooth_lab", TORCH_BOX(&smooth_lab));
}

}  // namespace ace3d
