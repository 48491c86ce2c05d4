// Schemas of the ops: the same for every device.
//
// Inputs are contiguous and of the shapes and types that the Python wrappers in ace3d_fast/ops check and
// document.
#pragma once

namespace ace3d {

template <class Library>
void define_ops(Library& library) {
  library.def("rgb_to_lab(Tensor rgb) -> Tensor");
  library.def("clips_to_lab(Tensor frames, bool stretch) -> Tensor");
  library.def("gaussian_smooth(Tensor volume, float[] sigma) -> Tensor");
  library.def("smooth_lab(Tensor frames, bool stretch, float[] sigma) -> Tensor");
  library.def(
      "slic3d(Tensor volume, Tensor? mask, Tensor? centers, int[] grids, int[] num_centers, float[] apart, "
      "float compactness, int num_iterations, float[] spacing, bool exact, bool adapt_compactness, "
      "bool settle_first, bool return_centers) -> (Tensor, Tensor)");
  library.def(
      "slic3d_frames(Tensor frames, Tensor? centers, int[] grids, int[] num_centers, float[] apart, "
      "float compactness, int num_iterations, float[] spacing) -> Tensor");
  library.def(
      "enforce_connectivity(Tensor labels, int[] min_sizes, int[] max_sizes, bool repair) -> (Tensor, "
      "Tensor)");
  library.def(
      "enforce_connectivity_(Tensor(a!) labels, int[] min_sizes, int[] max_sizes, bool repair) -> Tensor");
  library.def("connect_by_color(Tensor labels, Tensor colors, int[] min_sizes) -> (Tensor, Tensor)");
  // `num_regions`: regions of each label map, numbered one map after the other in the results; or one number
  // for all maps, which then share their regions.
  library.def(
      "region_pool(Tensor features, Tensor labels, int[] num_regions, bool mean) -> (Tensor, Tensor)");
  library.def("region_max(Tensor features, Tensor labels, int[] num_regions) -> (Tensor, Tensor)");
  library.def(
      "region_spread(Tensor grad_sums, Tensor labels, int[] num_regions, int[] grid, ScalarType type) -> "
      "Tensor");
  library.def("nearest_centers(Tensor points, Tensor centers) -> (Tensor, Tensor)");
  library.def("region_overlap(Tensor a, Tensor b, int num_a, int num_b) -> Tensor");
  library.def(
      "region_patches(Tensor frames, Tensor labels, int[] regions, int[] boxes, int[] size, int fill, "
      "float[] scale, float[] shift) -> Tensor");
}

}  // namespace ace3d
