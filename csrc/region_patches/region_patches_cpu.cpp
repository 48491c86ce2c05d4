#include <algorithm>
#include <vector>

#include "common/cpu.h"
#include "common/parallel.h"
#include "region_patches/bicubic.h"
#include "region_patches/region_patches.h"
#include "region_patches/region_patches_simd.h"

namespace ace3d {
namespace {

// One axis of a resize, laid out for the kernels: an even number of taps, each weight `copies` times.
struct Axis {
  ResizeWeights plan;
  std::vector<int32_t> weights;
  int32_t num_taps = 0;

  Axis(int64_t in_size, int64_t out_size, int copies) : plan(bicubic_weights(in_size, out_size)) {
    num_taps = (plan.num_taps + 1) / 2 * 2;
    weights.assign(out_size * num_taps * copies, 0);
    for (int64_t i = 0; i < out_size; ++i) {
      for (int32_t k = 0; k < plan.num_taps; ++k) {
        std::fill_n(weights.data() + (i * num_taps + k) * copies, copies,
                    plan.weights[i * plan.num_taps + k]);
      }
    }
  }

  // Whether a constant line of `value` stays as it is.
  bool keeps(uint8_t value) const {
    const int64_t out_size = static_cast<int64_t>(plan.first.size());
    for (int64_t i = 0; i < out_size; ++i) {
      int32_t total = 1 << (plan.precision - 1);
      for (int32_t k = 0; k < plan.num_taps; ++k) total += plan.weights[i * plan.num_taps + k] * value;
      if (total >> plan.precision != value) return false;
    }
    return true;
  }
};

// Cuts the frames of one patch; holds what they share.
class Cutter {
 public:
  Cutter(const uint8_t* frames, const int32_t* labels, const RegionPatchesShape& shape, const RegionBox& box,
         const PixelScale& pixels)
      : frames_(frames),
        labels_(labels),
        shape_(shape),
        box_(box),
        fill_(pixels.fill),
        width_(box.right - box.left),
        height_(box.bottom - box.top),
        along_x_(width_, shape.patch.width, 4),
        along_y_(height_, shape.patch.height, 1),
        constant_(along_x_.keeps(fill_) && along_y_.keeps(fill_)),
        row_bytes_(3 * shape.patch.width),
        pixels_(4 * (width_ + along_x_.num_taps) + kLineSlack),
        rows_(height_ * (row_bytes_ + kLineSlack)),
        taps_(along_y_.num_taps) {
    for (int i = 0; i < 24; ++i) {
      scale_[i] = pixels.scale[i % 3];
      shift_[i] = pixels.shift[i % 3];
    }
  }

  void cut(int64_t frame, float* out) {
    bool any = false;
    for (int64_t y = 0; y < height_; ++y) any |= resize_line(frame, y);
    if (!any && constant_) {
      for (int64_t i = 0; i < shape_.patch.height * row_bytes_; ++i) {
        out[i] = static_cast<float>(fill_) * scale_[i % 3] - shift_[i % 3];
      }
      return;
    }
    for (int64_t y = 0; y < shape_.patch.height; ++y) {
      for (int32_t k = 0; k < along_y_.num_taps; ++k) {
        taps_[k] = row(std::min<int64_t>(along_y_.plan.first[y] + k, height_ - 1));
      }
      const int32_t* weights = along_y_.weights.data() + y * along_y_.num_taps;
      ACE3D_DISPATCH(resize_rows, taps_.data(), weights, along_y_.num_taps, along_y_.plan.precision, scale_,
                     shift_, row_bytes_, out + y * row_bytes_);
    }
  }

 private:
  uint8_t* row(int64_t y) { return rows_.data() + y * (row_bytes_ + kLineSlack); }

  bool mask_line(const uint8_t* rgb, const int32_t* labels) {
    return ACE3D_DISPATCH(mask_line, rgb, labels, shape_.clip.num_voxels(), shape_.num_maps, box_.region,
                          width_, fill_, pixels_.data());
  }

  // Line y of the box, resized along x; returns whether the region lies on it.
  bool resize_line(int64_t frame, int64_t y) {
    const int64_t at =
        ((box_.start + frame) * shape_.clip.height + box_.top + y) * shape_.clip.width + box_.left;
    const bool any = mask_line(frames_ + 3 * at, labels_ + at);
    if (!any && constant_) {
      std::fill_n(row(y), row_bytes_, fill_);
    } else {
      ACE3D_DISPATCH(resize_line, pixels_.data(), along_x_.plan.first.data(), along_x_.weights.data(),
                     along_x_.num_taps, along_x_.plan.precision, shape_.patch.width, row(y));
    }
    return any;
  }

  const uint8_t* frames_;
  const int32_t* labels_;
  const RegionPatchesShape& shape_;
  const RegionBox& box_;
  const uint8_t fill_;
  const int64_t width_, height_;
  const Axis along_x_, along_y_;
  const bool constant_;
  const int64_t row_bytes_;
  std::vector<uint8_t> pixels_, rows_;
  std::vector<const uint8_t*> taps_;
  float scale_[24], shift_[24];
};

}  // namespace

void region_patches_cpu(const uint8_t* frames, const int32_t* labels, const RegionPatchesShape& shape,
                        const RegionBox* boxes, const PixelScale& pixels, float* patches) {
  const int64_t num_frames = shape.patch.depth, frame_samples = 3 * shape.patch.height * shape.patch.width;
  parallel_for(0, shape.num_patches * num_frames, 1, [&](int64_t begin, int64_t end) {
    for (int64_t job = begin; job < end;) {
      const int64_t patch = job / num_frames, last = std::min(end, (patch + 1) * num_frames);
      Cutter cutter(frames, labels, shape, boxes[patch], pixels);
      for (; job < last; ++job) cutter.cut(job % num_frames, patches + job * frame_samples);
    }
  });
}

}  // namespace ace3d
