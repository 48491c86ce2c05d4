#include <algorithm>

#include "connectivity/components.h"

namespace ace3d {
namespace {

struct Run {
  int32_t begin, end;  // along x
  int32_t label;
};

// Sets of runs; the representative of a set is its first run.
class RunSets {
 public:
  void add() { parents_.push_back(static_cast<int32_t>(parents_.size())); }
  int32_t find(int32_t run) {
    while (parents_[run] != run) {
      parents_[run] = parents_[parents_[run]];
      run = parents_[run];
    }
    return run;
  }
  void join(int32_t a, int32_t b) {
    a = find(a);
    b = find(b);
    parents_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<int32_t> parents_;
};

// Join the runs of one row with those of a neighbouring row that touch them and have the same label.
void join_rows(const std::vector<Run>& runs, int64_t a, int64_t a_end, int64_t b, int64_t b_end,
               RunSets& sets) {
  while (a < a_end && b < b_end) {
    if (runs[a].label == runs[b].label && runs[a].begin < runs[b].end && runs[b].begin < runs[a].end) {
      sets.join(static_cast<int32_t>(a), static_cast<int32_t>(b));
    }
    if (runs[a].end < runs[b].end) {
      ++a;
    } else {
      ++b;
    }
  }
}

}  // namespace

Components find_components(const int32_t* labels, VolumeShape shape, int32_t* component_of) {
  const int64_t num_rows = shape.depth * shape.height, width = shape.width;
  std::vector<Run> runs;
  std::vector<int64_t> first_runs(num_rows + 1);  // of each row
  RunSets sets;
  for (int64_t row = 0; row < num_rows; ++row) {
    first_runs[row] = static_cast<int64_t>(runs.size());
    const int32_t* line = labels + row * width;
    for (int64_t x = 0; x < width;) {
      const int32_t label = line[x];
      int64_t end = x + 1;
      while (end < width && line[end] == label) ++end;
      if (label >= 0) {
        runs.push_back({static_cast<int32_t>(x), static_cast<int32_t>(end), label});
        sets.add();
      }
      x = end;
    }
    const int64_t begin = first_runs[row], end = static_cast<int64_t>(runs.size());
    if (row % shape.height > 0) join_rows(runs, first_runs[row - 1], begin, begin, end, sets);
    if (row >= shape.height) {
      join_rows(runs, first_runs[row - shape.height], first_runs[row - shape.height + 1], begin, end, sets);
    }
  }
  first_runs[num_rows] = static_cast<int64_t>(runs.size());

  Components components;
  std::vector<int32_t> numbers(runs.size());  // the component of each run
  for (int64_t row = 0; row < num_rows; ++row) {
    int32_t* line = component_of + row * width;
    int64_t x = 0;
    for (int64_t i = first_runs[row]; i < first_runs[row + 1]; ++i) {
      const Run& run = runs[i];
      const int32_t root = sets.find(static_cast<int32_t>(i));
      if (root == i) {
        numbers[i] = static_cast<int32_t>(components.sizes.size());
        components.sizes.push_back(0);
        components.first_voxels.push_back(row * width + run.begin);
      } else {
        numbers[i] = numbers[root];
      }
      components.sizes[numbers[i]] += run.end - run.begin;
      std::fill(line + x, line + run.begin, kBackground);
      std::fill(line + run.begin, line + run.end, numbers[i]);
      x = run.end;
    }
    std::fill(line + x, line + width, kBackground);
  }
  return components;
}

}  // namespace ace3d
