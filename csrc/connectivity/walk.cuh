// Breadth-first walks over components by teams of threads, in the order of one thread: neighbours +x -x +y -y
// +t -t.
//
// The voxels that have been reached stand in a queue. A team takes as many of them as it has threads, and
// each claims the neighbours that nobody has reached with its place in the order, 6 * (place in the queue) +
// side: the least claim holds. So the queue grows as if voxels had been taken one by one.
#pragma once

#include <cstdint>

#include "common/racing.cuh"
#include "common/team.cuh"

namespace ace3d {

inline constexpr int32_t kNoComponent = INT32_MIN;
inline constexpr int32_t kUnclaimed = INT32_MAX;
inline constexpr int32_t kFirstClaim = -1;
inline constexpr int kSides = 6;

struct Extent {
  int32_t depth, height, width;
  __device__ int32_t plane() const { return height * width; }
  __device__ int32_t num_voxels() const { return depth * height * width; }
};

// A voxel and what lies beside it.
class Place {
 public:
  __device__ Place(const Extent& extent, int32_t voxel)
      : extent_(extent),
        voxel_(voxel),
        t_(voxel / extent.plane()),
        y_(voxel % extent.plane() / extent.width),
        x_(voxel % extent.width) {}

  // The voxel on a side; -1 outside.
  __device__ int32_t beside(int side) const {
    switch (side) {
      case 0:
        return x_ + 1 < extent_.width ? voxel_ + 1 : -1;
      case 1:
        return x_ > 0 ? voxel_ - 1 : -1;
      case 2:
        return y_ + 1 < extent_.height ? voxel_ + extent_.width : -1;
      case 3:
        return y_ > 0 ? voxel_ - extent_.width : -1;
      case 4:
        return t_ + 1 < extent_.depth ? voxel_ + extent_.plane() : -1;
      default:
        return t_ > 0 ? voxel_ - extent_.plane() : -1;
    }
  }

 private:
  const Extent& extent_;
  int32_t voxel_, t_, y_, x_;
};

// The maps of one volume, [num_voxels] each.
struct WalkMaps {
  Extent extent;
  int32_t* components;
  int32_t* claims;
};

// Put the voxels of `component` that are connected to `first` into `queue`, `most` at most, as of `as`;
// returns how many there are. None of them was claimed. Other components may become others meanwhile, though
// never this one.
template <class Team>
__device__ int walk(const Team& team, const WalkMaps& maps, int32_t first, int32_t component, int32_t as,
                    int32_t most, int32_t* queue) {
  if (team.rank() == 0) {
    queue[0] = first;
    maps.claims[first] = kFirstClaim;
    if (as != component) racing_write(&maps.components[first], as);
  }
  team.sync();
  int count = 1;
  for (int next = 0; next < count && count < most;) {
    const int at = next + team.rank();
    const Place place(maps.extent, at < count ? queue[at] : first);
    unsigned open = 0;
    for (int side = 0; side < kSides; ++side) {
      const int32_t voxel = place.beside(side);
      const bool is_open = at < count && voxel >= 0 && racing_read(&maps.components[voxel]) == component &&
                           maps.claims[voxel] == kUnclaimed;
      open |= static_cast<unsigned>(is_open) << side;
    }
    team.sync();  // all have looked before any claims
    for (int side = 0; side < kSides; ++side) {
      if (open >> side & 1) atomicMin(&maps.claims[place.beside(side)], at * kSides + side);
    }
    team.sync();
    unsigned won = 0;
    for (int side = 0; side < kSides; ++side) {
      if (open >> side & 1) {
        won |= static_cast<unsigned>(maps.claims[place.beside(side)] == at * kSides + side) << side;
      }
    }
    int total = 0;
    int to = count + team.before(__popc(won), total);
    for (int side = 0; side < kSides; ++side) {
      if ((won >> side & 1) == 0) continue;
      const int32_t voxel = place.beside(side);
      if (to < most) {
        queue[to++] = voxel;
        if (as != component) racing_write(&maps.components[voxel], as);
      } else {
        maps.claims[voxel] = kUnclaimed;
      }
    }
    next = next + Team::kSize < count ? next + Team::kSize : count;
    count = total < most - count ? count + total : most;
    team.sync();
  }
  return count;
}

// The last neighbour that a walk of `count` voxels, `most` at most, met among the components that come before
// `component` and that `accepts` takes; -1 where there is none.
template <class Team, class Accepts>
__device__ int32_t last_met(const Team& team, const WalkMaps& maps, int32_t component, int32_t count,
                            int32_t most, const int32_t* queue, const Accepts& accepts) {
  const int32_t end = count == most ? maps.claims[queue[count - 1]] : kUnclaimed;  // where the walk was cut
  for (int last = count - 1; last >= 0; last -= Team::kSize) {
    const int at = last - team.rank();
    uint64_t met = 0;
    if (at >= 0) {
      const Place place(maps.extent, queue[at]);
      for (int side = 0; side < kSides; ++side) {
        const int32_t voxel = place.beside(side);
        const int32_t claim = at * kSides + side;
        if (voxel < 0 || claim >= end) continue;
        const int32_t other = maps.components[voxel];
        if (other >= 0 && other < component && accepts(other)) {
          met = static_cast<uint64_t>(claim + 1) << 32 | static_cast<uint32_t>(other);
        }
      }
    }
    met = team.greatest(met);
    if (met != 0) return static_cast<int32_t>(met & 0xffffffffu);
  }
  return -1;
}

}  // namespace ace3d
