// Slabs of features into and out of a buffer in which the channels of a cell lie side by side.
#pragma once

#include "region_pool/rows.h"

namespace ace3d::ACE3D_ISA {

// Cells are asked for so long before they are read.
inline constexpr int64_t kAhead = 256;

// Where the channels of a block begin.
template <class T>
struct Origins {
  T* of[kBlockChannels];
};

// Of the 16 channels from `first` on, at `cell`; those that do not exist stand for the last one that does.
template <class T>
ACE3D_INLINE Origins<T> origins_of(const Channels<T>& channels, int64_t first, int64_t cell) {
  Origins<T> rows;
  T* row = channels.data + first * channels.channel_stride + cell * channels.cell_stride;
  for (int64_t c = 0; c < kBlockChannels; ++c) {
    rows.of[c] = row;
    if (first + c + 1 < channels.count) row += channels.channel_stride;
  }
  return rows;
}

// What is read after a part and has not been asked for, of the first of 16 channels: further on in their
// planes, or the planes that follow.
template <class T>
ACE3D_INLINE T* next_to_read(const Channels<T>& channels, const Slabs& slabs, int64_t first) {
  const int64_t cell = slabs.first_cell + slabs.num_cells;
  const bool same_planes = channels.cell_stride != 1 || cell < channels.channel_stride;
  return channels.data + (same_planes
                              ? first * channels.channel_stride + (cell + kAhead) * channels.cell_stride
                              : (first + kBlockChannels) * channels.channel_stride);
}

// Planes, eight channels at a time. What comes later is asked for no nearer than the second cache: planes
// often lie a multiple of 4 KB apart, and would push each other out of the first.
template <class T, class S>
ACE3D_INLINE void gather_planes(const Origins<const T>& rows, int64_t num_cells, S* to) {
  constexpr int64_t kLine = 64 / sizeof(T);
  for (int64_t half = 0; half < kBlockChannels; half += 8) {
    const T* const* eight = rows.of + half;
    S* at = to + half;
    int64_t cell = 0;
    for (; cell + 16 <= num_cells; cell += 16, at += 16 * kBlockChannels) {
      for (int64_t line = (cell + kLine - 1) / kLine * kLine; line < cell + 16; line += kLine) {
        for (int i = 0; i < 8; ++i) __builtin_prefetch(eight[i] + line + kAhead, 0, 2);
      }
      transpose_in<2>(eight, cell, at);
    }
    for (; cell + 8 <= num_cells; cell += 8, at += 8 * kBlockChannels) transpose_in<1>(eight, cell, at);
    for (; cell < num_cells; ++cell, at += kBlockChannels) {
      for (int64_t i = 0; i < 8; ++i) at[i] = widen(eight[i][cell]);
    }
  }
}

ACE3D_INLINE Row<double> load_cell(const double* from) { return load_row(from); }

template <class T>
ACE3D_INLINE Row<float> load_cell(const T* from) {
  return {load_eight(from), load_eight(from + kLanes)};
}

// Cells whose channels lie side by side.
template <class T, class S>
ACE3D_INLINE void gather_cells(const T* from, int64_t cell_stride, int64_t num_channels, int64_t num_cells,
                               S* to) {
  for (int64_t cell = 0; cell < num_cells; ++cell, from += cell_stride, to += kBlockChannels) {
    __builtin_prefetch(from + kSlabCells * cell_stride, 0, 2);
    if (num_channels >= kBlockChannels) {
      store_row(to, load_cell(from));
    } else {
      for (int64_t c = 0; c < kBlockChannels; ++c) to[c] = c < num_channels ? widen(from[c]) : S(0);
    }
  }
}

// One block of channels of one slab.
struct Item {
  int64_t slab, channel, first_cell;
  const Piece* pieces;
  const float* points;
};

ACE3D_INLINE Item first_item(const Slabs& slabs, int64_t channel) {
  return {0, channel, slabs.first_cell, slabs.pieces, slabs.points};
}

ACE3D_INLINE Item next_slab(Item item, const Slabs& slabs) {
  const Slab& slab = slabs.slabs[item.slab];
  int32_t num_pieces = 0;
  for (const int32_t number : slab.num_pieces) num_pieces += number;
  item.first_cell += slab.num_cells;
  item.pieces += num_pieces;
  if (item.points != nullptr) item.points += num_pieces;
  ++item.slab;
  return item;
}

// In the order in which features lie in memory: in planes all slabs of a block of channels, else all blocks
// of a slab. A slab beyond the last: there are no more.
template <class T>
ACE3D_INLINE Item item_after(Item item, const Channels<T>& channels, const Slabs& slabs) {
  const int64_t next_channel = item.channel + kBlockChannels;
  if (channels.cell_stride == 1) {
    item = next_slab(item, slabs);
    return item.slab == slabs.num_slabs && next_channel < channels.count ? first_item(slabs, next_channel)
                                                                         : item;
  }
  item.channel = next_channel < channels.count ? next_channel : 0;
  return item.channel == 0 ? next_slab(item, slabs) : item;
}

// Calls body(buffer, item, slab) for every item, its cells in the buffer.
template <class T, class Body>
ACE3D_INLINE void for_each_item(const Channels<const T>& channels, const Slabs& slabs, const Body& body) {
  alignas(64) Sum<T> buffer[kSlabCells * kBlockChannels];
  for (Item item = first_item(slabs, 0); item.slab < slabs.num_slabs;
       item = item_after(item, channels, slabs)) {
    const Slab& slab = slabs.slabs[item.slab];
    const Origins<const T> rows = origins_of(channels, item.channel, item.first_cell);
    if (channels.cell_stride == 1) {
      gather_planes(rows, slab.num_cells, buffer);
    } else {
      gather_cells(rows.of[0], channels.cell_stride, channels.count - item.channel, slab.num_cells, buffer);
    }
    body(buffer, item, slab);
  }
}

// Calls body(piece, points) for the pieces of an item.
template <class Body>
ACE3D_INLINE void for_each_piece(const Item& item, const Slab& slab, const Body& body) {
  const Piece* piece = item.pieces;
  const float* points = item.points;
  for (const int32_t number : slab.num_pieces) {
    for (const Piece* end = piece + number; piece < end; ++piece) {
      body(*piece, points == nullptr ? 1.0f : *points++);
    }
  }
}

template <class T>
ACE3D_INLINE void scatter(const Sum<T>* from, int64_t first_cell, int64_t num_cells,
                          const Channels<T>& channels) {
  const Origins<T> rows = origins_of(channels, 0, first_cell);
  for (int64_t half = 0; half < channels.count; half += 8) {
    int64_t cell = 0;
    if (half + 8 <= channels.count) {
      for (; cell + 8 <= num_cells; cell += 8) {
        transpose_out(from + cell * kBlockChannels + half, rows.of + half, cell);
      }
    }
    const int64_t end = half + 8 < channels.count ? half + 8 : channels.count;
    for (; cell < num_cells; ++cell) {
      for (int64_t c = half; c < end; ++c) narrow(from[cell * kBlockChannels + c], rows.of[c][cell]);
    }
  }
}

}  // namespace ace3d::ACE3D_ISA
