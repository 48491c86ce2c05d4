#include "region_pool/region_pool.h"

#include <algorithm>

#include "common/cpu.h"
#include "common/parallel.h"
#include "region_pool/slabs.h"

namespace ace3d {
namespace {

constexpr int64_t kGrainValues = 131072;   // features; fewer are not worth a second thread
constexpr int64_t kStripBlocks = 8;        // at most
constexpr int64_t kStripValues = 1 << 19;  // sums of a strip, where one block has fewer

int64_t blocks_of(int64_t channels) { return (channels + kBlockChannels - 1) / kBlockChannels; }

// What a thread works on at a time: channels [first, first + count) of a clip. The wider, the longer the
// stretches of memory that are read (channels_last) and written.
struct Strip {
  int64_t clip, first, count;
};

// Calls body(begin, end, strip_of) with ranges of jobs; strip_of(job) is what to do.
template <class Body>
void for_each_strip(const RegionPoolShape& shape, int64_t width, const Body& body) {
  const int64_t strips_of_clip = (shape.num_channels + width - 1) / width;
  const auto strip_of = [&](int64_t job) {
    const int64_t first = job % strips_of_clip * width;
    return Strip{job / strips_of_clip, first, std::min(width, shape.num_channels - first)};
  };
  const int64_t grain = kGrainValues / (width * shape.num_cells()) + 1;
  parallel_for(0, shape.num_clips * strips_of_clip, grain,
               [&](int64_t begin, int64_t end) { body(begin, end, strip_of); });
}

// Planes are read a block of channels at a time, which keeps its totals in a cache; where channels lie side
// by side the blocks of a strip are read together.
int64_t strip_width(const RegionPoolShape& shape, bool channels_last) {
  if (!channels_last) return kBlockChannels;
  const int64_t blocks = blocks_of(shape.num_channels);
  const int64_t in_memory = kStripValues / (shape.num_regions * kBlockChannels + 1);
  const int64_t for_all = num_threads() == 1 ? blocks : blocks * shape.num_clips / (2 * num_threads());
  return kBlockChannels * std::clamp<int64_t>(std::min(in_memory, for_all), 1, kStripBlocks);
}

template <class T>
Channels<T> channels_of(T* data, bool channels_last, const RegionPoolShape& shape, const Strip& strip) {
  const int64_t channel_stride = channels_last ? 1 : shape.num_cells();
  const int64_t cell_stride = channels_last ? shape.num_channels : 1;
  return {data + strip.clip * shape.num_channels * shape.num_cells() + strip.first * channel_stride,
          strip.count, channel_stride, cell_stride};
}

}  // namespace

template <class T, class Out>
void region_pool_cpu(const FeatureGrid<T>& features, const int32_t* labels, const RegionPoolShape& shape,
                     bool mean, Out* pooled, int64_t* counts) {
  const int64_t num_regions = shape.num_regions;
  const auto clips = find_slabs(labels, shape);
  std::fill_n(counts, shape.num_clips * num_regions, 0);
  for (int64_t clip = 0; clip < shape.num_clips; ++clip) {
    for (const Part& part : clips[clip]) part.add_to_counts(counts + clip * num_regions);
  }
  const int64_t width = strip_width(shape, features.channels_last), stride = num_regions * kBlockChannels;
  for_each_strip(shape, width, [&](int64_t begin, int64_t end, const auto& strip_of) {
    std::vector<double> totals(blocks_of(width) * stride);
    std::vector<Sum<T>> sums;  // zeros
    for (int64_t job = begin; job < end; ++job) {
      const Strip strip = strip_of(job);
      std::fill(totals.begin(), totals.end(), 0.0);
      const Channels<const T> channels = channels_of(features.data, features.channels_last, shape, strip);
      for (const Part& part : clips[strip.clip]) {
        const Slabs slabs = part.slabs();
        const auto num_sums = static_cast<size_t>(width * slabs.num_regions);
        if (sums.size() < num_sums) sums.resize(num_sums);
        ACE3D_DISPATCH(sum_slabs, channels, slabs, num_regions, sums.data(), totals.data());
      }
      const int64_t first_region = strip.clip * num_regions;
      ACE3D_DISPATCH(write_totals, totals.data(), mean ? counts + first_region : nullptr, num_regions,
                     strip.count, shape.num_channels,
                     pooled + first_region * shape.num_channels + strip.first);
    }
  });
}

template <class T>
void region_max_cpu(const FeatureGrid<T>& features, const int32_t* labels, const RegionPoolShape& shape,
                    T* values, int32_t* cells) {
  const int64_t num_regions = shape.num_regions;
  const auto clips = find_slabs(labels, shape);
  const int64_t width = strip_width(shape, features.channels_last), stride = num_regions * kBlockChannels;
  for_each_strip(shape, width, [&](int64_t begin, int64_t end, const auto& strip_of) {
    std::vector<Sum<T>> best(blocks_of(width) * stride);
    std::vector<CellIndex<T>> at(best.size());
    for (int64_t job = begin; job < end; ++job) {
      const Strip strip = strip_of(job);
      std::fill(best.begin(), best.end(), Sum<T>(0));
      std::fill(at.begin(), at.end(), -1);
      const Channels<const T> channels = channels_of(features.data, features.channels_last, shape, strip);
      for (const Part& part : clips[strip.clip]) {
        ACE3D_DISPATCH(max_slabs, channels, part.slabs(), num_regions, best.data(), at.data());
      }
      for (int64_t r = 0; r < num_regions; ++r) {
        const int64_t to = (strip.clip * num_regions + r) * shape.num_channels + strip.first;
        for (int64_t c = 0; c < strip.count; ++c) {
          const int64_t from = c / kBlockChannels * stride + r * kBlockChannels + c % kBlockChannels;
          narrow(best[from], values[to + c]);
          cells[to + c] = static_cast<int32_t>(at[from]);
        }
      }
    }
  });
}

template <class T>
void region_spread_cpu(const Sum<T>* grad_sums, const int32_t* labels, const RegionPoolShape& shape,
                       T* grad_features) {
  const int64_t num_regions = shape.num_regions;
  const auto clips = find_slabs(labels, shape);
  for_each_strip(shape, kBlockChannels, [&](int64_t begin, int64_t end, const auto& strip_of) {
    std::vector<Sum<T>> rows(num_regions * kBlockChannels);
    for (int64_t job = begin; job < end; ++job) {
      const Strip strip = strip_of(job);
      for (int64_t r = 0; r < num_regions; ++r) {
        const Sum<T>* from = grad_sums + (strip.clip * num_regions + r) * shape.num_channels + strip.first;
        std::copy_n(from, strip.count, rows.data() + r * kBlockChannels);
      }
      const Channels<T> channels = channels_of(grad_features, false, shape, strip);
      for (const Part& part : clips[strip.clip]) {
        ACE3D_DISPATCH(spread_slabs, rows.data(), part.slabs(), channels);
      }
    }
  });
}

#define ACE3D_INSTANTIATE(T)                                                                               \
  template void region_pool_cpu<T, T>(const FeatureGrid<T>&, const int32_t*, const RegionPoolShape&, bool, \
                                      T*, int64_t*);                                                       \
  template void region_max_cpu<T>(const FeatureGrid<T>&, const int32_t*, const RegionPoolShape&, T*,       \
                                  int32_t*);                                                               \
  template void region_spread_cpu<T>(const Sum<T>*, const int32_t*, const RegionPoolShape&, T*);

ACE3D_INSTANTIATE(float)
ACE3D_INSTANTIATE(double)
ACE3D_INSTANTIATE(Half)
ACE3D_INSTANTIATE(BFloat16)
template void region_pool_cpu<Half, float>(const FeatureGrid<Half>&, const int32_t*, const RegionPoolShape&,
                                           bool, float*, int64_t*);
template void region_pool_cpu<BFloat16, float>(const FeatureGrid<BFloat16>&, const int32_t*,
                                               const RegionPoolShape&, bool, float*, int64_t*);

}  // namespace ace3d
