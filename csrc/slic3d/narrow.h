// Which centres can win somewhere in a box, found without looking at its voxels, for eight boxes at a time.
// For the files that are compiled once for each instruction set.
#pragma once

#include "slic3d/brick.h"

namespace ace3d::ACE3D_ISA {

inline constexpr float kUnreached = 1e30f;

// The eight children of a node.
struct Octet {
  Floats middle[3], first[3], last[3];  // in voxels; first and last voxel inside the volume
  float half;                           // of a side, in voxels
  const float* colors;                  // [2, channel, child]: middle and half width
  uint32_t exist;
};

ACE3D_INLINE Octet children_of(const BrickVolume& volume, int level, int64_t index, int64_t channels) {
  const Node& node = volume.nodes[level][index];
  const int64_t sizes[3] = {volume.shape.depth, volume.shape.height, volume.shape.width};
  const Floats second[3] = {{0, 0, 0, 0, 1, 1, 1, 1},
                            {0, 0, 1, 1, 0, 0, 1, 1},
                            {0, 1, 0, 1, 0, 1, 0, 1}};  // of the two along an axis
  const float side = static_cast<float>(box_side(level - 1));
  Octet octet;
  octet.half = (side - 1) / 2;
  for (int axis = 0; axis < 3; ++axis) {
    octet.first[axis] = splat(static_cast<float>(node.at[axis]) * 2 * side) + second[axis] * splat(side);
    octet.middle[axis] = octet.first[axis] + splat(octet.half);
    octet.last[axis] = min(octet.first[axis] + splat(side - 1), splat(static_cast<float>(sizes[axis] - 1)));
  }
  octet.colors = volume.boxes[level] + index * 2 * channels * kChildren;
  octet.exist = node.children;
  return octet;
}

// Candidates of one box: indices of centres, ascending.
struct Candidates {
  int32_t* indices;
  int64_t size;
  bool all_cover;  // whether each reaches every voxel of the box
};

// What narrow() works with: room for as many candidates as there are centres, rounded up to 64.
struct NarrowScratch {
  float* costs;     // [candidate, child]: in the middle of the box
  uint8_t* kept;    // [candidate]: for which children it is kept
  uint8_t* covers;  // [candidate]: of which children it reaches every voxel
  uint64_t* words;  // [child, candidate / 64]: the same as `kept`, by child
  int64_t num_words;
  Floats scale;        // of each child: how large costs are, for margins of rounding
  uint32_t all_cover;  // children of which all kept candidates reach every voxel
};

// A byte for each of eight candidates, a bit for each child -> a byte for each child.
ACE3D_INLINE uint64_t transpose_bits(uint64_t x) {
  uint64_t swapped = (x ^ (x >> 7)) & 0x00aa00aa00aa00aaull;
  x ^= swapped ^ (swapped << 7);
  swapped = (x ^ (x >> 14)) & 0x0000cccc0000ccccull;
  x ^= swapped ^ (swapped << 14);
  swapped = (x ^ (x >> 28)) & 0x00000000f0f0f0f0ull;
  return x ^ swapped ^ (swapped << 28);
}

ACE3D_INLINE void words_of_children(int64_t size, NarrowScratch& scratch) {
  scratch.num_words = (size + 63) / 64;
  std::memset(scratch.kept + size, 0, static_cast<size_t>(64 * scratch.num_words - size));
  uint8_t* bytes = reinterpret_cast<uint8_t*>(scratch.words);
  for (int64_t i = 0; i < 8 * scratch.num_words; ++i) {
    uint64_t eight;
    std::memcpy(&eight, scratch.kept + 8 * i, 8);
    const uint64_t by_child = transpose_bits(eight);
    for (int b = 0; b < kChildren; ++b) {
      bytes[8 * scratch.num_words * b + i] = static_cast<uint8_t>(by_child >> (8 * b));
    }
  }
}

// Keep, for each of eight boxes, the candidates that may win somewhere in it.
//
// The difference of two costs is affine in position and colour, so its least value over a box is its value in
// the middle less the sum of |slope| x half width; where that is above zero against one that reaches the
// whole box, a candidate cannot win. Before that a coarser question spares most candidates the sum: is one
// farther from the middle than the nearest by more than the diagonal? Rounding is given a margin.
template <int C>
void narrow(const AssignTask& task, const Candidates& from, const Octet& box, NarrowScratch& scratch) {
  const BrickVolume& volume = *task.volume;
  const int64_t channels = num_channels<C>(volume), stride = row_floats(channels);
  const int64_t num_colors = C == kDynamic && !task.use_colors ? 0 : channels;
  Floats best = splat(kUnreached);
  Ints best_at = splat(0);
  for (int64_t i = 0; i < from.size; ++i) {
    const float* center = task.centers + from.indices[i] * stride;
    Floats cost = splat(0.0f);
    for (int axis = 0; axis < 3; ++axis) {
      const Floats d = splat(center[1 + axis]) - box.middle[axis];
      cost = fma(d * d, splat(task.weight[axis]), cost);
    }
    for (int64_t c = 0; c < num_colors; ++c) {
      const Floats d = splat(center[4 + c]) - load(box.colors + c * kChildren);
      cost = fma(d, d, cost);
    }
    Ints better = (Ints)(cost < best);
    if (!from.all_cover) {
      const float* window = task.windows + from.indices[i] * 8;
      Ints touches = splat(-1), covers = splat(-1);
      for (int axis = 0; axis < 3; ++axis) {
        const Floats begin = splat(window[axis]), end = splat(window[3 + axis]);
        touches &= (Ints)(begin <= box.last[axis]) & (Ints)(box.first[axis] < end);
        covers &= (Ints)(begin <= box.first[axis]) & (Ints)(box.last[axis] < end);
      }
      cost = select(touches, cost, splat(kUnreached));
      better &= covers;
      scratch.covers[i] = static_cast<uint8_t>(bits(covers));
    }
    store(scratch.costs + i * kChildren, cost);
    best = select(better, cost, best);
    best_at = select(better, splat(static_cast<int32_t>(i)), best_at);
  }

  // Where no candidate reaches the whole box, all that touch it are kept.
  const Ints has_rival = (Ints)(best < splat(kUnreached));
  int32_t rivals[kChildren];
  store(rivals, best_at);
  constexpr int64_t kMost = C == kDynamic ? 3 + kMaxChannels : 3 + C;
  Floats rival[kMost], width[kMost], slack = splat(0.0f);
  const int64_t num_features = 3 + num_colors;
  for (int64_t f = 0; f < num_features; ++f) {
    float values[kChildren];
    for (int b = 0; b < kChildren; ++b) {
      values[b] = from.size > 0 ? task.centers[from.indices[rivals[b]] * stride + 1 + f] : 0.0f;
    }
    const Floats half = f < 3 ? splat(box.half) : load(box.colors + (channels + f - 3) * kChildren);
    const Floats weighted = f < 3 ? splat(task.weight[f]) * half : half;
    rival[f] = load(values);
    width[f] = splat(2.0f) * weighted;
    slack = fma(weighted, half, slack);
  }
  scratch.scale = select(has_rival, best, splat(0.0f)) + slack;
  const Floats diagonal = sqrt(best) + splat(2.0f) * sqrt(slack);
  const Floats farthest =
      select(has_rival, splat(1.0001f) * diagonal * diagonal + splat(task.error), splat(0.5f * kUnreached));
  const Floats margin = splat(task.error);
  scratch.all_cover = bits(has_rival) & box.exist;
  for (int64_t i = 0; i < from.size; ++i) {
    const Floats cost = load(scratch.costs + i * kChildren);
    const uint32_t near = bits((Ints)(cost <= farthest)) & box.exist;
    scratch.kept[i] = 0;
    if (near == 0) continue;
    const float* center = task.centers + from.indices[i] * stride;
    Floats bound = cost - best;
    for (int64_t f = 0; f < num_features; ++f) bound -= width[f] * abs(splat(center[1 + f]) - rival[f]);
    const Ints possible = (Ints)(bound <= fma(splat(1e-5f), cost + scratch.scale, margin));
    const uint32_t kept = near & bits(possible | ~has_rival);
    scratch.kept[i] = static_cast<uint8_t>(kept);
    if (!from.all_cover) scratch.all_cover &= ~(kept & ~static_cast<uint32_t>(scratch.covers[i]));
  }
  words_of_children(from.size, scratch);
}

// The candidates that narrow() kept for child b.
ACE3D_INLINE void take_child(const Candidates& from, const NarrowScratch& scratch, int b, Candidates& to) {
  to.size = 0;
  to.all_cover = (scratch.all_cover >> b & 1) != 0;
  const uint64_t* words = scratch.words + b * scratch.num_words;
  for (int64_t w = 0; w < scratch.num_words; ++w) {
    for (uint64_t left = words[w]; left != 0; left &= left - 1) {
      to.indices[to.size++] = from.indices[64 * w + __builtin_ctzll(left)];
    }
  }
}

}  // namespace ace3d::ACE3D_ISA
