// The rule is sequential, but what it depends on is not: a component's new label follows from its size and,
// for a small one, from the order in which a breadth-first walk of it alone meets its neighbours. So
// components are found first, by runs; only the small ones are walked, in any order; labels follow in one
// pass over components.
#include "connectivity/connectivity.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "common/parallel.h"
#include "connectivity/components.h"
#include "connectivity/walk.h"

namespace ace3d {
namespace {

constexpr int64_t kComponentsPerJob = 256;

// Cut the components above `max_size` into pieces of that size, each grown from the first voxel left.
// `component_of` holds components before and after; the pieces take their place among them.
Components cut_large(const Components& whole, VolumeShape shape, int64_t max_size, int32_t* component_of) {
  Walker walker(shape, component_of);
  int32_t num_pieces = whole.num_components();
  Components pieces;
  const int64_t num_rows = whole.num_rows();
  pieces.row_runs.resize(num_rows + 1);
  for (int64_t row = 0; row < num_rows; ++row) {
    for (int32_t run = whole.row_runs[row]; run < whole.row_runs[row + 1]; ++run) {
      const int32_t component = whole.run_components[run];
      const bool large = component != kBackground && whole.sizes[component] > max_size;
      for (int32_t v = whole.run_begins[run]; v < whole.run_begins[run + 1];) {
        pieces.run_begins.push_back(v);
        pieces.run_components.push_back(component);
        if (!large) break;
        if (component_of[v] == component) walker.walk(v, component, num_pieces++, max_size);
        const int32_t mark = component_of[v];
        pieces.run_components.back() = ~mark;
        while (v < whole.run_begins[run + 1] && component_of[v] == mark) ++v;
      }
    }
    pieces.row_runs[row + 1] = static_cast<int32_t>(pieces.run_components.size());
  }
  pieces.run_begins.push_back(whole.run_begins.back());
  number_components(pieces, num_pieces);
  write_components(pieces, component_of);
  return pieces;
}

// New labels of components, given what each small one met last among those before it; -1: none.
class Labeler {
 public:
  Labeler(const Components& components, VolumeShape shape, int64_t min_size, const std::vector<int32_t>& met,
          int32_t* component_of)
      : components_(components), min_size_(min_size), met_(met), walker_(shape, component_of) {}

  // As scikit-image: one that met none gets the label that the next region gets, and does not count as a
  // neighbour until that one has it.
  int32_t as_published(int64_t max_size, std::vector<int32_t>& labels) {
    int32_t next_label = 0, num_labels = 0;
    for (int32_t c = 0; c < components_.num_components(); ++c) {
      if (is_region(c)) {
        labels[c] = next_label++;
      } else {
        int32_t met = met_[c];
        if (met >= 0 && labels[met] == next_label) {
          walk_again(c, max_size);
          met = walker_.last_met([&](int32_t other) { return other < c && labels[other] != next_label; });
        }
        labels[c] = met < 0 ? next_label : labels[met];
      }
      num_labels = std::max(num_labels, labels[c] + 1);
    }
    return num_labels;
  }

  // One that met none joins a region that it touches, with those that joined it.
  int32_t repaired(std::vector<int32_t>& labels) {
    const int32_t num_components = components_.num_components();
    std::vector<std::pair<int32_t, int32_t>> lost;  // (component that met none, itself or one that joined it)
    std::vector<int32_t>& firsts = labels;          // a component of the same region that comes before
    for (int32_t c = 0; c < num_components; ++c) {
      firsts[c] = is_region(c) || met_[c] < 0 ? c : firsts[met_[c]];
      if (!is_region(firsts[c])) lost.emplace_back(firsts[c], c);
    }
    std::sort(lost.begin(), lost.end());
    for (size_t i = 0; i < lost.size();) {
      const int32_t group = lost[i].first;
      int32_t own = first_of(firsts, group), touched = num_components;
      for (; i < lost.size() && lost[i].first == group; ++i) {
        walk_again(lost[i].second, INT64_MAX);
        walker_.for_each_neighbour([&](int32_t other) {
          const int32_t region = first_of(firsts, other);
          if (region != own) touched = std::min(touched, region);
        });
      }
      if (touched < num_components) firsts[std::max(own, touched)] = std::min(own, touched);
    }
    int32_t num_labels = 0;
    for (int32_t c = 0; c < num_components; ++c) {
      labels[c] = firsts[c] == c ? num_labels++ : labels[firsts[c]];
    }
    return num_labels;
  }

 private:
  bool is_region(int32_t component) const { return components_.sizes[component] >= min_size_; }

  // A component that was walked is marked; the second walk unmarks it.
  void walk_again(int32_t c, int64_t most) { walker_.walk(components_.first_voxels[c], ~c, ~c, most); }

  static int32_t first_of(const std::vector<int32_t>& firsts, int32_t component) {
    while (firsts[component] != component) component = firsts[component];
    return component;
  }

  const Components& components_;
  int64_t min_size_;
  const std::vector<int32_t>& met_;
  Walker walker_;
};

}  // namespace

int32_t enforce_connectivity_cpu(const int32_t* labels, VolumeShape shape, ConnectivityOptions options,
                                 int32_t* out) {
  Components components = find_components(labels, shape);
  write_components(components, out);
  const auto is_large = [&](int32_t size) { return size > options.max_size; };
  if (std::any_of(components.sizes.begin(), components.sizes.end(), is_large)) {
    components = cut_large(components, shape, options.max_size, out);
  }
  const int32_t num_components = components.num_components();
  std::vector<int32_t> small;
  for (int32_t c = 0; c < num_components; ++c) {
    if (components.sizes[c] < options.min_size) small.push_back(c);
  }

  std::vector<int32_t> met(num_components, -1);
  parallel_for(0, static_cast<int64_t>(small.size()), kComponentsPerJob, [&](int64_t begin, int64_t end) {
    Walker walker(shape, out);
    for (int64_t i = begin; i < end; ++i) {
      const int32_t c = small[i];
      walker.walk(components.first_voxels[c], c, c, options.max_size);
      met[c] = walker.last_met([c](int32_t other) { return other < c; });
    }
  });
  Labeler labeler(components, shape, options.min_size, met, out);
  std::vector<int32_t> labels_of(num_components);
  const int32_t num_labels =
      options.repair ? labeler.repaired(labels_of) : labeler.as_published(options.max_size, labels_of);
  write_values(components, labels_of, -1, out);
  return num_labels;
}

}  // namespace ace3d
