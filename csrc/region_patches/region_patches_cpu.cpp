#include <algorithm>
#include <vector>

#include "common/cpu.h"
#include "common/pages.h"
#include "common/parallel.h"
#include "region_patches/bicubic.h"
#include "region_patches/region_patches.h"
#include "region_patches/region_patches_simd.h"

namespace ace3d {
namespace {

// One axis of a resize, laid out for the kernels: an even number of taps, each weight `copies` times.
struct Axis {
  ResizeWeights plan;
  std::vector<float> weights;
  int32_t num_taps;

  Axis(int64_t in_size, int64_t out_size, int copies)
      : plan(bicubic_weights(in_size, out_size)), num_taps((plan.num_taps + 1) / 2 * 2) {
    // One output more, of no weight: kernels take two at a time.
    weights.assign((out_size + 1) * num_taps * copies, 0.0f);
    for (int64_t i = 0; i < out_size; ++i) {
      for (int32_t k = 0; k < plan.num_taps; ++k) {
        std::fill_n(weights.data() + (i * num_taps + k) * copies, copies,
                    plan.weights[i * plan.num_taps + k]);
      }
    }
  }

  // Whether a line of nothing but `value` stays as it is.
  bool keeps(uint8_t value) const {
    for (size_t i = 0; i < plan.first.size(); ++i) {
      double total = 0.5;
      for (int32_t k = 0; k < plan.num_taps; ++k) {
        total += static_cast<double>(plan.weights[i * plan.num_taps + k]) * value;
      }
      if (static_cast<int64_t>(total) != value) return false;
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
        keeps_fill_(along_x_.keeps(fill_) && along_y_.keeps(fill_)),
        row_size_(3 * shape.patch.width),
        masked_(4 * (width_ + along_x_.num_taps) + kLineSlack),
        resized_(height_ * (row_size_ + kLineSlack)),
        blank_(row_size_ + kLineSlack, static_cast<float>(fill_)),
        blank_result_(row_size_),
        rows_(height_),
        taps_(along_y_.num_taps) {
    for (int i = 0; i < 24; ++i) {
      scale_[i] = pixels.scale[i % 3];
      shift_[i] = pixels.shift[i % 3];
    }
    for (int64_t i = 0; i < row_size_; ++i) {
      blank_result_[i] = static_cast<float>(fill_) * scale_[i % 3] - shift_[i % 3];
    }
  }

  void cut(int64_t frame, float* out) {
    for (int64_t y = 0; y < height_; ++y) rows_[y] = resized_line(frame, y);
    for (int64_t y = 0; y < shape_.patch.height; ++y, out += row_size_) {
      bool blank = true;
      for (int32_t k = 0; k < along_y_.num_taps; ++k) {
        taps_[k] = rows_[std::min<int64_t>(along_y_.plan.first[y] + k, height_ - 1)];
        blank = blank && taps_[k] == blank_.data();
      }
      if (blank) {
        std::copy(blank_result_.begin(), blank_result_.end(), out);
      } else {
        ACE3D_DISPATCH(resize_rows, taps_.data(), along_y_.weights.data() + y * along_y_.num_taps,
                       along_y_.num_taps, along_y_.plan.fits_float(), scale_, shift_, row_size_, out);
      }
    }
  }

 private:
  bool mask_line(const uint8_t* rgb, const int32_t* labels) {
    return ACE3D_DISPATCH(mask_line, rgb, labels, shape_.clip.num_voxels(), shape_.num_maps, box_.region,
                          width_, fill_, masked_.data());
  }

  // Line y of the box, resized along x; `blank_` where the region is not on it and fill stays fill.
  const float* resized_line(int64_t frame, int64_t y) {
    const int64_t at =
        ((box_.start + frame) * shape_.clip.height + box_.top + y) * shape_.clip.width + box_.left;
    if (!mask_line(frames_ + 3 * at, labels_ + at) && keeps_fill_) return blank_.data();
    float* line = resized_.data() + y * (row_size_ + kLineSlack);
    ACE3D_DISPATCH(resize_line, masked_.data(), along_x_.plan.first.data(), along_x_.weights.data(),
                   along_x_.num_taps, along_x_.plan.fits_float(), shape_.patch.width, line);
    return line;
  }

  const uint8_t* frames_;
  const int32_t* labels_;
  const RegionPatchesShape& shape_;
  const RegionBox& box_;
  const uint8_t fill_;
  const int64_t width_, height_;
  const Axis along_x_, along_y_;
  const bool keeps_fill_;
  const int64_t row_size_;
  std::vector<float> masked_, resized_, blank_, blank_result_;
  std::vector<const float*> rows_, taps_;
  float scale_[24], shift_[24];
};

}  // namespace

void region_patches_cpu(const uint8_t* frames, const int32_t* labels, const RegionPatchesShape& shape,
                        const RegionBox* boxes, const PixelScale& pixels, float* patches) {
  const int64_t num_frames = shape.patch.depth, frame_samples = 3 * shape.patch.height * shape.patch.width;
  prefer_large_pages(patches, shape.num_patches * num_frames * frame_samples * int64_t{sizeof(float)});
  parallel_for(0, shape.num_patches * num_frames, 1, [&](int64_t begin, int64_t end) {
    for (int64_t job = begin; job < end;) {
      const int64_t patch = job / num_frames, last = std::min(end, (patch + 1) * num_frames);
      Cutter cutter(frames, labels, shape, boxes[patch], pixels);
      for (; job < last; ++job) cutter.cut(job % num_frames, patches + job * frame_samples);
    }
  });
}

}  // namespace ace3d
