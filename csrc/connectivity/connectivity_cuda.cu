// enforce_connectivity on the GPU: the labels of the CPU.
//
// A component is named by its first voxel. Components are found by union-find (Playne and Hawick 2018); those
// above the largest size are cut by a block each, the small ones are walked by a warp or a block each, and
// what a small one joins follows from its own walk alone. Only components that meet no neighbour before them
// depend on each other; they are rare (without background at most the first one of a volume), and one block
// takes them in order. New labels are ranks, from a scan over voxels.
//
// `queue` holds the voxels of small components in the order of their walks. Volumes are taken in passes, so
// that the workspace stays small; nothing returns to the host.
#define ACE3D_WITH_CUDA
#include "connectivity/components.cuh"
#include "connectivity/connectivity.h"
#include "connectivity/cut.cuh"
#include "connectivity/passes.cuh"
#include "connectivity/ranks.cuh"
#include "connectivity/small_components.cuh"

namespace ace3d {
namespace {

void launch_pass(const Pass& pass, int64_t num_jobs, void* stream) {
  const int64_t blocks = num_jobs * pass.blocks;
  launch_components(pass, num_jobs, stream);
  ACE3D_LAUNCH(cut_kernel, blocks, 0, stream, pass);
  ACE3D_LAUNCH(settle_kernel, blocks, 0, stream, pass);
  if (pass.repair) {
    ACE3D_LAUNCH(list_kernel, blocks, 0, stream, pass);
    ACE3D_LAUNCH(repair_kernel, num_jobs, 0, stream, pass);
  }
  launch_ranks(pass, num_jobs, stream);
  if (!pass.repair) ACE3D_LAUNCH(publish_kernel, num_jobs, 0, stream, pass);
  ACE3D_LAUNCH(write_kernel, blocks, 0, stream, pass);
}

}  // namespace

int64_t connectivity_work_words(int64_t num_clips, int64_t num_maps, VolumeShape shape, bool repair) {
  return words_of_passes(num_clips, num_maps, shape.num_voxels(), repair);
}

void launch_enforce_connectivity(const int32_t* labels, int64_t num_clips, int64_t num_maps,
                                 VolumeShape shape, const ConnectivityOptions* options, int32_t* out,
                                 int32_t* num_labels, int32_t* work, void* stream) {
  const LabelMaps maps{labels, num_clips, num_maps, shape, out, num_labels};
  const bool repair = num_maps > 0 && options[0].repair;
  for_each_pass(
      maps, repair, [&](int64_t map) { return SizeLimits{options[map].min_size, options[map].max_size}; },
      work, [&](const Pass& pass, int64_t, int64_t num_jobs) { launch_pass(pass, num_jobs, stream); });
}

}  // namespace ace3d
