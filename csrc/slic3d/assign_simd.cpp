// The pass that gives every voxel its nearest centre.
#include "common/arena.h"
#include "slic3d/narrow.h"
#include "slic3d/nearest_voxels.h"
#include "slic3d/slic3d_simd.h"

namespace ace3d::ACE3D_ISA {
namespace {

int64_t scratch_bytes(int64_t num_centers, int64_t stride) {
  const int64_t room = round_up(num_centers, 64);
  return Arena::bytes<float>(room * kChildren) + 2 * Arena::bytes<uint8_t>(room) +
         Arena::bytes<uint64_t>(room / 64 * kChildren) +
         (1 + kNumLevels * kChildren) * Arena::bytes<int32_t>(room) + Arena::bytes<float>(room * stride) +
         2 * Arena::bytes<int32_t>(room) + Arena::bytes<uint64_t>(room);
}

template <int C>
class Assigner {
 public:
  Assigner(const AssignTask& task, int64_t* sums)
      : task_(task),
        volume_(*task.volume),
        channels_(num_channels<C>(volume_)),
        stride_(row_floats(channels_)),
        num_colors_(task.use_colors ? channels_ : 0),
        layout_(channels_),
        sums_(sums),
        arena_(scratch_bytes(task.num_centers, stride_)) {
    const int64_t room = round_up(task.num_centers, 64);
    scratch_.costs = arena_.take<float>(room * kChildren);
    scratch_.kept = arena_.take<uint8_t>(room);
    scratch_.covers = arena_.take<uint8_t>(room);
    scratch_.words = arena_.take<uint64_t>(room / 64 * kChildren);
    for (auto& level : lists_) {
      for (Candidates& list : level) list.indices = arena_.take<int32_t>(room);
    }
    root_.indices = arena_.take<int32_t>(room);
    brick_.slopes = arena_.take<float>(room * stride_);
    brick_.indices = arena_.take<int32_t>(room);
    brick_.reached = arena_.take<uint64_t>(room);
    reaching_ = arena_.take<int32_t>(room);
  }

  bool run(int64_t begin, int64_t end) {
    int64_t root = -1;
    for (int64_t job = begin; job < end; ++job) {
      const Node& node = volume_.nodes[kJobLevel][job];
      if (node.parent != root) {
        root = node.parent;
        find_root(volume_.nodes[kJobLevel + 1][root]);
        split<kJobLevel + 1>(root, root_);
      }
      visit<kJobLevel>(job, lists_[kJobLevel][node.place]);
    }
    return met_unreached_;
  }

 private:
  // The centres that reach a voxel of a box of the highest level.
  void find_root(const Node& node) {
    const int64_t side = box_side(kJobLevel + 1);
    root_.size = 0;
    root_.all_cover = false;
    for (int64_t k = 0; k < task_.num_centers; ++k) {
      const float* window = task_.windows + 8 * k;
      bool touches = true;
      for (int axis = 0; axis < 3; ++axis) {
        const float first = static_cast<float>(node.at[axis] * side);
        touches &= window[axis] < first + static_cast<float>(side) && first < window[3 + axis];
      }
      if (touches) root_.indices[root_.size++] = static_cast<int32_t>(k);
    }
  }

  // Candidates of the children of a node.
  template <int kLevel>
  void split(int64_t index, const Candidates& from) {
    const Octet octet = children_of(volume_, kLevel, index, channels_);
    narrow<C>(task_, from, octet, scratch_);
    for (int b = 0; b < kChildren; ++b) {
      if (octet.exist >> b & 1) take_child(from, scratch_, b, lists_[kLevel - 1][b]);
    }
  }

  template <int kLevel>
  void visit(int64_t index, const Candidates& from) {
    const Node& node = volume_.nodes[kLevel][index];
    const bool alone = from.size == 1 && from.all_cover;
    if constexpr (kLevel == 1) {
      alone ? give_bricks(node, from.indices[0]) : assign_bricks(node, index, from);
    } else {
      if (!alone) split<kLevel>(index, from);
      int64_t child = node.first_child;
      for (int b = 0; b < kChildren; ++b) {
        if (node.children >> b & 1) visit<kLevel - 1>(child++, alone ? from : lists_[kLevel - 1][b]);
      }
    }
  }

  void give_bricks(const Node& node, int32_t center) {
    int64_t number = node.first_child;
    for (int b = 0; b < kChildren; ++b) {
      if ((node.children >> b & 1) == 0) continue;
      give_brick(view_brick(volume_, layout_, node, b, number++), center);
    }
  }

  void give_brick(const BrickView& brick, int32_t center) {
    if (task_.accumulate) add_voxels<C>(volume_, brick, brick.voxels, sums_of(center));
    if (!task_.store) return;
    alignas(64) int32_t labels[kBrickVoxels];
    for (int32_t& label : labels) label = center;
    store_labels(brick.first, brick.voxels, volume_.shape, labels, task_.labels);
  }

  void assign_bricks(const Node& node, int64_t index, const Candidates& from) {
    narrow<C>(task_, from, children_of(volume_, 1, index, channels_), scratch_);
    float scales[kChildren];
    store(scales, scratch_.scale);
    int64_t number = node.first_child;
    for (int b = 0; b < kChildren; ++b) {
      if ((node.children >> b & 1) == 0) continue;
      const BrickView brick = view_brick(volume_, layout_, node, b, number++);
      const float* next = brick.colors + channels_ * kBrickVoxels;
      for (int64_t i = 0; i < layout_.size; i += 16) __builtin_prefetch(next + i);
      if (brick.voxels == 0) continue;
      brick_.all_cover = (scratch_.all_cover >> b & 1) != 0;
      gather(from, b, brick, scales[b]);
      if (brick_.size == 1 && brick_.all_cover) {
        give_brick(brick, brick_.indices[0]);
      } else {
        assign_brick(brick);
      }
    }
  }

  // The candidates of brick b.
  void gather(const Candidates& from, int b, const BrickView& brick, float scale) {
    const uint64_t* words = scratch_.words + b * scratch_.num_words;
    brick_.size = 0;
    brick_.tie = kTie * scale;
    if (scratch_.num_words == 1 && brick_.all_cover && (words[0] & (words[0] - 1)) == 0) {
      brick_.indices[brick_.size++] = from.indices[__builtin_ctzll(words[0])];
      return;
    }
    float middle[kMostFloats] = {}, factor[kMostFloats] = {};
    for (int axis = 0; axis < 3; ++axis) {
      middle[1 + axis] = static_cast<float>(brick.first[axis]) + 1.5f;
      factor[1 + axis] = -2.0f * task_.weight[axis];
    }
    for (int64_t c = 0; c < num_colors(); ++c) {
      middle[4 + c] = brick.middle[c];
      factor[4 + c] = -2.0f * brick.quantum;
    }
    for (int64_t w = 0; w < scratch_.num_words; ++w) {
      for (uint64_t left = words[w]; left != 0; left &= left - 1) {
        const int64_t i = 64 * w + __builtin_ctzll(left), s = brick_.size++;
        const int32_t k = from.indices[i];
        const float* center = task_.centers + k * stride();
        float* slopes = brick_.slopes + s * stride();
        for (int64_t f = 0; f < stride(); f += kLanes) {
          store(slopes + f, (load(center + f) - load(middle + f)) * load(factor + f));
        }
        slopes[0] = scratch_.costs[i * kChildren + b];
        brick_.indices[s] = k;
        if (!brick_.all_cover) {
          const bool covers = scratch_.covers[i] >> b & 1;
          brick_.reached[s] = covers ? ~uint64_t{0} : reached_voxels(task_.windows + 8 * k, brick.first);
        }
      }
    }
    if (task_.resolve != nullptr) brick_.doubt = 2 * task_.error + kDoubt * scale + quantization_error();
  }

  // By how much the difference of two costs may be off since colours are in whole quanta, and centres in
  // float: by a quantum of each colour against the other, and by an eighth of one against the middle.
  float quantization_error() const {
    float error = 0.0f;
    for (int64_t c = 0; c < num_colors(); ++c) {
      float low = kUnreached, high = -kUnreached;
      for (int64_t s = 0; s < brick_.size; ++s) {
        const float slope = brick_.slopes[s * stride() + 4 + c];
        low = slope < low ? slope : low;
        high = slope > high ? slope : high;
      }
      error += 1.05f * (high - low) + 0.3f * (high > -low ? high : -low);
    }
    return error;
  }

  void assign_brick(const BrickView& brick) {
    alignas(64) int32_t labels[kBrickVoxels];
    uint64_t doubtful = 0;
    if (task_.resolve != nullptr) {
      doubtful = brick_.all_cover
                     ? assign_voxels<C, true, true>(brick_, brick, stride(), num_colors(), labels)
                     : assign_voxels<C, false, true>(brick_, brick, stride(), num_colors(), labels);
    } else if (brick_.all_cover) {
      assign_voxels<C, true, false>(brick_, brick, stride(), num_colors(), labels);
    } else {
      assign_voxels<C, false, false>(brick_, brick, stride(), num_colors(), labels);
    }
    if (doubtful & brick.voxels) resolve(brick, doubtful & brick.voxels, labels);
    if (task_.accumulate) add_labels(brick, labels);
    if (!brick_.all_cover) keep_old_labels(brick, labels);
    if (task_.store) store_labels(brick.first, brick.voxels, volume_.shape, labels, task_.labels);
  }

  void resolve(const BrickView& brick, uint64_t doubtful, int32_t* labels) {
    for (; doubtful != 0; doubtful &= doubtful - 1) {
      const int v = __builtin_ctzll(doubtful);
      const int32_t at[3] = {brick.first[0] + (v >> 4), brick.first[1] + (v >> 2 & 3),
                             brick.first[2] + (v & 3)};
      const int64_t voxel = voxel_index(brick.first, v, volume_.shape);
      const int32_t* some = brick_.indices;
      int64_t size = brick_.size;
      if (!brick_.all_cover) {
        size = 0;
        some = reaching_;
        for (int64_t s = 0; s < brick_.size; ++s) {
          if (brick_.reached[s] >> v & 1) reaching_[size++] = brick_.indices[s];
        }
      }
      labels[v] = task_.resolve(task_.resolve_context, voxel, at, some, size);
    }
  }

  // Labels of the voxels that no candidate reaches, from the pass before.
  void keep_old_labels(const BrickView& brick, int32_t* labels) {
    const uint64_t unreached = voxels_of(labels, -1) & brick.voxels;
    if (unreached == 0) return;
    met_unreached_ = true;
    if (!task_.has_labels) return;
    for (uint64_t left = unreached; left != 0; left &= left - 1) {
      const int v = __builtin_ctzll(left);
      labels[v] = task_.labels[voxel_index(brick.first, v, volume_.shape)];
      if (task_.accumulate && labels[v] >= 0) {
        add_voxels<C>(volume_, brick, uint64_t{1} << v, sums_of(labels[v]));
      }
    }
  }

  // Add the voxels that have a label to the sums of their centres; what the last centre gets is what is left.
  void add_labels(const BrickView& brick, const int32_t* labels) {
    constexpr int64_t kMost = C == kDynamic ? kMaxChannels : C;
    int32_t rest[kMost] = {}, totals[kMost];
    for (int64_t c = 0; c < channels(); ++c) rest[c] = brick.totals[c];
    uint64_t left = brick.voxels;
    for (int64_t s = 0; s < brick_.size; ++s) {
      const uint64_t won = voxels_of(labels, brick_.indices[s]) & left;
      if (won == 0) continue;
      int64_t* sums = sums_of(brick_.indices[s]);
      if (won == left) {
        add_sums<C>(volume_, brick, won, rest, sums);
        return;
      }
      label_totals<C>(volume_, brick, labels, brick_.indices[s], totals);
      add_sums<C>(volume_, brick, won, totals, sums);
      for (int64_t c = 0; c < channels(); ++c) rest[c] -= totals[c];
      left &= ~won;
    }
  }

  int64_t* sums_of(int32_t center) const { return sums_ + center * sums_per_center(channels()); }

  const AssignTask& task_;
  const BrickVolume& volume_;
  static constexpr int64_t kMostFloats = row_floats(C == kDynamic ? kMaxChannels : C);
  int64_t stride() const { return C == kDynamic ? stride_ : kMostFloats; }
  int64_t channels() const { return C == kDynamic ? channels_ : C; }
  int64_t num_colors() const { return C == kDynamic ? num_colors_ : C; }

  const int64_t channels_, stride_, num_colors_;
  const RecordLayout layout_;
  int64_t* sums_;
  Arena arena_;
  NarrowScratch scratch_;
  Candidates root_;
  Candidates lists_[kNumLevels][kChildren];
  BrickCandidates brick_;
  int32_t* reaching_;  // candidates that reach the voxel at hand
  bool met_unreached_ = false;
};

}  // namespace

bool assign_nearest(const AssignTask& task, int64_t begin, int64_t end, int64_t* sums) {
  if (!task.use_colors) return Assigner<kDynamic>(task, sums).run(begin, end);
  switch (task.volume->channels) {
    case 1:
      return Assigner<1>(task, sums).run(begin, end);
    case 2:
      return Assigner<2>(task, sums).run(begin, end);
    case 3:
      return Assigner<3>(task, sums).run(begin, end);
    case 4:
      return Assigner<4>(task, sums).run(begin, end);
    default:
      return Assigner<kDynamic>(task, sums).run(begin, end);
  }
}

}  // namespace ace3d::ACE3D_ISA
