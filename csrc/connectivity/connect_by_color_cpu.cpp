// Only the voxels of small components are asked for their neighbours; the rounds then work on the list of
// those neighbours.
#include "connectivity/connect_by_color.h"

#include <cstddef>
#include <utility>
#include <vector>

#include "connectivity/components.h"

namespace ace3d {
namespace {

struct Contact {
  int32_t small, other;  // a small component and one that it touches
};

// The means of the colours of each component, [num_components, channels].
std::vector<double> mean_colors(const Components& components, const uint8_t* colors, int64_t channels) {
  std::vector<int64_t> sums(components.sizes.size() * channels);
  for (size_t run = 0; run < components.run_components.size(); ++run) {
    const int32_t component = components.run_components[run];
    if (component == kBackground) continue;
    const int64_t begin = components.run_begins[run], end = components.run_begins[run + 1];
    int64_t* sum = sums.data() + component * channels;
    if (channels == 3) {
      int64_t r = 0, g = 0, b = 0;
      for (const uint8_t *c = colors + 3 * begin, *last = colors + 3 * end; c < last; c += 3) {
        r += c[0];
        g += c[1];
        b += c[2];
      }
      sum[0] += r;
      sum[1] += g;
      sum[2] += b;
    } else {
      for (int64_t v = begin; v < end; ++v) {
        for (int64_t c = 0; c < channels; ++c) sum[c] += colors[v * channels + c];
      }
    }
  }
  std::vector<double> means(sums.size());
  for (size_t component = 0; component < components.sizes.size(); ++component) {
    for (int64_t c = 0; c < channels; ++c) {
      const size_t i = component * channels + c;
      means[i] = static_cast<double>(sums[i]) / components.sizes[component];
    }
  }
  return means;
}

// What the small components touch, some of it more than once. `component_of` [num_voxels].
std::vector<Contact> find_contacts(const Components& components, VolumeShape shape, int64_t min_size,
                                   const int32_t* component_of) {
  std::vector<Contact> contacts;
  const int64_t height = shape.height, width = shape.width, plane = height * width;
  for (int64_t row = 0; row < components.num_rows(); ++row) {
    const int64_t t = row / height, y = row % height;
    for (int32_t run = components.row_runs[row]; run < components.row_runs[row + 1]; ++run) {
      const int32_t here = components.run_components[run];
      if (here == kBackground || components.sizes[here] >= min_size) continue;
      int32_t last = here;  // the one seen last is asked first: neighbours come in stretches
      const auto touch = [&](int32_t other) {
        if (other == last) return;
        last = other;
        if (other != here && other != kBackground) contacts.push_back({here, other});
      };
      const int32_t begin = components.run_begins[run], end = components.run_begins[run + 1];
      if (run > components.row_runs[row]) touch(components.run_components[run - 1]);
      if (run + 1 < components.row_runs[row + 1]) touch(components.run_components[run + 1]);
      const std::pair<bool, int64_t> sides[4] = {
          {y > 0, -width}, {y + 1 < height, width}, {t > 0, -plane}, {t + 1 < shape.depth, plane}};
      for (const auto& [inside, offset] : sides) {
        if (!inside) continue;
        for (int64_t v = begin; v < end; ++v) touch(component_of[v + offset]);
      }
    }
  }
  return contacts;
}

// The contacts, grouped by the small component: those of `c` lie from begins[c] to begins[c + 1].
std::vector<int32_t> group(const std::vector<Contact>& contacts, int32_t num_components,
                           std::vector<int64_t>& begins) {
  begins.assign(static_cast<size_t>(num_components) + 1, 0);
  for (const Contact& contact : contacts) ++begins[contact.small + 1];
  for (int32_t c = 0; c < num_components; ++c) begins[c + 1] += begins[c];
  std::vector<int64_t> next(begins.begin(), begins.end() - 1);
  std::vector<int32_t> others(contacts.size());
  for (const Contact& contact : contacts) others[next[contact.small]++] = contact.other;
  return others;
}

class Rounds {
 public:
  Rounds(const Components& components, const std::vector<double>& means, int64_t channels,
         const std::vector<int64_t>& begins, const std::vector<int32_t>& others)
      : means_(means), channels_(channels), begins_(begins), others_(others) {
    region_of_.assign(components.sizes.size(), -1);
    waits_.assign(components.sizes.size(), 0);
  }

  void start_region(int32_t component) { region_of_[component] = component; }
  bool has_region(int32_t component) const { return region_of_[component] >= 0; }

  // Have `component` join a region in the next round, if it touches one.
  void ask(int32_t component) {
    if (has_region(component) || waits_[component]) return;
    for (int64_t i = begins_[component]; i < begins_[component + 1]; ++i) {
      if (!has_region(others_[i])) continue;
      waits_[component] = 1;
      next_.push_back(component);
      return;
    }
  }

  // Rounds until none that was asked is left.
  void run() {
    std::vector<int32_t> now, regions;
    while (!next_.empty()) {
      now.swap(next_);
      next_.clear();
      regions.clear();
      for (const int32_t component : now) regions.push_back(region_of_[nearest(component)]);
      for (size_t i = 0; i < now.size(); ++i) region_of_[now[i]] = regions[i];
      for (const int32_t component : now) ask_neighbours(component);
    }
  }

  void ask_neighbours(int32_t component) {
    for (int64_t i = begins_[component]; i < begins_[component + 1]; ++i) ask(others_[i]);
  }

  bool touches_earlier_without_region(int32_t component) const {
    for (int64_t i = begins_[component]; i < begins_[component + 1]; ++i) {
      if (others_[i] < component && !has_region(others_[i])) return true;
    }
    return false;
  }

  const std::vector<int32_t>& region_of() const { return region_of_; }

 private:
  // The component with a region that `component` touches and whose mean colour is nearest.
  int32_t nearest(int32_t component) const {
    int32_t found = -1;
    double least = 0;
    for (int64_t i = begins_[component]; i < begins_[component + 1]; ++i) {
      const int32_t other = others_[i];
      if (!has_region(other)) continue;
      double distance = 0;
      for (int64_t channel = 0; channel < channels_; ++channel) {
        const double step = means_[component * channels_ + channel] - means_[other * channels_ + channel];
        distance += step * step;
      }
      if (found < 0 || distance < least || (distance == least && other < found)) {
        found = other;
        least = distance;
      }
    }
    return found;
  }

  const std::vector<double>& means_;
  int64_t channels_;
  const std::vector<int64_t>& begins_;
  const std::vector<int32_t>& others_;
  std::vector<int32_t> region_of_, next_;
  std::vector<uint8_t> waits_;
};

// Of each component, the one that started its region.
std::vector<int32_t> find_regions(const Components& components, const std::vector<double>& means,
                                  int64_t channels, int64_t min_size, const std::vector<int64_t>& begins,
                                  const std::vector<int32_t>& others) {
  const int32_t num_components = components.num_components();
  Rounds rounds(components, means, channels, begins, others);
  for (int32_t c = 0; c < num_components; ++c) {
    if (components.sizes[c] >= min_size) rounds.start_region(c);
  }
  for (int32_t c = 0; c < num_components; ++c) rounds.ask(c);
  rounds.run();

  std::vector<int32_t> first;
  for (int32_t c = 0; c < num_components; ++c) {
    if (!rounds.has_region(c) && !rounds.touches_earlier_without_region(c)) first.push_back(c);
  }
  for (const int32_t c : first) rounds.start_region(c);
  for (const int32_t c : first) rounds.ask_neighbours(c);
  rounds.run();
  return rounds.region_of();
}

}  // namespace

int32_t connect_by_color_cpu(const int32_t* labels, const uint8_t* colors, int64_t channels,
                             VolumeShape shape, int64_t min_size, int32_t* out) {
  const Components components = find_components(labels, shape);
  write_components(components, out);
  const std::vector<double> means = mean_colors(components, colors, channels);
  std::vector<int64_t> begins;
  const std::vector<int32_t> others =
      group(find_contacts(components, shape, min_size, out), components.num_components(), begins);
  const std::vector<int32_t> region_of = find_regions(components, means, channels, min_size, begins, others);

  int32_t num_labels = 0;
  std::vector<int32_t> label_of(region_of.size(), -1), new_labels(region_of.size());
  for (size_t c = 0; c < region_of.size(); ++c) {
    int32_t& label = label_of[region_of[c]];
    if (label < 0) label = num_labels++;
    new_labels[c] = label;
  }
  write_values(components, new_labels, -1, out);
  return num_labels;
}

}  // namespace ace3d
