// Entries of cells: a thread a cell where each has one label of every map, else a warp a cell.
#include "common/racing.cuh"
#include "region_pool/region_cells.cuh"

namespace ace3d {
namespace {

using Word = unsigned long long;

struct Range {
  int32_t begin, end;
};

// Label indices of the points in a cell along an axis.
__device__ Range labels_of(int64_t cell, int64_t num_cells, int64_t num_voxels) {
  if (num_cells >= num_voxels) {
    const auto voxel = static_cast<int32_t>(cell * num_voxels / num_cells);
    return {voxel, voxel + 1};
  }
  return {static_cast<int32_t>((cell * num_voxels + num_cells - 1) / num_cells),
          static_cast<int32_t>(((cell + 1) * num_voxels + num_cells - 1) / num_cells)};
}

struct CellBox {
  Range at[3];
  __device__ CellBox(const PoolGrid& grid, int64_t cell) {
    const int64_t row = grid.cells[2], plane = row * grid.cells[1];
    at[0] = labels_of(cell / plane, grid.cells[0], grid.voxels[0]);
    at[1] = labels_of(cell % plane / row, grid.cells[1], grid.voxels[1]);
    at[2] = labels_of(cell % row, grid.cells[2], grid.voxels[2]);
  }
  __device__ int32_t size(int axis) const { return at[axis].end - at[axis].begin; }
  __device__ int32_t num_points() const { return size(0) * size(1) * size(2); }
  __device__ int64_t voxel(const PoolGrid& grid, int32_t point) const {
    const int32_t row = size(2), plane = row * size(1);
    const int64_t t = at[0].begin + point / plane, y = at[1].begin + point % plane / row;
    return (t * grid.voxels[1] + y) * grid.voxels[2] + at[2].begin + point % row;
  }
};

__device__ int32_t region_of(const PoolGrid& grid, int32_t map, int32_t label) {
  return label >= 0 && label < grid.counts[map] ? grid.firsts[map] + label : -1;
}

__device__ void mark(const PoolGrid& grid, const CellMaps& maps, int64_t clip, int64_t cell, int32_t region) {
  uint32_t* const word =
      maps.present + grid.chunk_at(clip, cell / grid.chunk_cells) * grid.num_words + region / 32;
  const uint32_t bit = 1u << (region % 32);
  if ((racing_read(word) & bit) == 0) atomicOr(word, bit);  // not seen yet: it is set once more
}

__global__ void single_kernel(PoolGrid grid, const int32_t* __restrict__ labels, CellMaps maps,
                              Word* counts) {
  const int64_t blocks = (grid.num_cells + kThreadsPerBlock - 1) / kThreadsPerBlock;
  const int64_t clip = blockIdx.x / blocks, cell = blockIdx.x % blocks * kThreadsPerBlock + threadIdx.x;
  const bool inside = cell < grid.num_cells;
  const int64_t voxel = inside ? CellBox(grid, cell).voxel(grid, 0) : 0;
  for (int32_t map = 0; map < grid.num_maps; ++map) {
    const int64_t row = clip * grid.num_maps + map;
    const int32_t region = inside ? region_of(grid, map, labels[row * grid.num_voxels + voxel]) : -1;
    if (inside) maps.regions[row * grid.num_cells + cell] = region;
    const unsigned same = __match_any_sync(kAllLanes, region);
    const bool speaks = region >= 0 && __ffs(static_cast<int>(same)) - 1 == WarpTeam().rank();
    if (speaks && counts != nullptr) {
      atomicAdd(&counts[clip * grid.num_regions + region], static_cast<Word>(__popc(same)));
    }
    if (speaks) mark(grid, maps, clip, cell, region);  // no warp lies in two chunks
  }
}

// Entries so far: of lane i, slot i; those beyond in memory.
__global__ void several_kernel(PoolGrid grid, const int32_t* __restrict__ labels, CellMaps maps,
                               Word* counts) {
  const int64_t blocks = (grid.num_cells + kWarpsPerBlock - 1) / kWarpsPerBlock;
  const int64_t clip = blockIdx.x / blocks;
  const int64_t cell = blockIdx.x % blocks * kWarpsPerBlock + threadIdx.x / kWarpThreads;
  if (cell >= grid.num_cells) return;
  const int lane = WarpTeam().rank();
  const CellBox box(grid, cell);
  const int32_t num_points = box.num_points();
  const auto at = [&](int32_t slot) { return (clip * grid.slots + slot) * grid.num_cells + cell; };
  int32_t own_region = -1, own_points = 0, used = 0;
  for (int64_t base = 0; base < int64_t{1} * num_points * grid.num_maps; base += kWarpThreads) {
    const int64_t i = base + lane;
    const auto map = static_cast<int32_t>(i / num_points);
    int32_t region = -1;
    if (map < grid.num_maps) {
      const int64_t voxel = box.voxel(grid, static_cast<int32_t>(i % num_points));
      region = region_of(grid, map, labels[(clip * grid.num_maps + map) * grid.num_voxels + voxel]);
    }
    const unsigned same = __match_any_sync(kAllLanes, region);
    unsigned speakers = __ballot_sync(kAllLanes, region >= 0 && __ffs(static_cast<int>(same)) - 1 == lane);
    for (; speakers != 0; speakers &= speakers - 1) {
      const int speaker = __ffs(static_cast<int>(speakers)) - 1;
      const int32_t found = __shfl_sync(kAllLanes, region, speaker);
      const int32_t more = __popc(__shfl_sync(kAllLanes, same, speaker));
      bool known = own_region == found;
      if (known) own_points += more;
      known = __ballot_sync(kAllLanes, known) != 0;
      for (int32_t slot = kWarpThreads; slot < used && !known; slot += kWarpThreads) {
        const bool here = slot + lane < used && maps.regions[at(slot + lane)] == found;
        if (here) maps.points[at(slot + lane)] += more;
        known = __ballot_sync(kAllLanes, here) != 0;
      }
      if (known) continue;
      if (used < kWarpThreads && lane == used) own_region = found, own_points = more;
      if (used >= kWarpThreads && lane == 0) maps.regions[at(used)] = found, maps.points[at(used)] = more;
      ++used;
      __syncwarp();
    }
  }
  if (lane < used) maps.regions[at(lane)] = own_region, maps.points[at(lane)] = own_points;
  __syncwarp();
  for (int32_t slot = lane; slot < used; slot += kWarpThreads) {
    const int32_t region = maps.regions[at(slot)];
    mark(grid, maps, clip, cell, region);
    if (counts != nullptr) {
      atomicAdd(&counts[clip * grid.num_regions + region], static_cast<Word>(maps.points[at(slot)]));
    }
  }
  if (used < grid.slots && lane == 0) maps.regions[at(used)] = -1;
}

// A warp a chunk.
__global__ void list_kernel(PoolGrid grid, CellMaps maps) {
  const int64_t chunk = int64_t{1} * blockIdx.x * kWarpsPerBlock + threadIdx.x / kWarpThreads;
  if (chunk >= int64_t{1} * grid.num_clips * grid.num_chunks) return;
  const WarpTeam warp;
  int sum = 0;
  for (int32_t base = 0; base < grid.num_words; base += kWarpThreads) {
    const int32_t word = base + warp.rank();
    uint32_t bits = word < grid.num_words ? maps.present[chunk * grid.num_words + word] : 0;
    int total = 0;
    int to = sum + warp.before(__popc(bits), total);
    if (word < grid.num_words) maps.before[chunk * (grid.num_words + 1) + word] = to;
    for (; bits != 0; bits &= bits - 1) {
      maps.lists[chunk * grid.num_regions + to++] = 32 * word + __ffs(static_cast<int>(bits)) - 1;
    }
    sum += total;
  }
  if (warp.rank() == 0) maps.before[chunk * (grid.num_words + 1) + grid.num_words] = sum;
}

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t aligned(int64_t bytes) { return divide_up(bytes, 16) * 16; }

struct Sizes {
  int64_t regions, points, present, before, lists, partials;
};

Sizes sizes_of(const PoolGrid& grid, bool sums) {
  const int64_t chunks = grid.num_chunks, entries = int64_t{4} * grid.slots * grid.num_cells;
  return {entries,
          grid.single ? 0 : entries,
          4 * chunks * grid.num_words,
          4 * chunks * (grid.num_words + 1),
          4 * chunks * grid.num_regions,
          sums ? 4 * chunks * grid.num_regions * grid.num_channels : 0};
}

}  // namespace

PoolPlan plan_pool(const RegionPoolShape& shape, bool sums) {
  PoolPlan plan{};
  PoolGrid& grid = plan.grid;
  grid.num_cells = shape.num_cells();
  grid.num_voxels = shape.num_voxels();
  grid.num_channels = static_cast<int32_t>(shape.num_channels);
  grid.num_maps = static_cast<int32_t>(shape.num_maps);
  grid.num_regions = static_cast<int32_t>(shape.num_regions);
  grid.single = true;
  int64_t most_points = shape.num_maps;
  for (int axis = 0; axis < 3; ++axis) {
    grid.cells[axis] = static_cast<int32_t>(shape.cells[axis]);
    grid.voxels[axis] = static_cast<int32_t>(shape.voxels[axis]);
    grid.single = grid.single && shape.cells[axis] >= shape.voxels[axis];
    most_points *= divide_up(shape.voxels[axis], shape.cells[axis]);
  }
  for (int64_t map = 0; map < shape.num_maps; ++map) {
    grid.firsts[map] = static_cast<int32_t>(shape.maps[map].first);
    grid.counts[map] = static_cast<int32_t>(shape.maps[map].count);
  }
  grid.slots =
      grid.single
          ? grid.num_maps
          : static_cast<int32_t>(std::max<int64_t>(1, std::min<int64_t>(shape.num_regions, most_points)));
  grid.num_words = static_cast<int32_t>(divide_up(std::max<int64_t>(shape.num_regions, 1), 32));
  grid.num_groups = static_cast<int32_t>(divide_up(shape.num_channels, kGroupChannels));
  // Small grids go in smaller chunks, so that there are enough of them. This asks for no number of clips:
  // what is computed for a clip does not depend on the others.
  grid.chunk_cells = 2048;
  while (grid.chunk_cells > 2 * kTileCells &&
         grid.num_groups * divide_up(grid.num_cells, grid.chunk_cells) < 256) {
    grid.chunk_cells /= 2;
  }
  grid.num_chunks = static_cast<int32_t>(divide_up(grid.num_cells, grid.chunk_cells));
  plan.all_clips = shape.num_clips;
  plan.sums = sums;
  const Sizes sizes = sizes_of(grid, sums);
  plan.bytes_per_clip = aligned(sizes.regions) + aligned(sizes.points) + aligned(sizes.present) +
                        aligned(sizes.before) + aligned(sizes.lists) + aligned(sizes.partials);
  return plan;
}

// All parts of the workspace but the last.
CellMaps cell_maps(const PoolPlan& plan, uint8_t* work) {
  const Sizes sizes = sizes_of(plan.grid, plan.sums);
  const int64_t clips = plan.clips_per_pass();
  const auto take = [&](int64_t bytes) {
    uint8_t* const part = work;
    work += clips * aligned(bytes);
    return reinterpret_cast<int32_t*>(part);
  };
  CellMaps maps{};
  maps.regions = take(sizes.regions);
  maps.points = take(sizes.points);
  if (plan.grid.single) maps.points = nullptr;
  maps.present = reinterpret_cast<uint32_t*>(take(sizes.present));
  maps.before = take(sizes.before);
  maps.lists = take(sizes.lists);
  return maps;
}

float* partial_sums(const PoolPlan& plan, uint8_t* work) {
  const Sizes sizes = sizes_of(plan.grid, plan.sums);
  return reinterpret_cast<float*>(work +
                                  plan.clips_per_pass() * (plan.bytes_per_clip - aligned(sizes.partials)));
}

void launch_find_cells(const PoolGrid& grid, const int32_t* labels, const CellMaps& maps, int64_t* counts,
                       void* stream) {
  const auto queue = static_cast<cudaStream_t>(stream);
  const int64_t clips = grid.num_clips, chunks = clips * grid.num_chunks;
  const size_t words = static_cast<size_t>(chunks) * grid.num_words;
  check_cuda(cudaMemsetAsync(maps.present, 0, sizeof(uint32_t) * words, queue), "region_pool");
  if (counts != nullptr) {
    const size_t num_counts = static_cast<size_t>(clips) * grid.num_regions;
    check_cuda(cudaMemsetAsync(counts, 0, sizeof(int64_t) * num_counts, queue), "region_pool");
  }
  auto* const words_of_counts = reinterpret_cast<Word*>(counts);
  if (grid.single) {
    ACE3D_LAUNCH(single_kernel, clips * divide_up(grid.num_cells, kThreadsPerBlock), 0, stream, grid, labels,
                 maps, words_of_counts);
  } else {
    ACE3D_LAUNCH(several_kernel, clips * divide_up(grid.num_cells, kWarpsPerBlock), 0, stream, grid, labels,
                 maps, words_of_counts);
  }
  ACE3D_LAUNCH(list_kernel, divide_up(chunks, kWarpsPerBlock), 0, stream, grid, maps);
}

}  // namespace ace3d
