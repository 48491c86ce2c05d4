// Maxima over regions, and the gradient of sums, on the GPU.
//
// A maximum and the first cell that has it are one 64-bit number: the value's bits in an order in which they
// compare as values do, then the complement of the cell. The greatest of them is the same in any order.
#include "common/racing.cuh"
#include "region_pool/region_cells.cuh"

namespace ace3d {
namespace {

using Word = unsigned long long;

constexpr int kSpreadCells = kTileCells;

// Greater for greater values; NaN above all, -0 as 0; never 0.
__device__ uint32_t order_of(float value) {
  if (value != value) return 0xffffffffu;
  const uint32_t bits = value == 0.0f ? 0 : bits_of(value);
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

template <class T>
__global__ void __launch_bounds__(kThreadsPerBlock, 2)
    max_kernel(PoolGrid grid, const T* __restrict__ features, bool channels_last, bool by_four, CellMaps maps,
               Word* __restrict__ best) {
  __shared__ Four<float> tiles[kWarpsPerBlock][kGroupChannels * kTileStride / 4];
  const int64_t job = int64_t{1} * blockIdx.x * kWarpsPerBlock + threadIdx.x / kWarpThreads;
  const int64_t num_tiles = (grid.num_cells + kTileCells - 1) / kTileCells;
  const int64_t clip = job / grid.num_groups / num_tiles;
  if (clip >= grid.num_clips) return;
  const int64_t first = job / grid.num_groups % num_tiles * kTileCells;
  const auto channel = static_cast<int32_t>(job % grid.num_groups) * kGroupChannels;
  const int lane = WarpTeam().rank();
  auto* const tile = reinterpret_cast<float*>(tiles[threadIdx.x / kWarpThreads]);
  load_tile(grid, features, channels_last, by_four, clip, channel, first, tile);
  __syncwarp();
  bool more = first + lane < grid.num_cells;
  for (int32_t slot = 0; slot < grid.slots; ++slot) {
    const int64_t entry = (clip * grid.slots + slot) * grid.num_cells + first + lane;
    const int32_t own_region = more ? maps.regions[entry] : -1;
    if (maps.points != nullptr) more = own_region >= 0;
    if (!__any_sync(kAllLanes, own_region >= 0)) {
      if (maps.points != nullptr) break;
      continue;
    }
    int32_t region = -1;
    Word found = 0;
    const auto end_run = [&] {
      if (region >= 0 && channel + lane < grid.num_channels) {
        const int64_t row = clip * grid.num_regions + region;
        Word* const at = &best[row * grid.num_channels + channel + lane];
        if (found > racing_read(at)) atomicMax(at, found);  // what has grown since is greater yet
      }
      found = 0;
    };
    for (int cell = 0; cell < kTileCells; ++cell) {
      const int32_t next = __shfl_sync(kAllLanes, own_region, cell);
      if (next != region) {
        end_run();
        region = next;
      }
      const auto place = static_cast<uint32_t>(first + cell);
      const Word here =
          static_cast<Word>(order_of(tile[lane * kTileStride + cell])) << 32 | (~place & 0xffffffffu);
      if (here > found) found = here;
    }
    end_run();
  }
}

template <class T>
__global__ void write_max_kernel(PoolGrid grid, const T* __restrict__ features, bool channels_last,
                                 const Word* __restrict__ best, T* __restrict__ values,
                                 int32_t* __restrict__ cells) {
  const int64_t at = int64_t{1} * blockIdx.x * kThreadsPerBlock + threadIdx.x;
  const int64_t per_clip = int64_t{1} * grid.num_regions * grid.num_channels, clip = at / per_clip;
  if (clip >= grid.num_clips) return;
  const int64_t channel = at % grid.num_channels;
  const bool any = best[at] != 0;
  const int64_t cell = any ? static_cast<int64_t>(~static_cast<uint32_t>(best[at])) : 0;
  const int64_t from = channels_last ? (clip * grid.num_cells + cell) * grid.num_channels + channel
                                     : (clip * grid.num_channels + channel) * grid.num_cells + cell;
  values[at] = any ? features[from] : T{};
  cells[at] = any ? static_cast<int32_t>(cell) : -1;
}

// Each warp has four of the tile's cells; lanes are channels while it adds, and cells when it writes.
template <class T>
__global__ void spread_kernel(PoolGrid grid, const float* __restrict__ grad_sums, CellMaps maps,
                              T* __restrict__ grad_features) {
  __shared__ float tile[kGroupChannels][kSpreadCells + 1];
  const int64_t num_tiles = (grid.num_cells + kSpreadCells - 1) / kSpreadCells;
  const int64_t clip = blockIdx.x / grid.num_groups / num_tiles;
  const int64_t first = blockIdx.x / grid.num_groups % num_tiles * kSpreadCells;
  const auto channel = static_cast<int32_t>(blockIdx.x % grid.num_groups) * kGroupChannels;
  const int lane = WarpTeam().rank(), warp = static_cast<int>(threadIdx.x) / kWarpThreads;
  const bool there = channel + lane < grid.num_channels;
  for (int i = warp; i < kSpreadCells && first + i < grid.num_cells; i += kWarpsPerBlock) {
    float sum = 0.0f;
    for (int32_t slot = 0; slot < grid.slots; ++slot) {
      const int64_t entry = (clip * grid.slots + slot) * grid.num_cells + first + i;
      const int32_t region = maps.regions[entry];
      if (region < 0 && maps.points != nullptr) break;
      if (region < 0 || !there) continue;
      const float points = maps.points != nullptr ? static_cast<float>(maps.points[entry]) : 1.0f;
      sum += points * grad_sums[(clip * grid.num_regions + region) * grid.num_channels + channel + lane];
    }
    tile[lane][i] = sum;
  }
  __syncthreads();
  if (first + lane >= grid.num_cells) return;
  for (int row = warp; row < kGroupChannels && channel + row < grid.num_channels; row += kWarpsPerBlock) {
    const int64_t to = (clip * grid.num_channels + channel + row) * grid.num_cells + first + lane;
    narrow(tile[row][lane], grad_features[to]);
  }
}

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t cells_bytes(const PoolPlan& plan) { return plan.clips_per_pass() * plan.bytes_per_clip; }

}  // namespace

int64_t region_max_work_bytes(const RegionPoolShape& shape) {
  return cells_bytes(plan_pool(shape, false)) +
         int64_t{8} * shape.num_clips * shape.num_regions * shape.num_channels;
}

template <class T>
void launch_region_max(const FeatureGrid<T>& features, const int32_t* labels, const RegionPoolShape& shape,
                       T* values, int32_t* cells, uint8_t* work, void* stream) {
  const int64_t per_clip = shape.num_regions * shape.num_channels, num_cells = shape.num_cells();
  if (shape.num_clips * per_clip == 0) return;
  const PoolPlan plan = plan_pool(shape, false);
  const CellMaps maps = cell_maps(plan, work);
  auto* const best = reinterpret_cast<Word*>(work + cells_bytes(plan));
  check_cuda(cudaMemsetAsync(best, 0, 8 * static_cast<size_t>(shape.num_clips * per_clip),
                             static_cast<cudaStream_t>(stream)),
             "region_max");
  const int64_t step = plan.clips_per_pass();
  for (int64_t clip = 0; clip < shape.num_clips; clip += step) {
    PoolGrid grid = plan.grid;
    grid.num_clips = static_cast<int32_t>(std::min(step, shape.num_clips - clip));
    launch_find_cells(grid, labels + clip * shape.num_maps * shape.num_voxels(), maps, nullptr, stream);
    const T* const from = features.data + clip * shape.num_channels * num_cells;
    const bool by_four = num_cells % 4 == 0 && reinterpret_cast<uintptr_t>(from) % sizeof(Four<T>) == 0;
    const int64_t jobs = int64_t{1} * grid.num_clips * grid.num_groups * divide_up(num_cells, kTileCells);
    ACE3D_LAUNCH(max_kernel<T>, divide_up(jobs, kWarpsPerBlock), 0, stream, grid, from,
                 features.channels_last, by_four, maps, best + clip * per_clip);
    ACE3D_LAUNCH(write_max_kernel<T>, divide_up(grid.num_clips * per_clip, kThreadsPerBlock), 0, stream, grid,
                 from, features.channels_last, best + clip * per_clip, values + clip * per_clip,
                 cells + clip * per_clip);
  }
}

int64_t region_spread_work_bytes(const RegionPoolShape& shape) {
  return cells_bytes(plan_pool(shape, false));
}

template <class T>
void launch_region_spread(const float* grad_sums, const int32_t* labels, const RegionPoolShape& shape,
                          T* grad_features, uint8_t* work, void* stream) {
  if (shape.num_clips * shape.num_channels == 0) return;
  const PoolPlan plan = plan_pool(shape, false);
  const CellMaps maps = cell_maps(plan, work);
  const int64_t step = plan.clips_per_pass();
  for (int64_t clip = 0; clip < shape.num_clips; clip += step) {
    PoolGrid grid = plan.grid;
    grid.num_clips = static_cast<int32_t>(std::min(step, shape.num_clips - clip));
    launch_find_cells(grid, labels + clip * shape.num_maps * shape.num_voxels(), maps, nullptr, stream);
    const int64_t blocks =
        int64_t{1} * grid.num_clips * grid.num_groups * divide_up(grid.num_cells, kSpreadCells);
    ACE3D_LAUNCH(spread_kernel<T>, blocks, 0, stream, grid,
                 grad_sums + clip * shape.num_regions * shape.num_channels, maps,
                 grad_features + clip * shape.num_channels * grid.num_cells);
  }
}

#define ACE3D_MAX_AND_SPREAD(T)                                                                             \
  template void launch_region_max<T>(const FeatureGrid<T>&, const int32_t*, const RegionPoolShape&, T*,     \
                                     int32_t*, uint8_t*, void*);                                            \
  template void launch_region_spread<T>(const float*, const int32_t*, const RegionPoolShape&, T*, uint8_t*, \
                                        void*);
ACE3D_MAX_AND_SPREAD(float)
ACE3D_MAX_AND_SPREAD(Half)
ACE3D_MAX_AND_SPREAD(BFloat16)

}  // namespace ace3d
