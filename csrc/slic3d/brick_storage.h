// The bricks of one volume and the memory they live in.
#pragma once

#include <cstdlib>
#include <memory>
#include <vector>

#include "slic3d/bricks.h"

namespace ace3d {

class BrickStorage {
 public:
  // Lays out the boxes; colours will be below `largest` in magnitude. Records and boxes are left to fill.
  BrickStorage(VolumeShape shape, int64_t channels, float largest);
  BrickStorage(const BrickStorage&) = delete;
  BrickStorage& operator=(const BrickStorage&) = delete;

  const BrickVolume& volume() const { return volume_; }
  int64_t num_jobs() const { return volume_.num_nodes[kJobLevel]; }

 private:
  void add_children(int level, int64_t index);

  BrickVolume volume_{};
  int64_t num_bricks_ = 0;
  std::vector<Node> nodes_[kNumLevels];
  struct Free {
    void operator()(float* memory) const { std::free(memory); }
  };
  std::unique_ptr<float, Free> memory_;
};

// Bricks of a volume, colours divided by `compactness`; `mask` may be null.
template <class T>
std::unique_ptr<BrickStorage> lay_bricks(const T* colors, const uint8_t* mask, int64_t channels,
                                         VolumeShape shape, double compactness);

// The same from bytes of RGB.
std::unique_ptr<BrickStorage> lay_bricks_of_bytes(const uint8_t* rgb, const LightTable& light,
                                                  VolumeShape shape, double compactness);

}  // namespace ace3d
