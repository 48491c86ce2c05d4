// Index arithmetic at the far end of volumes of almost 2^31 voxels, and of features of 2^35 values: in memory
// that is reserved and hardly touched.
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "connectivity/walk.h"
#include "region_pool/gather.h"
#include "region_pool/slabs.h"
#include "slic3d/brick.h"

namespace {

using namespace ace3d;
using namespace ace3d::ACE3D_ISA;

constexpr int kNoMemory = 77;
constexpr VolumeShape kCube = {1290, 1290, 1290};  // 2^31 - 794,648 voxels
constexpr int64_t kMostCells = INT32_MAX;
int num_failures = 0;

void expect(bool fact, const char* words) {
  if (fact) return;
  std::printf("not so: %s\n", words);
  ++num_failures;
}
#define EXPECT(fact) expect(fact, #fact)

// Zeros; pages that are not written cost nothing.
template <class T>
class Reserved {
 public:
  explicit Reserved(int64_t count) : num_bytes_(static_cast<size_t>(count) * sizeof(T)) {
    void* memory =
        mmap(nullptr, num_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) std::exit(kNoMemory);
    data_ = static_cast<T*>(memory);
  }
  ~Reserved() { munmap(data_, num_bytes_); }
  Reserved(const Reserved&) = delete;
  Reserved& operator=(const Reserved&) = delete;
  T* data() const { return data_; }
  T& operator[](int64_t i) const { return data_[i]; }

 private:
  size_t num_bytes_;
  T* data_;
};

// 17 planes of 2^31 - 1 cells: the last three cells of the first and last plane.
void pool_the_last_cells() {
  constexpr int64_t kChannels = 17, kFirst = kMostCells - 3;
  const Reserved<float> features(kChannels * kMostCells);
  for (int64_t i = 0; i < 3; ++i) {
    features[kFirst + i] = 1.0f + i;
    features[16 * kMostCells + kFirst + i] = 10.0f * (1 + i);
  }
  const Slab slab{3, {1, 1}};
  const Piece pieces[] = {{0, 2, 1}, {1, 0, 2}};
  const int32_t regions[] = {1, 0};
  const Slabs slabs{kFirst, 3, 1, 2, &slab, pieces, nullptr, regions};
  const Channels<const float> channels{features.data(), kChannels, kMostCells, 1};
  std::vector<float> sums(2 * 2 * kBlockChannels);
  std::vector<double> totals(2 * 2 * kBlockChannels);
  sum_slabs<float>(channels, slabs, 2, sums.data(), totals.data());
  const auto total = [&](int64_t channel, int64_t region) {
    return totals[channel / kBlockChannels * 2 * kBlockChannels + region * kBlockChannels +
                  channel % kBlockChannels];
  };
  EXPECT(total(0, 0) == 3.0);
  EXPECT(total(0, 1) == 3.0);
  EXPECT(total(1, 0) == 0.0);
  EXPECT(total(16, 0) == 30.0);
  EXPECT(total(16, 1) == 30.0);

  std::vector<float> values(2 * 2 * kBlockChannels);
  std::vector<int32_t> cells(values.size(), -1);
  max_slabs<float>(channels, slabs, 2, values.data(), cells.data());
  EXPECT(cells[0] == kMostCells - 2);
  EXPECT(cells[kBlockChannels] == kMostCells - 1);
  EXPECT(values[2 * kBlockChannels] == 20.0f);

  const float rows[2 * kBlockChannels] = {5.0f};
  const Reserved<float> grads(kMostCells);
  spread_slabs<float>(rows, slabs, {grads.data(), 1, kMostCells, 1});
  EXPECT(grads[kFirst] == 5.0f);
  EXPECT(grads[kFirst + 2] == 0.0f);
}

// The same with the channels side by side.
void pool_the_last_cells_of_channels_last() {
  constexpr int64_t kChannels = 17, kFirst = kMostCells - 2;
  const Reserved<float> features(kChannels * kMostCells);
  features[kFirst * kChannels + 16] = 3.0f;
  features[(kFirst + 1) * kChannels + 16] = 4.0f;
  const Slab slab{2, {0, 1}};
  const Piece piece{0, 0, 2};
  const int32_t region = 0;
  std::vector<float> sums(2 * kBlockChannels);
  std::vector<double> totals(2 * kBlockChannels);
  sum_slabs<float>({features.data(), kChannels, 1, kChannels},
                   {kFirst, 2, 1, 1, &slab, &piece, nullptr, &region}, 1, sums.data(), totals.data());
  EXPECT(totals[kBlockChannels] == 7.0);
}

// Cells of an axis share out its labels, and the last one ends where they end.
void cells_of_long_axes() {
  for (const int64_t num_cells : {int64_t{1}, int64_t{3}, int64_t{46341}, kMostCells - 1}) {
    EXPECT(labels_of_cell(0, num_cells, kMostCells).begin == 0);
    EXPECT(labels_of_cell(num_cells - 1, num_cells, kMostCells).end == kMostCells);
    const int64_t middle = num_cells / 2;
    if (middle > 0) {
      EXPECT(labels_of_cell(middle - 1, num_cells, kMostCells).end ==
             labels_of_cell(middle, num_cells, kMostCells).begin);
    }
  }
  EXPECT(labels_of_cell(kMostCells - 1, kMostCells, 46341).begin == 46340);
}

void store_the_labels_of_the_last_bricks() {
  const Reserved<int32_t> labels(kCube.num_voxels());
  int32_t values[kBrickVoxels];
  for (int v = 0; v < kBrickVoxels; ++v) values[v] = 7 + v / 8;
  const int32_t whole[3] = {1284, 1284, 1284}, cut[3] = {1288, 1288, 1288};
  store_labels(whole, ~uint64_t{0}, kCube, values, labels.data());
  store_labels(cut, 0x0000000000330033ull, kCube, values, labels.data());  // two voxels along each axis
  const auto at = [&](int64_t t, int64_t y, int64_t x) { return labels[(t * 1290 + y) * 1290 + x]; };
  EXPECT(at(1284, 1284, 1284) == 7);
  EXPECT(at(1287, 1287, 1287) == 14);
  EXPECT(at(1289, 1289, 1289) == 9);
  EXPECT(at(1287, 1287, 1288) == 0);
  EXPECT(voxel_index(cut, 21, kCube) == kCube.num_voxels() - 1);
}

void walk_over_the_last_voxels() {
  const Reserved<int32_t> components(kCube.num_voxels());
  const int64_t last = kCube.num_voxels() - 1;
  for (const int64_t voxel : {last, last - 1, last - 1290, last - 1290 * 1290}) components[voxel] = 5;
  Walker walker(kCube, components.data());
  EXPECT(walker.walk(static_cast<int32_t>(last), 5, 5, INT32_MAX) == 4);
  EXPECT(components[last - 1290 * 1290] == ~5);
  EXPECT(walker.last_met([](int32_t component) { return component == 0; }) == 0);
}

}  // namespace

int main() {
  pool_the_last_cells();
  pool_the_last_cells_of_channels_last();
  cells_of_long_axes();
  store_the_labels_of_the_last_bricks();
  walk_over_the_last_voxels();
  return num_failures == 0 ? 0 : 1;
}
