// The rule is sequential, but what it depends on is not: a component's new label follows from its size and,
// for a small one, from the order in which a breadth-first walk of it alone meets its neighbours. So
// components are found first, by runs; only the small ones are walked.
#include "connectivity/connectivity.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "connectivity/components.h"

namespace ace3d {
namespace {

struct Place {
  int64_t voxel;
  int32_t t, y, x;
};

// Breadth-first walks over `component_of`; a voxel that was visited holds the complement of its component.
class Walker {
 public:
  Walker(VolumeShape shape, int32_t* component_of) : shape_(shape), component_of_(component_of) {}

  // Visit the voxels connected to `first` that belong to `component`, `most` at most, and mark them as of
  // `as`.
  const std::vector<Place>& walk(int64_t first, int32_t component, int32_t as, int64_t most) {
    const int64_t plane = shape_.height * shape_.width;
    visited_.assign(
        1, {first, static_cast<int32_t>(first / plane), static_cast<int32_t>(first % plane / shape_.width),
            static_cast<int32_t>(first % shape_.width)});
    component_of_[first] = ~as;
    ended_at_ = 0;
    ended_direction_ = 0;
    for (size_t next = 0; next < visited_.size() && static_cast<int64_t>(visited_.size()) < most; ++next) {
      const Place at = visited_[next];
      for (int direction = 0; direction < 6; ++direction) {
        const Place to = neighbour(at, direction);
        if (to.voxel < 0 || component_of_[to.voxel] != component) continue;
        component_of_[to.voxel] = ~as;
        visited_.push_back(to);
        if (static_cast<int64_t>(visited_.size()) >= most) {
          ended_at_ = next;
          ended_direction_ = direction;
          return visited_;
        }
      }
      ended_at_ = next + 1;
    }
    return visited_;
  }

  // The last neighbour that the last walk met among the components that `is_before` accepts; -1 where there
  // is none.
  template <class IsBefore>
  int32_t last_met(const IsBefore& is_before) const {
    int direction = ended_direction_;
    for (size_t i = std::min(ended_at_ + 1, visited_.size()); i > 0; --i) {
      if (i <= ended_at_) direction = 6;
      while (--direction >= 0) {
        const Place to = neighbour(visited_[i - 1], direction);
        if (to.voxel < 0 || component_of_[to.voxel] == kBackground) continue;
        const int32_t found = component_of_[to.voxel];
        const int32_t component = found < 0 ? ~found : found;
        if (is_before(component)) return component;
      }
    }
    return -1;
  }

 private:
  // In the order +x -x +y -y +t -t; voxel -1 outside the volume.
  Place neighbour(const Place& at, int direction) const {
    const int32_t step = direction % 2 == 0 ? 1 : -1;
    Place to = at;
    int64_t stride = step;
    bool inside = true;
    if (direction < 2) {
      to.x += step;
      inside = to.x >= 0 && to.x < shape_.width;
    } else if (direction < 4) {
      to.y += step;
      stride *= shape_.width;
      inside = to.y >= 0 && to.y < shape_.height;
    } else {
      to.t += step;
      stride *= shape_.width * shape_.height;
      inside = to.t >= 0 && to.t < shape_.depth;
    }
    to.voxel = inside ? at.voxel + stride : -1;
    return to;
  }

  VolumeShape shape_;
  int32_t* component_of_;
  std::vector<Place> visited_;
  size_t ended_at_ = 0;      // the voxel whose neighbours the last walk was looking at when it ended,
  int ended_direction_ = 0;  // and how many of them it had looked at
};

// Cut the components above `max_size` into pieces of that size, each grown from the first voxel left; the
// pieces take their place among the components.
void cut_large(Components& components, int64_t max_size, int64_t num_voxels, int32_t* component_of,
               Walker& walker) {
  const auto num_whole = static_cast<int32_t>(components.sizes.size());
  std::vector<uint8_t> large(num_whole);
  for (int32_t c = 0; c < num_whole; ++c) large[c] = components.sizes[c] > max_size;
  if (std::find(large.begin(), large.end(), 1) == large.end()) return;

  for (int64_t v = 0; v < num_voxels; ++v) {
    const int32_t component = component_of[v];
    if (component < 0 || component >= num_whole || !large[component]) continue;
    const auto piece = static_cast<int32_t>(components.sizes.size());
    components.sizes.push_back(static_cast<int64_t>(walker.walk(v, component, piece, max_size).size()));
    components.first_voxels.push_back(v);
  }
  // Unmark the pieces, and leave nothing of what they were cut from.
  for (int64_t v = 0; v < num_voxels; ++v) {
    if (component_of[v] < 0 && component_of[v] != kBackground) component_of[v] = ~component_of[v];
  }
  for (int32_t c = 0; c < num_whole; ++c) {
    if (large[c]) components.sizes[c] = 0;
  }
}

}  // namespace

int32_t enforce_connectivity_cpu(const int32_t* labels, VolumeShape shape, int64_t min_size, int64_t max_size,
                                 int32_t* out) {
  const int64_t num_voxels = shape.num_voxels();
  Components components = find_components(labels, shape, out);
  Walker walker(shape, out);
  cut_large(components, max_size, num_voxels, out, walker);

  const auto num_components = static_cast<int64_t>(components.sizes.size());
  std::vector<int32_t> order(num_components), new_labels(num_components, 0);
  std::iota(order.begin(), order.end(), 0);
  const auto& first_voxels = components.first_voxels;
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return first_voxels[a] < first_voxels[b]; });

  int32_t next_label = 0;
  for (const int32_t component : order) {
    const int64_t size = components.sizes[component], first = first_voxels[component];
    if (size == 0) continue;  // was cut into pieces
    if (size >= min_size) {
      new_labels[component] = next_label++;
      continue;
    }
    walker.walk(first, component, component, max_size);
    const auto is_before = [&](int32_t other) { return other != component && first_voxels[other] < first; };
    const int32_t parent = walker.last_met(is_before);
    new_labels[component] = parent < 0 ? 0 : new_labels[parent];
  }
  for (int64_t v = 0; v < num_voxels; ++v) {
    const int32_t component = out[v] < 0 && out[v] != kBackground ? ~out[v] : out[v];
    out[v] = component == kBackground ? -1 : new_labels[component];
  }
  return next_label;
}

}  // namespace ace3d
