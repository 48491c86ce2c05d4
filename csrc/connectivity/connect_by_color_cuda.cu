// connect_by_color on the GPU: the labels of the CPU.
//
// A component is named by its first voxel. Each round takes three steps over the voxels of small components:
// every component offers the least distance of its colour to a component that has a region, then the first
// component at that distance, then joins its region. So nobody reads what the same round writes. Most are
// done after the first rounds, of all blocks; one block a volume goes on until none joins, starts regions in
// what background cuts off, and goes on again. Sums of colours are whole numbers, distances are those of the
// CPU.
#define ACE3D_WITH_CUDA
#include "connectivity/components.cuh"
#include "connectivity/connect_by_color.h"
#include "connectivity/passes.cuh"
#include "connectivity/ranks.cuh"

namespace ace3d {
namespace {

using Word = unsigned long long;

constexpr int kWideRounds = 4;
constexpr int32_t kNoRegion = -1;
constexpr int32_t kNothing = INT32_MAX;
constexpr int32_t kWaits = -1;
constexpr Word kFar = ~Word{0};

// The workspace beside that of the pass: distances [volume, voxel] and sums of colours, then their means,
// [volume, voxel, channel].
struct ColorPass {
  Pass pass;
  const uint8_t* colors;  // of the first clip
  int32_t channels;
  Word *distances, *sums;
};

// As of a Volume, but
//   firsts   of components: the component that started their region; kNoRegion
//   places   of small components: the component that they join in this round; kNothing
//   queue    the voxels of small components, in any order
//   counters cut_used: components without a region, as far as all blocks go
struct ColorVolume : Volume {
  const uint8_t* colors;
  int32_t channels;
  Word *distances, *sums;

  __device__ ColorVolume(const ColorPass& pass, int job) : Volume(pass.pass, job), channels(pass.channels) {
    const int64_t own = static_cast<int64_t>(job) * num_voxels;
    colors = pass.colors + static_cast<int64_t>(job / pass.pass.num_maps) * num_voxels * channels;
    distances = pass.distances + own;
    sums = pass.sums + own * channels;
  }
  __device__ Word* sums_of(int32_t component) const {
    return sums + static_cast<int64_t>(component) * channels;
  }
  __device__ bool has_region(int32_t component) const { return firsts[component] != kNoRegion; }

  // The squared distance of two mean colours, as a number of the same order.
  __device__ Word distance(int32_t a, int32_t b) const {
    double sum = 0;
    for (int32_t c = 0; c < channels; ++c) {
      const double step = __longlong_as_double(static_cast<long long>(sums_of(a)[c])) -
                          __longlong_as_double(static_cast<long long>(sums_of(b)[c]));
      sum += step * step;
    }
    return static_cast<Word>(__double_as_longlong(sum));
  }

  // Calls visit(component) for the other components beside a voxel of `component`.
  template <class Visit>
  __device__ void for_each_other(int32_t voxel, int32_t component, const Visit& visit) const {
    const Place place(extent, voxel);
    for (int side = 0; side < kSides; ++side) {
      const int32_t beside = place.beside(side);
      const int32_t other = beside < 0 ? kNoComponent : maps.components[beside];
      if (other >= 0 && other != component) visit(other);
    }
  }
};

__global__ void prepare_kernel(ColorPass pass) {
  const ColorVolume volume(pass, static_cast<int>(blockIdx.x / pass.pass.blocks));
  const int32_t voxel = own_voxel(pass.pass);
  const int32_t component = voxel < volume.num_voxels ? volume.maps.components[voxel] : kNoComponent;
  const bool small = component >= 0 && !volume.is_region(component);
  const WarpTeam warp;
  int total = 0;
  const int before = warp.before(static_cast<int>(small), total);
  int32_t place = warp.rank() == 0 && total > 0 ? atomicAdd(&volume.counters->queue_used, total) : 0;
  place = __shfl_sync(kAllLanes, place, 0);
  if (small) volume.queue[place + before] = voxel;
  if (!volume.is_component(voxel)) return;
  volume.firsts[voxel] = small ? kNoRegion : voxel;
  volume.places[voxel] = kNothing;
  volume.distances[voxel] = kFar;
  if (small) atomicAdd(&volume.counters->cut_used, 1);
  for (int32_t c = 0; c < volume.channels; ++c) volume.sums_of(voxel)[c] = 0;
}

// The first lane of a run of one component within the warp adds its colours.
__global__ void sum_kernel(ColorPass pass) {
  const ColorVolume volume(pass, static_cast<int>(blockIdx.x / pass.pass.blocks));
  const int32_t voxel = own_voxel(pass.pass);
  const int32_t component = voxel < volume.num_voxels ? volume.maps.components[voxel] : kNoComponent;
  const unsigned heads = run_heads(component, false);
  const int lane = WarpTeam().rank();
  if ((heads >> lane & 1) == 0 || component < 0) return;
  const int length = run_length(heads, lane);
  for (int32_t c = 0; c < volume.channels; ++c) {
    const uint8_t* colors = volume.colors + static_cast<int64_t>(voxel) * volume.channels + c;
    uint32_t sum = 0;
    for (int32_t i = 0; i < length; ++i, colors += volume.channels) sum += *colors;
    atomicAdd(&volume.sums_of(component)[c], static_cast<Word>(sum));
  }
}

__global__ void mean_kernel(ColorPass pass) {
  const ColorVolume volume(pass, static_cast<int>(blockIdx.x / pass.pass.blocks));
  const int32_t voxel = own_voxel(pass.pass);
  if (!volume.is_component(voxel)) return;
  for (int32_t c = 0; c < volume.channels; ++c) {
    Word& value = volume.sums_of(voxel)[c];
    const double mean = static_cast<double>(value) / volume.sizes[voxel];
    value = static_cast<Word>(__double_as_longlong(mean));
  }
}

// The three steps of a round, for one voxel of a small component.

__device__ void offer(const ColorVolume& volume, int32_t voxel) {
  const int32_t component = volume.maps.components[voxel];
  if (volume.has_region(component)) return;
  volume.for_each_other(voxel, component, [&](int32_t other) {
    if (volume.has_region(other)) atomicMin(&volume.distances[component], volume.distance(component, other));
  });
}

__device__ void choose(const ColorVolume& volume, int32_t voxel) {
  const int32_t component = volume.maps.components[voxel];
  if (volume.has_region(component) || volume.distances[component] == kFar) return;
  volume.for_each_other(voxel, component, [&](int32_t other) {
    if (volume.has_region(other) && volume.distance(component, other) == volume.distances[component]) {
      atomicMin(&volume.places[component], other);
    }
  });
}

__device__ bool join(const ColorVolume& volume, int32_t voxel) {
  if (volume.maps.components[voxel] != voxel || volume.has_region(voxel)) return false;
  const int32_t chosen = volume.places[voxel];
  if (chosen == kNothing) return false;
  volume.firsts[voxel] = volume.firsts[chosen];
  return true;
}

__global__ void offer_kernel(ColorPass pass) {
  const ColorVolume volume(pass, static_cast<int>(blockIdx.x / pass.pass.blocks));
  const int32_t place = own_voxel(pass.pass);
  if (place < volume.counters->queue_used) offer(volume, volume.queue[place]);
}

__global__ void choose_kernel(ColorPass pass) {
  const ColorVolume volume(pass, static_cast<int>(blockIdx.x / pass.pass.blocks));
  const int32_t place = own_voxel(pass.pass);
  if (place < volume.counters->queue_used) choose(volume, volume.queue[place]);
}

__global__ void join_region_kernel(ColorPass pass) {
  const ColorVolume volume(pass, static_cast<int>(blockIdx.x / pass.pass.blocks));
  const int32_t place = own_voxel(pass.pass);
  if (place < volume.counters->queue_used && join(volume, volume.queue[place])) {
    atomicAdd(&volume.counters->cut_used, -1);
  }
}

// Calls step(voxel) for every voxel of a small component, by a block; then all threads have.
template <class Step>
__device__ void for_each_small(const ColorVolume& volume, const Step& step) {
  const int32_t end = volume.counters->queue_used;
  for (int32_t i = BlockTeam().rank(); i < end; i += BlockTeam::kSize) step(volume.queue[i]);
  __syncthreads();
}

__device__ void run_rounds(const ColorVolume& volume) {
  while (true) {
    bool joined = false;
    for_each_small(volume, [&](int32_t voxel) { offer(volume, voxel); });
    for_each_small(volume, [&](int32_t voxel) { choose(volume, voxel); });
    for_each_small(volume, [&](int32_t voxel) { joined |= join(volume, voxel); });
    if (__syncthreads_or(static_cast<int>(joined)) == 0) return;
  }
}

__global__ void finish_kernel(ColorPass pass) {
  const ColorVolume volume(pass, static_cast<int>(blockIdx.x));
  if (volume.counters->cut_used == 0) return;  // one block goes through them slowly
  run_rounds(volume);
  // What is left is cut off; what touches nothing of that before it in scan order starts regions.
  for_each_small(volume, [&](int32_t voxel) {
    const int32_t component = volume.maps.components[voxel];
    if (volume.has_region(component)) return;
    volume.for_each_other(voxel, component, [&](int32_t other) {
      if (other < component) racing_write(&volume.places[component], kWaits);
    });
  });
  for_each_small(volume, [&](int32_t voxel) {
    if (volume.maps.components[voxel] != voxel || volume.has_region(voxel)) return;
    if (volume.places[voxel] == kNothing) volume.firsts[voxel] = voxel;
    volume.places[voxel] = kNothing;
  });
  run_rounds(volume);
}

// A region is named by its first voxel from here on, as the ranks want it; `claims` brings the names.
__global__ void name_kernel(Pass pass) {
  const Volume volume(pass, static_cast<int>(blockIdx.x / pass.blocks));
  const int32_t voxel = own_voxel(pass);
  if (volume.is_component(voxel)) atomicMin(&volume.maps.claims[volume.firsts[voxel]], voxel);
}

__global__ void rename_kernel(Pass pass) {
  const Volume volume(pass, static_cast<int>(blockIdx.x / pass.blocks));
  const int32_t voxel = own_voxel(pass);
  if (volume.is_component(voxel)) volume.firsts[voxel] = volume.maps.claims[volume.firsts[voxel]];
}

void launch_pass(const ColorPass& pass, int64_t num_jobs, void* stream) {
  const int64_t blocks = num_jobs * pass.pass.blocks;
  launch_components(pass.pass, num_jobs, stream);
  ACE3D_LAUNCH(prepare_kernel, blocks, 0, stream, pass);
  ACE3D_LAUNCH(sum_kernel, blocks, 0, stream, pass);
  ACE3D_LAUNCH(mean_kernel, blocks, 0, stream, pass);
  for (int round = 0; round < kWideRounds; ++round) {
    ACE3D_LAUNCH(offer_kernel, blocks, 0, stream, pass);
    ACE3D_LAUNCH(choose_kernel, blocks, 0, stream, pass);
    ACE3D_LAUNCH(join_region_kernel, blocks, 0, stream, pass);
  }
  ACE3D_LAUNCH(finish_kernel, num_jobs, 0, stream, pass);
  ACE3D_LAUNCH(name_kernel, blocks, 0, stream, pass.pass);
  ACE3D_LAUNCH(rename_kernel, blocks, 0, stream, pass.pass);
  launch_ranks(pass.pass, num_jobs, stream);
  ACE3D_LAUNCH(write_kernel, blocks, 0, stream, pass.pass);
}

int64_t num_words(int64_t num_clips, int64_t num_maps, int64_t channels, int64_t num_voxels) {
  return volumes_per_pass(num_clips, num_maps, num_voxels) * num_voxels * (1 + channels);
}

}  // namespace

int64_t connect_by_color_work_bytes(int64_t num_clips, int64_t num_maps, int64_t channels,
                                    VolumeShape shape) {
  const int64_t num_voxels = shape.num_voxels();
  return static_cast<int64_t>(sizeof(Word)) * num_words(num_clips, num_maps, channels, num_voxels) +
         static_cast<int64_t>(sizeof(int32_t)) * words_of_passes(num_clips, num_maps, num_voxels, true);
}

void launch_connect_by_color(const int32_t* labels, const uint8_t* colors, int64_t num_clips,
                             int64_t num_maps, int64_t channels, VolumeShape shape, const int64_t* min_sizes,
                             int32_t* out, int32_t* num_labels, uint8_t* work, void* stream) {
  const int64_t num_voxels = shape.num_voxels();
  Word* const words = reinterpret_cast<Word*>(work);
  int32_t* const rest =
      reinterpret_cast<int32_t*>(words + num_words(num_clips, num_maps, channels, num_voxels));
  const LabelMaps maps{labels, num_clips, num_maps, shape, out, num_labels};
  for_each_pass(
      maps, true, [&](int64_t map) { return SizeLimits{min_sizes[map], INT32_MAX}; }, rest,
      [&](const Pass& pass, int64_t clip, int64_t num_jobs) {
        const ColorPass of_colors{pass, colors + clip * num_voxels * channels, static_cast<int32_t>(channels),
                                  words, words + num_jobs * num_voxels};
        launch_pass(of_colors, num_jobs, stream);
      });
}

}  // namespace ace3d
