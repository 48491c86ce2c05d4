// Threads share the planes of a volume. Each joins the runs of its own planes; where the planes of two of
// them meet, one joins them afterwards. A set is represented by its first run, whoever joined it.
#include <algorithm>
#include <utility>

#include "common/parallel.h"
#include "connectivity/components.h"

namespace ace3d {
namespace {

constexpr int64_t kVoxelsPerJob = 1 << 16;

int64_t per_job(int64_t voxels_each) { return std::max<int64_t>(1, kVoxelsPerJob / voxels_each); }

int32_t find(std::vector<int32_t>& parents, int32_t run) {
  while (parents[run] != run) {
    parents[run] = parents[parents[run]];
    run = parents[run];
  }
  return run;
}

void join(std::vector<int32_t>& parents, int32_t a, int32_t b) {
  if (parents[a] == parents[b]) return;
  a = find(parents, a);
  b = find(parents, b);
  parents[std::max(a, b)] = std::min(a, b);
}

class RunJoiner {
 public:
  RunJoiner(const int32_t* labels, VolumeShape shape, Components& found)
      : labels_(labels), shape_(shape), found_(found) {}

  // Find where the runs of a row begin; each is a set of its own.
  void split(int64_t row) {
    const int64_t width = shape_.width, first = row * width;
    const int32_t* line = labels_ + first;
    int32_t run = found_.row_runs[row];
    int32_t* begins = found_.run_begins.data();
    for (int64_t x = 1; x < width; ++x) {
      run += line[x] != line[x - 1];
      if (line[x] != line[x - 1]) begins[run] = static_cast<int32_t>(first + x);
    }
    for (int32_t i = found_.row_runs[row]; i < found_.row_runs[row + 1]; ++i) {
      found_.run_components[i] = labels_[begins[i]] < 0 ? kBackground : i;
    }
  }

  // Join the runs of two rows that touch and have the same label.
  void join_rows(int64_t before, int64_t row) {
    const int32_t* begins = found_.run_begins.data();
    const auto offset = static_cast<int32_t>((row - before) * shape_.width);
    int32_t a = found_.row_runs[before], b = found_.row_runs[row];
    for (const int32_t end = found_.row_runs[row + 1]; b < end;) {
      const int32_t label = labels_[begins[b]];
      if (labels_[begins[a]] == label && label >= 0) join(found_.run_components, a, b);
      const int32_t end_a = begins[a + 1] + offset, end_b = begins[b + 1];
      a += end_a <= end_b;
      b += end_b <= end_a;
    }
  }

 private:
  const int32_t* labels_;
  VolumeShape shape_;
  Components& found_;
};

// From sets of runs to numbered components.
void number_components(Components& found) {
  std::vector<int32_t>& runs = found.run_components;  // the parent of each, then its component
  const auto num_runs = static_cast<int32_t>(runs.size());
  int32_t num_components = 0;
  for (int32_t i = 0; i < num_runs; ++i) num_components += runs[i] == i;
  found.sizes.resize(num_components);
  found.first_voxels.resize(num_components);
  int32_t next = 0;
  for (int32_t i = 0; i < num_runs; ++i) {
    if (runs[i] == kBackground) continue;
    if (runs[i] == i) {
      found.first_voxels[next] = found.run_begins[i];
      runs[i] = next++;
    } else {
      runs[i] = runs[runs[i]];  // a parent comes before, and has its component
    }
    found.sizes[runs[i]] += found.run_begins[i + 1] - found.run_begins[i];
  }
}

}  // namespace

Components find_components(const int32_t* labels, VolumeShape shape) {
  const int64_t height = shape.height, width = shape.width, num_rows = shape.depth * height;
  Components found;
  found.row_runs.resize(num_rows + 1);
  parallel_for(0, num_rows, per_job(width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int32_t* line = labels + row * width;
      int32_t num_runs = 1;
      for (int64_t x = 1; x < width; ++x) num_runs += line[x] != line[x - 1];
      found.row_runs[row + 1] = num_runs;
    }
  });
  for (int64_t row = 0; row < num_rows; ++row) found.row_runs[row + 1] += found.row_runs[row];
  const int32_t num_runs = found.row_runs[num_rows];
  found.run_begins.resize(static_cast<size_t>(num_runs) + 1);
  for (int64_t row = 0; row <= num_rows; ++row) {
    found.run_begins[found.row_runs[row]] = static_cast<int32_t>(row * width);
  }
  found.run_components.resize(num_runs);

  RunJoiner joiner(labels, shape, found);
  std::vector<uint8_t> begins_job(shape.depth);
  parallel_for(0, shape.depth, per_job(height * width), [&](int64_t begin, int64_t end) {
    begins_job[begin] = 1;
    for (int64_t row = begin * height; row < end * height; ++row) {
      joiner.split(row);
      if (row % height > 0) joiner.join_rows(row - 1, row);
      if (row >= (begin + 1) * height) joiner.join_rows(row - height, row);
    }
  });
  for (int64_t plane = 1; plane < shape.depth; ++plane) {
    if (!begins_job[plane]) continue;
    for (int64_t row = plane * height; row < (plane + 1) * height; ++row) {
      joiner.join_rows(row - height, row);
    }
  }
  number_components(found);
  return found;
}

namespace {

template <class ValueOf>
void write_runs(const Components& components, const ValueOf& value_of, int32_t* out) {
  const int64_t num_runs = static_cast<int64_t>(components.run_components.size());
  parallel_for(0, num_runs, kVoxelsPerJob / 8, [&](int64_t begin, int64_t end) {
    for (int64_t run = begin; run < end; ++run) {
      const int32_t value = value_of(components.run_components[run]);
      const int32_t last = components.run_begins[run + 1];
      for (int32_t v = components.run_begins[run]; v < last; ++v) out[v] = value;
    }
  });
}

}  // namespace

void write_components(const Components& components, int32_t* out) {
  write_runs(components, [](int32_t component) { return component; }, out);
}

void write_values(const Components& components, const std::vector<int32_t>& values, int32_t* out) {
  write_runs(
      components, [&](int32_t component) { return component == kBackground ? -1 : values[component]; }, out);
}

}  // namespace ace3d
