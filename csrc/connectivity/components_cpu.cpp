// Threads share the planes of a volume. Each joins the runs of its own planes; where the planes of two of
// them meet, one joins them afterwards. A set is represented by its first run, whoever joined it.
#include "connectivity/components.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "common/cpu.h"
#include "common/parallel.h"
#include "connectivity/components_simd.h"

namespace ace3d {
namespace {

constexpr int64_t kVoxelsPerJob = 1 << 16;

int64_t per_job(int64_t voxels_each) { return std::max<int64_t>(1, kVoxelsPerJob / voxels_each); }

}  // namespace

void number_components(Components& components, int32_t num_numbers) {
  std::vector<int32_t> new_numbers(num_numbers, -1);
  components.sizes.clear();
  components.first_voxels.clear();
  for (size_t i = 0; i < components.run_components.size(); ++i) {
    if (components.run_components[i] == kBackground) continue;
    int32_t& number = new_numbers[components.run_components[i]];
    if (number < 0) {
      number = components.num_components();
      components.sizes.push_back(0);
      components.first_voxels.push_back(components.run_begins[i]);
    }
    components.run_components[i] = number;
    components.sizes[number] += components.run_begins[i + 1] - components.run_begins[i];
  }
}

Components find_components(const int32_t* labels, VolumeShape shape) {
  const int64_t height = shape.height, width = shape.width, num_rows = shape.depth * height;
  const int64_t num_words = (width + 63) / 64;
  std::vector<uint64_t> bits(num_rows * num_words);
  Components found;
  found.row_runs.resize(num_rows + 1);
  parallel_for(0, num_rows, per_job(width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      found.row_runs[row + 1] =
          ACE3D_DISPATCH(find_run_bits, labels + row * width, width, bits.data() + row * num_words);
    }
  });
  for (int64_t row = 0; row < num_rows; ++row) found.row_runs[row + 1] += found.row_runs[row];
  const int32_t num_runs = found.row_runs[num_rows];
  found.run_begins.resize(static_cast<size_t>(num_runs) + 1);
  found.run_begins[num_runs] = static_cast<int32_t>(shape.num_voxels());
  found.run_components.resize(num_runs);

  int32_t* parents = found.run_components.data();
  const auto row_at = [&](int64_t row) {
    return RowOfRuns{labels + row * width, bits.data() + row * num_words, found.row_runs[row]};
  };
  const auto join = [&](int64_t before, int64_t row) {
    ACE3D_DISPATCH(join_rows, row_at(before), row_at(row), width, parents);
  };
  std::vector<uint8_t> begins_job(shape.depth);
  parallel_for(0, shape.depth, per_job(height * width), [&](int64_t begin, int64_t end) {
    begins_job[begin] = 1;
    for (int64_t row = begin * height; row < end * height; ++row) {
      ACE3D_DISPATCH(start_runs, row_at(row), width, static_cast<int32_t>(row * width), kBackground,
                     found.run_begins.data(), parents);
      if (row % height > 0) join(row - 1, row);
      if (row >= (begin + 1) * height) join(row - height, row);
    }
  });
  for (int64_t plane = 1; plane < shape.depth; ++plane) {
    if (!begins_job[plane]) continue;
    for (int64_t row = plane * height; row < (plane + 1) * height; ++row) join(row - height, row);
  }
  for (int32_t run = 0; run < num_runs; ++run) {
    if (parents[run] != kBackground)
      parents[run] = parents[parents[run]];  // whose own is the first of its set
  }
  number_components(found, num_runs);
  return found;
}

void write_values(const Components& components, const std::vector<int32_t>& values, int32_t none,
                  int32_t* out) {
  const int64_t num_runs = static_cast<int64_t>(components.run_components.size());
  parallel_for(0, num_runs, kVoxelsPerJob / 8, [&](int64_t begin, int64_t end) {
    ACE3D_DISPATCH(fill_runs, components.run_begins.data(), components.run_components.data(), begin, end,
                   values.data(), none, out);
  });
}

void write_components(const Components& components, int32_t* out) {
  std::vector<int32_t> numbers(components.sizes.size());
  std::iota(numbers.begin(), numbers.end(), 0);
  write_values(components, numbers, kBackground, out);
}

}  // namespace ace3d
