// Breadth-first walks over components, in scikit-image's order: neighbours +x -x +y -y +t -t.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "common/volume.h"
#include "connectivity/components.h"

namespace ace3d {

// Walks over a map of components; a voxel that was visited holds the complement of its component. Threads may
// walk over different components of one map at the same time: whether another's voxel is marked makes no
// difference.
class Walker {
 public:
  Walker(VolumeShape shape, int32_t* component_of) : shape_(shape), component_of_(component_of) {}

  // Visit the voxels connected to `first` that belong to `component`, `most` at most, and mark them as of
  // `as`. Returns how many there were.
  int64_t walk(int32_t first, int32_t component, int32_t as, int64_t most) {
    const auto plane = static_cast<int32_t>(shape_.height * shape_.width);
    const auto width = static_cast<int32_t>(shape_.width);
    visited_.assign(1, {first, first / plane, first % plane / width, first % width});
    at(first).store(~as, std::memory_order_relaxed);
    ended_at_ = 0;
    ended_direction_ = 0;
    for (size_t next = 0; next < visited_.size() && static_cast<int64_t>(visited_.size()) < most; ++next) {
      const Place place = visited_[next];
      for (int direction = 0; direction < 6; ++direction) {
        const Place to = neighbour(place, direction);
        if (to.voxel < 0 || component_at(to.voxel) != component) continue;
        at(to.voxel).store(~as, std::memory_order_relaxed);
        visited_.push_back(to);
        if (static_cast<int64_t>(visited_.size()) >= most) {
          ended_at_ = next;
          ended_direction_ = direction;
          return static_cast<int64_t>(visited_.size());
        }
      }
      ended_at_ = next + 1;
    }
    return static_cast<int64_t>(visited_.size());
  }

  // The last neighbour that the last walk met among the components that `accepts` takes; -1 where there is
  // none.
  template <class Accepts>
  int32_t last_met(const Accepts& accepts) const {
    int direction = ended_direction_;
    for (size_t i = std::min(ended_at_ + 1, visited_.size()); i > 0; --i) {
      if (i <= ended_at_) direction = 6;
      while (--direction >= 0) {
        const Place to = neighbour(visited_[i - 1], direction);
        if (to.voxel < 0) continue;
        const int32_t found = component_at(to.voxel);
        if (found == kBackground) continue;
        const int32_t component = found < 0 ? ~found : found;
        if (accepts(component)) return component;
      }
    }
    return -1;
  }

  // Call `visit` with the other components that those voxels touch, some of them more than once.
  template <class Visit>
  void for_each_neighbour(const Visit& visit) const {
    for (const Place& place : visited_) {
      const int32_t here = component_at(place.voxel);
      for (int direction = 0; direction < 6; ++direction) {
        const Place to = neighbour(place, direction);
        if (to.voxel < 0) continue;
        const int32_t found = component_at(to.voxel);
        if (found != here && found != kBackground) visit(found < 0 ? ~found : found);
      }
    }
  }

 private:
  struct Place {
    int32_t voxel, t, y, x;
  };

  std::atomic_ref<int32_t> at(int32_t voxel) const { return std::atomic_ref<int32_t>(component_of_[voxel]); }
  int32_t component_at(int32_t voxel) const { return at(voxel).load(std::memory_order_relaxed); }

  // Voxel -1 outside the volume.
  Place neighbour(const Place& place, int direction) const {
    const int32_t step = direction % 2 == 0 ? 1 : -1;
    Place to = place;
    bool inside = true;
    if (direction < 2) {
      to.x += step;
      to.voxel += step;
      inside = to.x >= 0 && to.x < shape_.width;
    } else if (direction < 4) {
      to.y += step;
      to.voxel += step * static_cast<int32_t>(shape_.width);
      inside = to.y >= 0 && to.y < shape_.height;
    } else {
      to.t += step;
      to.voxel += step * static_cast<int32_t>(shape_.width * shape_.height);
      inside = to.t >= 0 && to.t < shape_.depth;
    }
    if (!inside) to.voxel = -1;
    return to;
  }

  VolumeShape shape_;
  int32_t* component_of_;
  std::vector<Place> visited_;
  size_t ended_at_ = 0;      // the voxel whose neighbours the last walk was looking at when it ended,
  int ended_direction_ = 0;  // and how many of them it had looked at
};

}  // namespace ace3d
