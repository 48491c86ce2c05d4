// CPU registration of the ops: unpack, allocate, call; no arithmetic.
//
// Inputs are contiguous and of the shapes and types that the Python wrappers in ace3d_fast/ops check and
// document.
#include <algorithm>
#include <array>
#include <numeric>
#include <optional>
#include <tuple>
#include <type_traits>
#include <vector>

#include "color/color.h"
#include "common/pages.h"
#include "common/parallel.h"
#include "common/slic_options.h"
#include "common/tensors.h"
#include "connectivity/connect_by_color.h"
#include "connectivity/connectivity.h"
#include "nearest_centers/nearest_centers.h"
#include "region_overlap/region_overlap.h"
#include "region_patches/region_patches.h"
#include "region_pool/region_pool.h"
#include "schemas.h"
#include "slic3d/slic3d.h"
#include "smooth/smooth.h"

namespace ace3d {
namespace {

using torch::stable::empty_like;
using torch::stable::new_empty;
using torch::stable::new_zeros;

// A fresh tensor that is about to be written whole.
Tensor on_large_pages(Tensor tensor) {
  prefer_large_pages(tensor.mutable_data_ptr(), tensor.numel() * tensor.element_size());
  return tensor;
}

Tensor new_large(const Tensor& like, const std::vector<int64_t>& sizes, ScalarType type) {
  return on_large_pages(new_empty(like, sizes, type));
}

// Clips are shared out among threads where there are enough of them; else the threads share each clip.
int64_t clips_per_job(int64_t num_clips) { return num_clips >= 2 * num_threads() ? 1 : num_clips; }

Tensor rgb_to_lab(const Tensor& rgb) {
  const int64_t num_pixels = rgb.numel() / 3;
  switch (rgb.scalar_type()) {
    case ScalarType::Byte: {
      Tensor lab = new_empty(rgb, rgb.sizes(), ScalarType::Float);
      rgb_to_lab_cpu(input<uint8_t>(rgb), output<float>(lab), num_pixels);
      return lab;
    }
    case ScalarType::Double: {
      Tensor lab = on_large_pages(empty_like(rgb));
      rgb_to_lab_cpu(input<double>(rgb), output<double>(lab), num_pixels);
      return lab;
    }
    default: {
      Tensor lab = on_large_pages(empty_like(rgb));
      rgb_to_lab_cpu(input<float>(rgb), output<float>(lab), num_pixels);
      return lab;
    }
  }
}

Tensor clips_to_lab(const Tensor& frames, bool stretch) {
  const int64_t n = frames.size(0), t = frames.size(1), h = frames.size(2), w = frames.size(3);
  Tensor lab = new_large(frames, {n, 3, t, h, w}, ScalarType::Float);
  clips_to_lab_cpu(input<uint8_t>(frames), output<float>(lab), n, t * h * w, stretch);
  return lab;
}

Tensor gaussian_smooth(const Tensor& volume, std::vector<double> sigma) {
  Tensor out = on_large_pages(empty_like(volume));
  const int64_t num_volumes = volume.size(0) * volume.size(1);
  if (volume.scalar_type() == ScalarType::Double) {
    gaussian_smooth_cpu(input<double>(volume), output<double>(out), num_volumes, volume_of(volume),
                        sigma.data());
  } else {
    gaussian_smooth_cpu(input<float>(volume), output<float>(out), num_volumes, volume_of(volume),
                        sigma.data());
  }
  return out;
}

Tensor smooth_lab(const Tensor& frames, bool stretch, std::vector<double> sigma) {
  const int64_t num_clips = frames.size(0);
  const VolumeShape shape = {frames.size(1), frames.size(2), frames.size(3)};
  const int64_t num_values = 3 * shape.num_voxels();
  Tensor lab = new_large(frames, {num_clips, 3, shape.depth, shape.height, shape.width}, ScalarType::Float);
  parallel_for(0, num_clips, clips_per_job(num_clips), [&](int64_t begin, int64_t end) {
    for (int64_t clip = begin; clip < end; ++clip) {
      const uint8_t* rgb = input<uint8_t>(frames) + clip * num_values;
      smooth_lab_cpu(rgb, light_of_clip(rgb, shape.num_voxels(), stretch),
                     output<float>(lab) + clip * num_values, shape, sigma.data());
    }
  });
  return lab;
}

// The maps of one clip, from what all clips share. `centers` and `moved` [clip, center of all maps,
// 3 + channels], if there are any.
std::vector<SlicMap> maps_of_clip(std::vector<SlicMap> maps, int64_t clip, int64_t channels,
                                  int64_t num_voxels, const std::optional<Tensor>& centers,
                                  const Tensor* moved, const Tensor& labels) {
  int64_t all_centers = 0;
  for (const SlicMap& map : maps) all_centers += map.num_centers;
  int64_t at = clip * all_centers * (3 + channels);
  int32_t* to = output<int32_t>(labels) + clip * static_cast<int64_t>(maps.size()) * num_voxels;
  for (SlicMap& map : maps) {
    map.labels = to;
    if (centers) map.centers = input<double>(*centers) + at;
    if (moved != nullptr) map.moved_centers = output<double>(*moved) + at;
    to += num_voxels;
    at += map.num_centers * (3 + channels);
  }
  return maps;
}

// `centers` [clip, center of all resolutions, 3 + channels]. Returns labels and centres; where `centers` are
// not wanted back they are empty.
std::tuple<Tensor, Tensor> slic3d(const Tensor& volume, const std::optional<Tensor>& mask,
                                  const std::optional<Tensor>& centers, std::vector<int64_t> grids,
                                  std::vector<int64_t> num_centers, std::vector<double> apart,
                                  double compactness, int64_t num_iterations, std::vector<double> spacing,
                                  bool exact, bool adapt_compactness, bool settle_first,
                                  bool return_centers) {
  const int64_t num_clips = volume.size(0), channels = volume.size(1), row = 3 + channels;
  const auto num_maps = static_cast<int64_t>(num_centers.size());
  const VolumeShape shape = volume_of(volume);
  const int64_t num_voxels = shape.num_voxels();
  const int64_t all_centers = std::accumulate(num_centers.begin(), num_centers.end(), int64_t{0});
  Tensor labels =
      new_large(volume, {num_clips, num_maps, shape.depth, shape.height, shape.width}, ScalarType::Int);
  Tensor moved = new_empty(volume, {num_clips, return_centers ? all_centers : 0, row}, ScalarType::Double);
  const std::vector<SlicMap> maps = slic_maps(grids, num_centers, apart);
  SlicOptions options = slic_options(compactness, num_iterations, spacing);
  options.adapt_compactness = adapt_compactness;
  options.settle_first = settle_first;

  const auto run = [&](const auto* voxels) {
    using T = std::remove_cv_t<std::remove_pointer_t<decltype(voxels)>>;
    parallel_for(0, num_clips, clips_per_job(num_clips), [&](int64_t begin, int64_t end) {
      for (int64_t clip = begin; clip < end; ++clip) {
        const std::vector<SlicMap> own = maps_of_clip(maps, clip, channels, num_voxels, centers,
                                                      return_centers ? &moved : nullptr, labels);
        const T* colors = voxels + clip * channels * num_voxels;
        const uint8_t* inside = mask ? input<uint8_t>(*mask) + clip * num_voxels : nullptr;
        if (adapt_compactness) {
          for (const SlicMap& map : own) slic3d_plain_cpu(colors, inside, channels, shape, options, map);
        } else if (exact) {
          slic3d_exact_cpu(colors, inside, channels, shape, options, own.data(), num_maps);
        } else if constexpr (std::is_same_v<T, float>) {
          slic3d_fast_cpu(colors, inside, channels, shape, options, own.data(), num_maps);
        }
      }
    });
  };
  if (volume.scalar_type() == ScalarType::Double) {
    exact = true;
    run(input<double>(volume));
  } else {
    run(input<float>(volume));
  }
  return {labels, moved};
}

// From bytes of RGB, without smoothing: Lab is made where it is used.
Tensor slic3d_frames(const Tensor& frames, const std::optional<Tensor>& centers, std::vector<int64_t> grids,
                     std::vector<int64_t> num_centers, std::vector<double> apart, double compactness,
                     int64_t num_iterations, std::vector<double> spacing) {
  const int64_t num_clips = frames.size(0);
  const auto num_maps = static_cast<int64_t>(num_centers.size());
  const VolumeShape shape = {frames.size(1), frames.size(2), frames.size(3)};
  const int64_t num_voxels = shape.num_voxels();
  Tensor labels =
      new_large(frames, {num_clips, num_maps, shape.depth, shape.height, shape.width}, ScalarType::Int);
  const std::vector<SlicMap> maps = slic_maps(grids, num_centers, apart);
  const SlicOptions options = slic_options(compactness, num_iterations, spacing);
  parallel_for(0, num_clips, clips_per_job(num_clips), [&](int64_t begin, int64_t end) {
    for (int64_t clip = begin; clip < end; ++clip) {
      const uint8_t* rgb = input<uint8_t>(frames) + clip * 3 * num_voxels;
      const std::vector<SlicMap> own = maps_of_clip(maps, clip, 3, num_voxels, centers, nullptr, labels);
      slic3d_bytes_cpu(rgb, light_of_clip(rgb, num_voxels, true), shape, options, own.data(), num_maps);
    }
  });
  return labels;
}

// From `labels` (N, S, T, H, W) into `out`, which may be `labels`; returns the number of labels of each map.
Tensor connect_maps(const Tensor& labels, const std::vector<int64_t>& min_sizes,
                    const std::vector<int64_t>& max_sizes, bool repair, const Tensor& out) {
  const int64_t num_clips = labels.size(0), num_maps = labels.size(1);
  const VolumeShape shape = volume_of(labels);
  Tensor num_labels = new_empty(labels, {num_clips, num_maps}, ScalarType::Int);
  const int32_t* from = input<int32_t>(labels);
  const int64_t num_jobs = num_clips * num_maps;
  parallel_for(0, num_jobs, clips_per_job(num_jobs), [&](int64_t begin, int64_t end) {
    for (int64_t job = begin; job < end; ++job) {
      const int64_t offset = job * shape.num_voxels(), map = job % num_maps;
      output<int32_t>(num_labels)[job] = enforce_connectivity_cpu(
          from + offset, shape, {min_sizes[map], max_sizes[map], repair}, output<int32_t>(out) + offset);
    }
  });
  return num_labels;
}

std::tuple<Tensor, Tensor> enforce_connectivity(const Tensor& labels, std::vector<int64_t> min_sizes,
                                                std::vector<int64_t> max_sizes, bool repair) {
  Tensor out = on_large_pages(empty_like(labels));
  Tensor num_labels = connect_maps(labels, min_sizes, max_sizes, repair, out);
  return {out, num_labels};
}

Tensor enforce_connectivity_(const Tensor& labels, std::vector<int64_t> min_sizes,
                             std::vector<int64_t> max_sizes, bool repair) {
  return connect_maps(labels, min_sizes, max_sizes, repair, labels);
}

// Colours (N, T, H, W, C) of labels (N, S, T, H, W).
std::tuple<Tensor, Tensor> connect_by_color(const Tensor& labels, const Tensor& colors,
                                            std::vector<int64_t> min_sizes) {
  const int64_t num_clips = labels.size(0), num_maps = labels.size(1), channels = colors.size(4);
  const VolumeShape shape = volume_of(labels);
  const int64_t num_voxels = shape.num_voxels(), num_jobs = num_clips * num_maps;
  Tensor out = on_large_pages(empty_like(labels));
  Tensor num_labels = new_empty(labels, {num_clips, num_maps}, ScalarType::Int);
  const int32_t* from = input<int32_t>(labels);
  const uint8_t* voxels = input<uint8_t>(colors);
  parallel_for(0, num_jobs, clips_per_job(num_jobs), [&](int64_t begin, int64_t end) {
    for (int64_t job = begin; job < end; ++job) {
      output<int32_t>(num_labels)[job] = connect_by_color_cpu(
          from + job * num_voxels, voxels + job / num_maps * num_voxels * channels, channels, shape,
          min_sizes[job % num_maps], output<int32_t>(out) + job * num_voxels);
    }
  });
  return {out, num_labels};
}

// Sums, float32 for half types, or with `mean` means in the type of the features.
std::tuple<Tensor, Tensor> region_pool(const Tensor& features, const Tensor& labels,
                                       std::vector<int64_t> num_regions, bool mean) {
  const RegionPoolShape shape = region_pool_shape(labels, features.size(1), grid_of(features), num_regions);
  const ScalarType type = features.scalar_type();
  const ScalarType sum_type = type == ScalarType::Double ? type : ScalarType::Float;
  Tensor pooled =
      new_empty(features, {shape.num_clips, shape.num_regions, shape.num_channels}, mean ? type : sum_type);
  Tensor counts = new_empty(labels, {shape.num_clips, shape.num_regions}, ScalarType::Long);
  with_float_type(type, [&](auto zero) {
    using T = decltype(zero);
    const auto pool = [&](auto* to) {
      region_pool_cpu(feature_grid<T>(features), input<int32_t>(labels), shape, mean, to,
                      output<int64_t>(counts));
    };
    mean ? pool(output<T>(pooled)) : pool(output<Sum<T>>(pooled));
  });
  return {pooled, counts};
}

std::tuple<Tensor, Tensor> region_max(const Tensor& features, const Tensor& labels,
                                      std::vector<int64_t> num_regions) {
  const RegionPoolShape shape = region_pool_shape(labels, features.size(1), grid_of(features), num_regions);
  Tensor values = new_empty(features, {shape.num_clips, shape.num_regions, shape.num_channels});
  Tensor cells = new_empty(labels, {shape.num_clips, shape.num_regions, shape.num_channels});
  with_float_type(features.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    region_max_cpu(feature_grid<T>(features), input<int32_t>(labels), shape, output<T>(values),
                   output<int32_t>(cells));
  });
  return {values, cells};
}

// `grad_sums` is float32, or float64 where `type` is.
Tensor region_spread(const Tensor& grad_sums, const Tensor& labels, std::vector<int64_t> num_regions,
                     std::vector<int64_t> grid, ScalarType type) {
  const RegionPoolShape shape = region_pool_shape(labels, grad_sums.size(2), grid, num_regions);
  Tensor grad = new_empty(grad_sums, {shape.num_clips, shape.num_channels, grid[0], grid[1], grid[2]}, type);
  with_float_type(type, [&](auto zero) {
    using T = decltype(zero);
    region_spread_cpu(input<Sum<T>>(grad_sums), input<int32_t>(labels), shape, output<T>(grad));
  });
  return grad;
}

std::tuple<Tensor, Tensor> nearest_centers(const Tensor& points, const Tensor& centers) {
  const NearestShape shape{points.size(0), points.size(1), centers.size(0), centers.size(1)};
  Tensor labels = new_empty(points, {shape.num_sets, shape.num_points}, ScalarType::Int);
  Tensor distances = new_empty(points, {shape.num_sets, shape.num_points}, ScalarType::Float);
  nearest_centers_cpu(input<float>(points), input<float>(centers), shape, output<int32_t>(labels),
                      output<float>(distances));
  return {labels, distances};
}

Tensor region_overlap(const Tensor& a, const Tensor& b, int64_t num_a, int64_t num_b) {
  const int64_t num_clips = a.size(0), num_voxels = volume_of(a).num_voxels();
  Tensor counts = new_zeros(a, {num_clips, num_a, num_b}, ScalarType::Long);
  const int32_t *first = input<int32_t>(a), *second = input<int32_t>(b);
  parallel_for(0, num_clips, std::max<int64_t>(1, 65536 / (num_voxels + 1)), [&](int64_t begin, int64_t end) {
    for (int64_t clip = begin; clip < end; ++clip) {
      region_overlap_cpu(first + clip * num_voxels, second + clip * num_voxels, num_voxels, num_a, num_b,
                         output<int64_t>(counts) + clip * num_a * num_b);
    }
  });
  return counts;
}

// `boxes`: first frame, top, bottom, left and right of each patch; `size`: frames, rows and columns of a
// patch.
Tensor region_patches(const Tensor& frames, const Tensor& labels, std::vector<int64_t> regions,
                      std::vector<int64_t> boxes, std::vector<int64_t> size, int64_t fill,
                      std::vector<double> scale, std::vector<double> shift) {
  const int64_t num_patches = static_cast<int64_t>(regions.size());
  const RegionPatchesShape shape{volume_of(labels), labels.size(0), num_patches, {size[0], size[1], size[2]}};
  const std::vector<RegionBox> cuts = region_boxes(regions, boxes);
  Tensor patches = new_empty(frames, {num_patches, size[0], size[1], size[2], 3}, ScalarType::Float);
  region_patches_cpu(input<uint8_t>(frames), input<int32_t>(labels), shape, cuts.data(),
                     pixel_scale(fill, scale, shift), output<float>(patches));
  return patches;
}

}  // namespace

STABLE_TORCH_LIBRARY(ace3d, library) { define_ops(library); }

STABLE_TORCH_LIBRARY_IMPL(ace3d, CPU, library) {
  library.impl("rgb_to_lab", TORCH_BOX(&rgb_to_lab));
  library.impl("clips_to_lab", TORCH_BOX(&clips_to_lab));
  library.impl("gaussian_smooth", TORCH_BOX(&gaussian_smooth));
  library.impl("smooth_lab", TORCH_BOX(&smooth_lab));
  library.impl("slic3d", TORCH_BOX(&slic3d));
  library.impl("slic3d_frames", TORCH_BOX(&slic3d_frames));
  library.impl("enforce_connectivity", TORCH_BOX(&enforce_connectivity));
  library.impl("enforce_connectivity_", TORCH_BOX(&enforce_connectivity_));
  library.impl("connect_by_color", TORCH_BOX(&connect_by_color));
  library.impl("region_pool", TORCH_BOX(&region_pool));
  library.impl("region_max", TORCH_BOX(&region_max));
  library.impl("region_spread", TORCH_BOX(&region_spread));
  library.impl("nearest_centers", TORCH_BOX(&nearest_centers));
  library.impl("region_overlap", TORCH_BOX(&region_overlap));
  library.impl("region_patches", TORCH_BOX(&region_patches));
}

}  // namespace ace3d
