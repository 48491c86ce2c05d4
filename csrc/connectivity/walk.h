// Breadth-first walks over components, in scikit-image's order: neighbours +x -x +y -y +t -t.
#pragma once

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
  Walker(VolumeShape shape, int32_t* component_of)
      : component_of_(component_of),
        depth_(static_cast<int32_t>(shape.depth)),
        height_(static_cast<int32_t>(shape.height)),
        width_(static_cast<int32_t>(shape.width)),
        plane_(static_cast<int32_t>(shape.height * shape.width)) {}

  // Visit the voxels connected to `first` that belong to `component`, `most` at most, and mark them as of
  // `as`. Returns how many there were.
  int64_t walk(int32_t first, int32_t component, int32_t as, int64_t most) {
    visited_.assign(1, {first, first / plane_, first % plane_ / width_, first % width_});
    at(first).store(~as, std::memory_order_relaxed);
    cut_at_ = -1;
    for (size_t next = 0; next < visited_.size(); ++next) {
      if (static_cast<int64_t>(visited_.size()) >= most) {
        cut_at_ = static_cast<int64_t>(next);
        cut_direction_ = 0;
        break;
      }
      const Place place = visited_[next];
      const bool finished = for_each_side(place, [&](int direction, const Place& to) {
        if (component_at(to.voxel) != component) return true;
        at(to.voxel).store(~as, std::memory_order_relaxed);
        visited_.push_back(to);
        if (static_cast<int64_t>(visited_.size()) < most) return true;
        cut_at_ = static_cast<int64_t>(next);
        cut_direction_ = direction;
        return false;
      });
      if (!finished) break;
    }
    return static_cast<int64_t>(visited_.size());
  }

  // The last neighbour that the last walk met among the components that `accepts` takes; -1 where there is
  // none.
  template <class Accepts>
  int32_t last_met(const Accepts& accepts) const {
    const int64_t num_looked_at = cut_at_ < 0 ? static_cast<int64_t>(visited_.size()) : cut_at_ + 1;
    for (int64_t i = num_looked_at - 1; i >= 0; --i) {
      int32_t met = -1;
      for_each_side(visited_[i], [&](int direction, const Place& to) {
        if (i == cut_at_ && direction >= cut_direction_) return false;
        const int32_t found = component_at(to.voxel);
        const int32_t component = found < 0 ? ~found : found;
        if (found != kBackground && accepts(component)) met = component;
        return true;
      });
      if (met >= 0) return met;
    }
    return -1;
  }

  // Call `visit` with the other components that those voxels touch, some of them more than once.
  template <class Visit>
  void for_each_neighbour(const Visit& visit) const {
    for (const Place& place : visited_) {
      const int32_t here = component_at(place.voxel);
      for_each_side(place, [&](int, const Place& to) {
        const int32_t found = component_at(to.voxel);
        if (found != here && found != kBackground) visit(found < 0 ? ~found : found);
        return true;
      });
    }
  }

 private:
  struct Place {
    int32_t voxel, t, y, x;
  };

  std::atomic_ref<int32_t> at(int32_t voxel) const { return std::atomic_ref<int32_t>(component_of_[voxel]); }
  int32_t component_at(int32_t voxel) const { return at(voxel).load(std::memory_order_relaxed); }

  // Call `visit` with the number of each direction and the neighbour there, in order, while it returns true;
  // returns whether it always did.
  template <class Visit>
  bool for_each_side(const Place& p, const Visit& visit) const {
    if (p.x + 1 < width_ && !visit(0, Place{p.voxel + 1, p.t, p.y, p.x + 1})) return false;
    if (p.x > 0 && !visit(1, Place{p.voxel - 1, p.t, p.y, p.x - 1})) return false;
    if (p.y + 1 < height_ && !visit(2, Place{p.voxel + width_, p.t, p.y + 1, p.x})) return false;
    if (p.y > 0 && !visit(3, Place{p.voxel - width_, p.t, p.y - 1, p.x})) return false;
    if (p.t + 1 < depth_ && !visit(4, Place{p.voxel + plane_, p.t + 1, p.y, p.x})) return false;
    return p.t == 0 || visit(5, Place{p.voxel - plane_, p.t - 1, p.y, p.x});
  }

  int32_t* component_of_;
  int32_t depth_, height_, width_, plane_;
  std::vector<Place> visited_;
  int64_t cut_at_ = -1;    // the voxel at whose neighbours the last walk was cut, if it was,
  int cut_direction_ = 0;  // and the neighbour that was found last, or that would have come next
};

}  // namespace ace3d
