// region_pool on the GPU: features are read once, whatever the number of maps.
//
// A warp takes 32 channels of a chunk of cells: a lane a channel. It brings 32 cells at a time to shared
// memory, adds runs of cells of one region in a register and runs of a region in shared memory. What it has
// of a region is written once a chunk; a thread for each region and channel then adds up the chunks, in
// double. Every order is fixed by the shapes. A chunk with more regions than have room is read again for the
// others.
#include "region_pool/region_cells.cuh"

namespace ace3d {
namespace {

constexpr int kRoom = 48;  // regions whose sums a warp holds
constexpr int kTileFloats = kGroupChannels * kTileStride;
constexpr int kWarpFloats = kTileFloats + kRoom * kGroupChannels + 2 * kTileCells;
constexpr int kSharedBytes = kWarpsPerBlock * kWarpFloats * 4;  // two blocks on a multiprocessor of 228 KB

// The cells of a tile in one slot: room of the region in the sums (-1: none), and the weight of the cell.
struct TileSlot {
  int32_t* rooms;
  float* weights;
};

// Add a tile to the sums. A run is as long as regions stay the same.
template <bool kWeighted>
__device__ __forceinline__ void add_tile(const float* tile, const TileSlot& slot, float* sums) {
  const int lane = WarpTeam().rank();
  int32_t room = -1;
  float run = 0.0f;
  const auto end_run = [&] {
    if (room >= 0) sums[room * kGroupChannels + lane] += run;
    run = 0.0f;
  };
  for (int cell = 0; cell < kTileCells; cell += 4) {
    const Four<float> values = *reinterpret_cast<const Four<float>*>(tile + lane * kTileStride + cell);
    const Four<int32_t> rooms = *reinterpret_cast<const Four<int32_t>*>(slot.rooms + cell);
    if (!kWeighted && rooms.at[0] == room && rooms.at[1] == room && rooms.at[2] == room &&
        rooms.at[3] == room) {
      run += (values.at[0] + values.at[1]) + (values.at[2] + values.at[3]);
      continue;
    }
    for (int k = 0; k < 4; ++k) {
      if (rooms.at[k] != room) {
        end_run();
        room = rooms.at[k];
      }
      run += kWeighted ? values.at[k] * slot.weights[cell + k] : values.at[k];
    }
  }
  end_run();
}

template <class T>
__global__ void __launch_bounds__(kThreadsPerBlock, 2)
    sum_kernel(PoolGrid grid, const T* __restrict__ features, bool channels_last, bool by_four, CellMaps maps,
               float* __restrict__ partials) {
  ACE3D_DYNAMIC_SHARED(float, shared);
  const int64_t job = int64_t{1} * blockIdx.x * kWarpsPerBlock + threadIdx.x / kWarpThreads;
  const int64_t chunk = job / grid.num_groups;  // of all clips
  if (chunk >= int64_t{1} * grid.num_clips * grid.num_chunks) return;
  const int64_t clip = chunk / grid.num_chunks;
  const auto channel = static_cast<int32_t>(job % grid.num_groups) * kGroupChannels;
  const int lane = WarpTeam().rank();
  float* const tile = shared + threadIdx.x / kWarpThreads * kWarpFloats;
  float* const sums = tile + kTileFloats;
  const TileSlot slot_of_tile{reinterpret_cast<int32_t*>(sums + kRoom * kGroupChannels),
                              sums + kRoom * kGroupChannels + kTileCells};
  const uint32_t* const present = maps.present + chunk * grid.num_words;
  const int32_t* const before = maps.before + chunk * (grid.num_words + 1);
  const int32_t* const list = maps.lists + chunk * grid.num_regions;
  const int32_t num_present = before[grid.num_words];
  const int64_t begin = chunk % grid.num_chunks * grid.chunk_cells;
  const int64_t end = begin + grid.chunk_cells < grid.num_cells ? begin + grid.chunk_cells : grid.num_cells;
  for (int32_t base = 0; base < num_present; base += kRoom) {
    for (int i = 0; i < kRoom; ++i) sums[i * kGroupChannels + lane] = 0.0f;
    for (int64_t first = begin; first < end; first += kTileCells) {
      __syncwarp();
      load_tile(grid, features, channels_last, by_four, clip, channel, first, tile);
      const int64_t cell = first + lane;
      bool more = cell < end;  // entries of this lane's cell
      for (int32_t slot = 0; slot < grid.slots; ++slot) {
        const int64_t entry = (clip * grid.slots + slot) * grid.num_cells + cell;
        const int32_t region = more ? maps.regions[entry] : -1;
        int32_t room = -1;
        if (region >= 0) {
          const uint32_t below = present[region / 32] & ((1u << (region % 32)) - 1);
          room = before[region / 32] + __popc(below) - base;
          room = room >= 0 && room < kRoom ? room : -1;
        }
        if (maps.points != nullptr) {
          more = region >= 0;
          slot_of_tile.weights[lane] = more ? static_cast<float>(maps.points[entry]) : 0.0f;
          if (!__any_sync(kAllLanes, more)) break;
        }
        slot_of_tile.rooms[lane] = room;
        __syncwarp();
        if (maps.points != nullptr) {
          add_tile<true>(tile, slot_of_tile, sums);
        } else {
          add_tile<false>(tile, slot_of_tile, sums);
        }
        __syncwarp();
      }
    }
    for (int i = 0; i < kRoom && base + i < num_present; ++i) {
      const int64_t row = chunk * grid.num_regions + list[base + i];
      if (channel + lane < grid.num_channels) {
        partials[row * grid.num_channels + channel + lane] = sums[i * kGroupChannels + lane];
      }
    }
  }
}

template <class Out>
__global__ void add_chunks_kernel(PoolGrid grid, CellMaps maps, const float* __restrict__ partials,
                                  const int64_t* __restrict__ counts, bool mean, Out* __restrict__ pooled) {
  const int64_t at = int64_t{1} * blockIdx.x * kThreadsPerBlock + threadIdx.x;
  const int64_t row = at / grid.num_channels, clip = row / grid.num_regions;
  if (clip >= grid.num_clips) return;
  const auto region = static_cast<int32_t>(row % grid.num_regions);
  double sum = 0.0;
  for (int32_t i = 0; i < grid.num_chunks; ++i) {
    const int64_t chunk = grid.chunk_at(clip, i);
    if ((maps.present[chunk * grid.num_words + region / 32] >> (region % 32) & 1) == 0) continue;
    sum += static_cast<double>(
        partials[(chunk * grid.num_regions + region) * grid.num_channels + at % grid.num_channels]);
  }
  if (mean && counts[row] > 0) sum /= static_cast<double>(counts[row]);
  narrow(static_cast<float>(sum), pooled[at]);
}

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

int64_t region_pool_work_bytes(const RegionPoolShape& shape) {
  const PoolPlan plan = plan_pool(shape, true);
  return plan.clips_per_pass() * plan.bytes_per_clip;
}

template <class T, class Out>
void launch_region_pool(const FeatureGrid<T>& features, const int32_t* labels, const RegionPoolShape& shape,
                        bool mean, Out* pooled, int64_t* counts, uint8_t* work, void* stream) {
  if (shape.num_clips * shape.num_regions == 0) return;
  const PoolPlan plan = plan_pool(shape, true);
  const CellMaps maps = cell_maps(plan, work);
  float* const partials = partial_sums(plan, work);
  const int64_t step = plan.clips_per_pass();
  allow_shared(&sum_kernel<T>, kSharedBytes);
  for (int64_t clip = 0; clip < shape.num_clips; clip += step) {
    PoolGrid grid = plan.grid;
    grid.num_clips = static_cast<int32_t>(std::min(step, shape.num_clips - clip));
    int64_t* const counts_here = counts + clip * shape.num_regions;
    launch_find_cells(grid, labels + clip * shape.num_maps * shape.num_voxels(), maps, counts_here, stream);
    const int64_t jobs = int64_t{1} * grid.num_clips * grid.num_chunks * grid.num_groups;
    if (jobs == 0) continue;
    const T* const from = features.data + clip * shape.num_channels * shape.num_cells();
    const bool by_four =
        shape.num_cells() % 4 == 0 && reinterpret_cast<uintptr_t>(from) % sizeof(Four<T>) == 0;
    ACE3D_LAUNCH(sum_kernel<T>, divide_up(jobs, kWarpsPerBlock), kSharedBytes, stream, grid, from,
                 features.channels_last, by_four, maps, partials);
    const int64_t values = int64_t{1} * grid.num_clips * shape.num_regions * shape.num_channels;
    ACE3D_LAUNCH(add_chunks_kernel<Out>, divide_up(values, kThreadsPerBlock), 0, stream, grid, maps, partials,
                 counts_here, mean, pooled + clip * shape.num_regions * shape.num_channels);
  }
}

#define ACE3D_POOL(T, OUT)                                                                                \
  template void launch_region_pool<T, OUT>(const FeatureGrid<T>&, const int32_t*, const RegionPoolShape&, \
                                           bool, OUT*, int64_t*, uint8_t*, void*);
ACE3D_POOL(float, float)
ACE3D_POOL(Half, float)
ACE3D_POOL(Half, Half)
ACE3D_POOL(BFloat16, float)
ACE3D_POOL(BFloat16, BFloat16)

}  // namespace ace3d
