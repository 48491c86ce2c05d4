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
#include <algorithm>

#define ACE3D_WITH_CUDA
#include "common/team.cuh"
#include "connectivity/connectivity.h"
#include "connectivity/walk.cuh"

namespace ace3d {
namespace {

constexpr int kMaxMaps = 64;
constexpr int kWarpVoxels = 512;  // a larger component is walked by a block
constexpr int kTileVoxels = 8 * kThreadsPerBlock;
constexpr int64_t kPassVoxels = int64_t{1} << 25;

struct Counters {
  int32_t cut_used, queue_used;  // of the queue
  int32_t first_lost, last_lost;
};

// The volumes of one pass: `num_maps` maps of each clip from `first_clip` on, `stride` voxels from one clip
// to the next.
struct Pass {
  Extent extent;
  int64_t stride;
  int32_t num_maps;
  int32_t tiles;          // of a volume
  int32_t blocks;         // of a volume, a voxel a thread
  const int32_t* labels;  // of the first volume
  int32_t* out;
  int32_t* num_labels;
  int64_t labels_stride;  // of num_labels
  bool repair;
  int32_t least[kMaxMaps], most[kMaxMaps];
  // The workspace: [volume, voxel], then [volume, tile] and [volume].
  int32_t *components, *claims, *queue, *sizes, *firsts, *places, *ranks, *tile_counts;
  Counters* counters;
};

// What kernels see of one volume.
//   firsts   of components: one that comes before and has the same new label; itself where there is none
//   places   of small components: where its voxels begin in `queue`; of those that met none, the complement
struct Volume {
  Extent extent;
  WalkMaps maps;
  const int32_t* labels;
  int32_t *out, *num_labels, *queue, *sizes, *firsts, *places, *ranks, *tile_counts;
  Counters* counters;
  int32_t least, most, num_voxels;
  bool repair;

  __device__ Volume(const Pass& pass, int job)
      : extent(pass.extent), num_voxels(pass.extent.num_voxels()), repair(pass.repair) {
    const int clip = job / pass.num_maps, map = job % pass.num_maps;
    const int64_t given = clip * pass.stride + static_cast<int64_t>(map) * num_voxels;
    const int64_t own = static_cast<int64_t>(job) * num_voxels;
    maps = {pass.extent, pass.components + own, pass.claims + own};
    labels = pass.labels + given;
    out = pass.out + given;
    num_labels = pass.num_labels + clip * pass.labels_stride + map;
    queue = pass.queue + own;
    sizes = pass.sizes + own;
    firsts = pass.firsts + own;
    places = pass.places + own;
    ranks = pass.ranks + own;
    tile_counts = pass.tile_counts + static_cast<int64_t>(job) * pass.tiles;
    counters = pass.counters + job;
    least = pass.least[map];
    most = pass.most[map];
  }
  __device__ bool is_component(int32_t voxel) const {
    return voxel < num_voxels && maps.components[voxel] == voxel;
  }
  __device__ bool is_region(int32_t component) const { return sizes[component] >= least; }
  __device__ bool is_lost(int32_t component) const { return !is_region(component) && places[component] < 0; }
  // Where the voxels of a small component begin.
  __device__ const int32_t* walked(int32_t component) const {
    const int32_t place = places[component];
    return queue + (place < 0 ? ~place : place);
  }
};

__device__ int32_t find(const int32_t* parents, int32_t at) {
  while (parents[at] != at) at = parents[at];
  return at;
}

__device__ void unite(int32_t* parents, int32_t a, int32_t b) {
  while (true) {
    a = find(parents, a);
    b = find(parents, b);
    if (a == b) return;
    const int32_t later = a > b ? a : b, earlier = a > b ? b : a;
    const int32_t before = atomicMin(&parents[later], earlier);
    if (before == later) return;
    a = before;  // another thread had joined `later` to something
    b = earlier;
  }
}

// Bits of the lanes at which runs of equal values begin, given each lane's.
__device__ unsigned run_heads(int32_t value, bool begins_row) {
  const int lane = WarpTeam().rank();
  const int32_t left = __shfl_sync(kAllLanes, value, (lane + kWarpThreads - 1) % kWarpThreads);
  return __ballot_sync(kAllLanes, lane == 0 || begins_row || left != value);
}

__device__ int32_t own_voxel(const Pass& pass) {
  return static_cast<int32_t>(blockIdx.x % pass.blocks) * kThreadsPerBlock +
         static_cast<int32_t>(threadIdx.x);
}

// Each voxel becomes a child of the first of its run within the warp.
__global__ void start_kernel(Pass pass) {
  const Volume volume(pass, static_cast<int>(blockIdx.x / pass.blocks));
  const int32_t voxel = own_voxel(pass);
  if (voxel == 0) *volume.counters = {0, 0, INT32_MAX, -1};
  const int32_t label = voxel < volume.num_voxels ? volume.labels[voxel] : -1;
  const unsigned heads = run_heads(label, voxel % pass.extent.width == 0);
  if (voxel >= volume.num_voxels) return;
  const int lane = WarpTeam().rank();
  const int head = 31 - __clz(static_cast<int>(heads & (kAllLanes >> (31 - lane))));
  volume.maps.components[voxel] = label < 0 ? kNoComponent : voxel - (lane - head);
  volume.maps.claims[voxel] = kUnclaimed;
  volume.sizes[voxel] = 0;
}

// Join runs with those before them. Where the voxel to the left is joined to the same two, nothing is left to
// do.
__global__ void join_kernel(Pass pass) {
  const Volume volume(pass, static_cast<int>(blockIdx.x / pass.blocks));
  const int32_t voxel = own_voxel(pass);
  if (voxel >= volume.num_voxels) return;
  const int32_t* labels = volume.labels + voxel;
  const int32_t label = labels[0], width = pass.extent.width, plane = pass.extent.plane();
  if (label < 0) return;
  const bool as_left = voxel % width > 0 && labels[-1] == label;
  if (as_left && WarpTeam().rank() == 0) unite(volume.maps.components, voxel, voxel - 1);
  if (voxel % plane >= width && labels[-width] == label && !(as_left && labels[-width - 1] == label)) {
    unite(volume.maps.components, voxel, voxel - width);
  }
  if (voxel >= plane && labels[-plane] == label && !(as_left && labels[-plane - 1] == label)) {
    unite(volume.maps.components, voxel, voxel - plane);
  }
}

__global__ void measure_kernel(Pass pass) {
  const Volume volume(pass, static_cast<int>(blockIdx.x / pass.blocks));
  const int32_t voxel = own_voxel(pass);
  int32_t* components = volume.maps.components;
  int32_t component = kNoComponent;
  if (voxel < volume.num_voxels && components[voxel] != kNoComponent) {
    component = find(components, voxel);
    components[voxel] = component;
  }
  const unsigned heads = run_heads(component, false);
  const int lane = WarpTeam().rank();
  if ((heads >> lane & 1) == 0 || component < 0) return;
  const unsigned later = lane == 31 ? 0 : heads >> (lane + 1);
  atomicAdd(&volume.sizes[component], later == 0 ? kWarpThreads - lane : __ffs(static_cast<int>(later)));
}

// Cut a component into pieces, each grown from the first voxel left.
__device__ void cut(const BlockTeam& team, const Volume& volume, int32_t component) {
  __shared__ int32_t place;
  const int32_t size = volume.sizes[component];
  if (team.rank() == 0) place = atomicAdd(&volume.counters->cut_used, size);
  team.sync();
  int32_t* const queue = volume.queue + place;
  int32_t first = component;
  for (int32_t done = 0; done < size;) {
    const int32_t count = walk(team, volume.maps, first, component, ~first, volume.most, queue + done);
    if (team.rank() == 0) volume.sizes[first] = count;
    done += count;
    for (int32_t base = first + 1; done < size; base += BlockTeam::kSize) {
      const int32_t voxel = base + team.rank();
      const bool left = voxel < volume.num_voxels && volume.maps.components[voxel] == component;
      const uint64_t found = team.greatest(left ? static_cast<uint64_t>(INT32_MAX - voxel) + 1 : 0);
      if (found == 0) continue;
      first = static_cast<int32_t>(INT32_MAX - (found - 1));
      break;
    }
  }
  for (int32_t i = team.rank(); i < size; i += BlockTeam::kSize) {
    volume.maps.claims[queue[i]] = kUnclaimed;
    volume.maps.components[queue[i]] = ~volume.maps.components[queue[i]];
  }
  team.sync();
}

// Calls `take` with the voxels of this block, one after the other, of the threads that want that.
template <class Take>
__device__ void one_by_one(bool wanted, int32_t voxel, const Take& take) {
  __shared__ unsigned wants[kWarpsPerBlock];
  const unsigned lanes = __ballot_sync(kAllLanes, wanted);
  if (WarpTeam().rank() == 0) wants[threadIdx.x / kWarpThreads] = lanes;
  __syncthreads();
  for (int warp = 0; warp < kWarpsPerBlock; ++warp) {
    for (unsigned left = wants[warp]; left != 0; left &= left - 1) {
      const int thread = warp * kWarpThreads + __ffs(static_cast<int>(left)) - 1;
      take(voxel - static_cast<int32_t>(threadIdx.x) + thread);
    }
  }
}

__global__ void cut_kernel(Pass pass) {
  const Volume volume(pass, static_cast<int>(blockIdx.x / pass.blocks));
  const int32_t voxel = own_voxel(pass);
  const bool large = volume.is_component(voxel) && volume.sizes[voxel] > volume.most;
  one_by_one(large, voxel, [&](int32_t component) { cut(BlockTeam(), volume, component); });
}

// Find what a small component joins.
template <class Team>
__device__ void settle(const Team& team, const Volume& volume, int32_t component, int32_t place) {
  int32_t* const queue = volume.queue + place;
  const int32_t count = walk(team, volume.maps, component, component, component, volume.most, queue);
  const int32_t met =
      last_met(team, volume.maps, component, count, volume.most, queue, [](int32_t) { return true; });
  if (team.rank() != 0) return;
  volume.firsts[component] = met < 0 ? component : met;
  volume.places[component] = met < 0 ? ~place : place;
  if (met >= 0) return;
  atomicMin(&volume.counters->first_lost, component);
  atomicMax(&volume.counters->last_lost, component);
}

__global__ void settle_kernel(Pass pass) {
  __shared__ int32_t block_place;
  const Volume volume(pass, static_cast<int>(blockIdx.x / pass.blocks));
  const int32_t voxel = own_voxel(pass);
  const bool component = volume.is_component(voxel), small = component && !volume.is_region(voxel);
  const int32_t size = small ? volume.sizes[voxel] : 0;
  if (component && !small) volume.firsts[voxel] = voxel;
  const WarpTeam warp;
  for (unsigned left = __ballot_sync(kAllLanes, small && size <= kWarpVoxels); left != 0; left &= left - 1) {
    const int lane = __ffs(static_cast<int>(left)) - 1;
    int32_t place = warp.rank() == lane ? atomicAdd(&volume.counters->queue_used, size) : 0;
    place = __shfl_sync(kAllLanes, place, lane);
    settle(warp, volume, voxel - warp.rank() + lane, place);
  }
  one_by_one(small && size > kWarpVoxels, voxel, [&](int32_t wide) {
    if (threadIdx.x == 0) block_place = atomicAdd(&volume.counters->queue_used, volume.sizes[wide]);
    __syncthreads();
    const int32_t place = block_place;
    __syncthreads();
    settle(BlockTeam(), volume, wide, place);
  });
}

// The first voxel in [begin, end) that `wanted` takes; `end` where there is none.
template <class Wanted>
__device__ int32_t next_voxel(int32_t begin, int32_t end, const Wanted& wanted) {
  const BlockTeam team;
  for (int32_t base = begin; base < end; base += BlockTeam::kSize) {
    const int32_t voxel = base + team.rank();
    const bool found = voxel < end && wanted(voxel);
    const uint64_t first = team.greatest(found ? static_cast<uint64_t>(INT32_MAX - voxel) + 1 : 0);
    if (first != 0) return static_cast<int32_t>(INT32_MAX - (first - 1));
  }
  return end;
}

// The components that joined one that met none, as lists: `claims` of each holds the next.
__global__ void list_kernel(Pass pass) {
  const Volume volume(pass, static_cast<int>(blockIdx.x / pass.blocks));
  const int32_t voxel = own_voxel(pass);
  if (volume.counters->last_lost < 0 || !volume.is_component(voxel) || volume.is_region(voxel)) return;
  const int32_t first = find(volume.firsts, voxel);
  if (first != voxel && volume.is_lost(first)) {
    volume.maps.claims[voxel] = atomicExch(&volume.maps.claims[first], voxel);
  }
}

// One that met none joins, with those that joined it, the first region that they touch.
__global__ void repair_kernel(Pass pass) {
  const Volume volume(pass, static_cast<int>(blockIdx.x));
  const BlockTeam team;
  const int32_t end = volume.counters->last_lost + 1;
  for (int32_t lost = volume.counters->first_lost; lost < end;) {
    const int32_t own = find(volume.firsts, lost);
    uint64_t touched = 0;
    for (int32_t member = lost; member != kFirstClaim; member = volume.maps.claims[member]) {
      const int32_t* const voxels = volume.walked(member);
      for (int32_t i = team.rank(); i < volume.sizes[member]; i += BlockTeam::kSize) {
        const Place place(pass.extent, voxels[i]);
        for (int side = 0; side < kSides; ++side) {
          const int32_t voxel = place.beside(side);
          if (voxel < 0 || volume.maps.components[voxel] < 0) continue;
          const int32_t region = find(volume.firsts, volume.maps.components[voxel]);
          const uint64_t order = static_cast<uint64_t>(INT32_MAX - region) + 1;
          if (region != own && order > touched) touched = order;
        }
      }
    }
    touched = team.greatest(touched);
    if (touched != 0 && team.rank() == 0) {
      const int32_t region = static_cast<int32_t>(INT32_MAX - (touched - 1));
      volume.firsts[region > own ? region : own] = region > own ? own : region;
    }
    team.sync();
    lost = next_voxel(lost + 1, end, [&](int32_t v) { return volume.is_component(v) && volume.is_lost(v); });
  }
}

// As published: one that met none gets the label that the next region gets, and until then does not count as
// a neighbour. `ranks` are known. So from each of them up to the next region, in order, components that would
// join such a one are asked again.
__global__ void publish_kernel(Pass pass) {
  const Volume volume(pass, static_cast<int>(blockIdx.x));
  const BlockTeam team;
  const int32_t end = volume.counters->last_lost + 1;
  int32_t lost = volume.counters->first_lost;
  while (lost < end) {
    const int32_t label = volume.ranks[lost];
    if (team.rank() == 0) atomicMax(volume.num_labels, label + 1);
    const auto waits = [&](int32_t component) {
      const int32_t first = find(volume.firsts, component);
      return !volume.is_region(first) && volume.ranks[first] == label;
    };
    int32_t at = lost;
    while (true) {
      at = next_voxel(at + 1, volume.num_voxels, [&](int32_t v) { return volume.is_component(v); });
      if (at == volume.num_voxels || volume.is_region(at)) break;
      const bool again = volume.firsts[at] != at && waits(volume.firsts[at]);
      team.sync();  // all have read `firsts`
      if (!again) continue;
      const int32_t met = last_met(team, volume.maps, at, volume.sizes[at], volume.most, volume.walked(at),
                                   [&](int32_t other) { return !waits(other); });
      if (team.rank() == 0) volume.firsts[at] = met < 0 ? at : met;
      team.sync();
    }
    lost = next_voxel(at + 1, end, [&](int32_t v) { return volume.is_component(v) && volume.is_lost(v); });
  }
}

// Whether a component has a label of its own.
__device__ bool is_counted(const Volume& volume, int32_t voxel) {
  if (!volume.is_component(voxel)) return false;
  return volume.repair ? volume.firsts[voxel] == voxel : volume.is_region(voxel);
}

__global__ void count_kernel(Pass pass) {
  const int tile = static_cast<int>(blockIdx.x % pass.tiles);
  const Volume volume(pass, static_cast<int>(blockIdx.x / pass.tiles));
  int count = 0;
  for (int32_t i = static_cast<int32_t>(threadIdx.x); i < kTileVoxels; i += kThreadsPerBlock) {
    count += static_cast<int>(is_counted(volume, tile * kTileVoxels + i));
  }
  int total = 0;
  BlockTeam().before(count, total);
  if (threadIdx.x == 0) volume.tile_counts[tile] = total;
}

// From the number in each tile to the number before it.
__global__ void sum_tiles_kernel(Pass pass) {
  const Volume volume(pass, static_cast<int>(blockIdx.x));
  int sum = 0;
  for (int32_t base = 0; base < pass.tiles; base += kThreadsPerBlock) {
    const int32_t tile = base + static_cast<int32_t>(threadIdx.x);
    int total = 0;
    const int before = BlockTeam().before(tile < pass.tiles ? volume.tile_counts[tile] : 0, total);
    if (tile < pass.tiles) volume.tile_counts[tile] = sum + before;
    sum += total;
  }
  if (threadIdx.x == 0) *volume.num_labels = sum;
}

__global__ void rank_kernel(Pass pass) {
  const int tile = static_cast<int>(blockIdx.x % pass.tiles);
  const Volume volume(pass, static_cast<int>(blockIdx.x / pass.tiles));
  int sum = volume.tile_counts[tile];
  for (int32_t base = tile * kTileVoxels; base < (tile + 1) * kTileVoxels; base += kThreadsPerBlock) {
    const int32_t voxel = base + static_cast<int32_t>(threadIdx.x);
    int total = 0;
    const int before = BlockTeam().before(static_cast<int>(is_counted(volume, voxel)), total);
    if (volume.is_component(voxel)) volume.ranks[voxel] = sum + before;
    sum += total;
  }
}

__global__ void write_kernel(Pass pass) {
  const Volume volume(pass, static_cast<int>(blockIdx.x / pass.blocks));
  const int32_t voxel = own_voxel(pass);
  if (voxel >= volume.num_voxels) return;
  const int32_t component = volume.maps.components[voxel];
  volume.out[voxel] = component < 0 ? -1 : volume.ranks[find(volume.firsts, component)];
}

void launch_pass(const Pass& pass, int64_t num_jobs, void* stream) {
  const int64_t blocks = num_jobs * pass.blocks, tiles = num_jobs * pass.tiles;
  ACE3D_LAUNCH(start_kernel, blocks, 0, stream, pass);
  ACE3D_LAUNCH(join_kernel, blocks, 0, stream, pass);
  ACE3D_LAUNCH(measure_kernel, blocks, 0, stream, pass);
  ACE3D_LAUNCH(cut_kernel, blocks, 0, stream, pass);
  ACE3D_LAUNCH(settle_kernel, blocks, 0, stream, pass);
  if (pass.repair) {
    ACE3D_LAUNCH(list_kernel, blocks, 0, stream, pass);
    ACE3D_LAUNCH(repair_kernel, num_jobs, 0, stream, pass);
  }
  ACE3D_LAUNCH(count_kernel, tiles, 0, stream, pass);
  ACE3D_LAUNCH(sum_tiles_kernel, num_jobs, 0, stream, pass);
  ACE3D_LAUNCH(rank_kernel, tiles, 0, stream, pass);
  if (!pass.repair) ACE3D_LAUNCH(publish_kernel, num_jobs, 0, stream, pass);
  ACE3D_LAUNCH(write_kernel, blocks, 0, stream, pass);
}

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Volumes of one pass, of `num_maps` maps a clip.
int64_t clips_per_pass(int64_t num_clips, int64_t num_maps, int64_t num_voxels) {
  return std::clamp<int64_t>(kPassVoxels / (num_maps * num_voxels), 1, std::max<int64_t>(num_clips, 1));
}

int64_t words_per_volume(int64_t num_voxels, bool repair) {
  constexpr int64_t kCounterWords = sizeof(Counters) / sizeof(int32_t);
  return (repair ? 6 : 7) * num_voxels + divide_up(num_voxels, kTileVoxels) + kCounterWords;
}

}  // namespace

int64_t connectivity_work_words(int64_t num_clips, int64_t num_maps, VolumeShape shape, bool repair) {
  const int64_t num_voxels = shape.num_voxels(), maps = std::min<int64_t>(num_maps, kMaxMaps);
  if (num_clips == 0) return 0;
  return clips_per_pass(num_clips, maps, num_voxels) * maps * words_per_volume(num_voxels, repair);
}

void launch_enforce_connectivity(const int32_t* labels, int64_t num_clips, int64_t num_maps,
                                 VolumeShape shape, const ConnectivityOptions* options, int32_t* out,
                                 int32_t* num_labels, int32_t* work, void* stream) {
  const int64_t num_voxels = shape.num_voxels();
  Pass pass{};
  pass.extent = {static_cast<int32_t>(shape.depth), static_cast<int32_t>(shape.height),
                 static_cast<int32_t>(shape.width)};
  pass.stride = num_maps * num_voxels;
  pass.labels_stride = num_maps;
  pass.tiles = static_cast<int32_t>(divide_up(num_voxels, kTileVoxels));
  pass.blocks = static_cast<int32_t>(divide_up(num_voxels, kThreadsPerBlock));
  pass.repair = num_maps > 0 && options[0].repair;
  for (int64_t map = 0; map < num_maps; map += kMaxMaps) {
    pass.num_maps = static_cast<int32_t>(std::min<int64_t>(num_maps - map, kMaxMaps));
    for (int32_t i = 0; i < pass.num_maps; ++i) {
      const ConnectivityOptions& of_map = options[map + i];
      pass.least[i] = static_cast<int32_t>(std::min<int64_t>(of_map.min_size, INT32_MAX));
      pass.most[i] = static_cast<int32_t>(std::min<int64_t>(of_map.max_size, INT32_MAX));
    }
    const int64_t step = clips_per_pass(num_clips, pass.num_maps, num_voxels);
    for (int64_t clip = 0; clip < num_clips; clip += step) {
      const int64_t num_jobs = std::min(step, num_clips - clip) * pass.num_maps, all = num_jobs * num_voxels;
      const int64_t given = (clip * num_maps + map) * num_voxels;
      pass.labels = labels + given;
      pass.out = out + given;
      pass.num_labels = num_labels + clip * num_maps + map;
      pass.counters = reinterpret_cast<Counters*>(work);
      int32_t* rest = work + num_jobs * static_cast<int64_t>(sizeof(Counters) / sizeof(int32_t));
      for (int32_t** part :
           {&pass.components, &pass.claims, &pass.queue, &pass.sizes, &pass.firsts, &pass.places}) {
        *part = rest;
        rest += all;
      }
      pass.ranks = pass.places;  // which the scan no longer needs, unless labels are as published
      if (!pass.repair) {
        pass.ranks = rest;
        rest += all;
      }
      pass.tile_counts = rest;
      launch_pass(pass, num_jobs, stream);
    }
  }
}

}  // namespace ace3d
