"""Supervoxels of videos of any length, window by window, with labels that go on across windows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ace3d_fast.config import Quality
from ace3d_fast.errors import InputError, expected
from ace3d_fast.ops.checks import check_count, check_counts, check_tensor, check_triple
from ace3d_fast.ops.region_overlap import region_overlap
from ace3d_fast.ops.seeds import seed_grid, seeds_off_edges
from ace3d_fast.ops.segment import check_quality, connect_regions
from ace3d_fast.ops.slic3d import slic3d
from ace3d_fast.ops.smooth import smooth_lab


class StreamedFrames(NamedTuple):
    """Frames whose labels are final.

    Attributes
    ----------
    first_frame : int
        Index of the first one in the video.
    frames : (T, H, W, 3) uint8
    labels : (S, T, H, W) int32
        Supervoxels of each map; a supervoxel has the same number in the whole video.
    """

    first_frame: int
    frames: Tensor
    labels: Tensor


def stream_supervoxels(
    frames: Iterable[Tensor],
    num_regions: Sequence[int] = (15, 50, 80),
    *,
    window_frames: int = 48,
    overlap_frames: int = 16,
    compactness: float = 20.0,
    sigma: float = 1.0,
    spacing: float | Sequence[float] = (1.0, 1.0, 1.0),
    num_iterations: int = 10,
    quality: Quality = "standard",
) -> Iterator[StreamedFrames]:
    """Cut a video into connected supervoxels while it is read.

    Windows of frames overlap. Seeds lie on one grid for the whole video, so a window finds what it would find
    in the whole, but near its ends. Two regions, one of each window, that share more voxels of the overlap
    with each other than with any other region are one supervoxel. The first half of the overlap keeps the
    labels of the window before. Memory is that of two windows.

    Parameters
    ----------
    frames : iterable of (H, W, 3) uint8
        RGB, all of one size. Read as it is needed.
    num_regions : S integers
        About how many regions a window has, for each of S maps.
    window_frames : int
        Frames of a window.
    overlap_frames : int
        Frames that two windows share, below ``window_frames``; as many as a supervoxel lasts, or more, keep
        the seams out of sight. With 0 no supervoxel goes on.
    compactness, sigma, spacing, num_iterations, quality
        As for `segment_clips`. Colours are not stretched, since the range of a video is known at its end.

    Yields
    ------
    StreamedFrames
        Each frame once, in order.

    Raises
    ------
    InputError
        A frame of another shape or type, or an option out of range.

    Examples
    --------
    >>> import torch
    >>> from ace3d_fast import stream_supervoxels
    >>> video = (torch.full((16, 16, 3), 90, dtype=torch.uint8) for _ in range(60))
    >>> for part in stream_supervoxels(video, (4,), window_frames=24, overlap_frames=8):
    ...     print(part.first_frame, tuple(part.labels.shape))
    0 (1, 20, 16, 16)
    20 (1, 16, 16, 16)
    36 (1, 16, 16, 16)
    52 (1, 8, 16, 16)
    """
    where = "stream_supervoxels"
    counts = check_counts(where, "num_regions", num_regions, least=1)
    check_count(where, "window_frames", window_frames, least=1)
    check_count(where, "overlap_frames", overlap_frames, least=0)
    if overlap_frames >= window_frames:
        wanted = f"below window_frames ({window_frames})"
        raise InputError(expected(where, "overlap_frames", wanted, overlap_frames))
    distances = check_triple(where, "spacing", spacing, zero=False)
    widths = [w / d for w, d in zip(check_triple(where, "sigma", sigma, zero=True), distances, strict=True)]
    options = {"compactness": compactness, "num_iterations": num_iterations, "spacing": distances}
    check_quality(where, quality)
    return _stream(iter(frames), counts, window_frames, overlap_frames, widths, options, quality)


def _stream(
    frames: Iterator[Tensor],
    counts: list[int],
    window_frames: int,
    overlap_frames: int,
    widths: list[float],
    options: dict[str, Any],
    quality: Quality,
) -> Iterator[StreamedFrames]:
    maps: list[_Map] = []
    held: list[Tensor] = []  # what this window shares with the one before
    first_frame = 0  # of the window
    fresh = _take(frames, window_frames, held)
    while fresh:
        window = held + fresh
        fresh = _take(frames, window_frames - overlap_frames, window)
        clip = torch.stack(window)
        volume = smooth_lab(clip[None], widths, stretch=False)
        maps = maps or [_Map(clip.shape[:3], count) for count in counts]
        centers = [single.seeds(volume, first_frame, quality, is_last=not fresh) for single in maps]
        counts = [single.num_regions(volume) for single in maps]
        labels = slic3d(volume, counts, centers=centers, **options)
        labels = connect_regions(labels, clip[None], [single.mean_size for single in maps], quality)[0]
        named = [
            single.name(regions, len(held), overlap_frames)
            for single, regions in zip(maps, labels, strict=True)
        ]
        begin = len(held) - len(held) // 2
        end = len(window) - overlap_frames // 2 if fresh else len(window)
        yield StreamedFrames(first_frame + begin, clip[begin:end], torch.stack(named)[:, begin:end])
        held = window[len(window) - overlap_frames :]
        first_frame += len(window) - len(held)


def _take(frames: Iterator[Tensor], count: int, known: list[Tensor]) -> list[Tensor]:
    """The next ``count`` frames, fewer at the end; each of the size of those known."""
    taken: list[Tensor] = []
    for frame in islice(frames, count):
        check_tensor("stream_supervoxels", "frame", frame, dims=("H", "W", "3"), dtypes=(torch.uint8,))
        first = (known or taken or [frame])[0]
        if frame.shape != first.shape:
            wanted = f"of shape {tuple(first.shape)}, as the ones before"
            raise InputError(expected("stream_supervoxels", "frame", wanted, f"{tuple(frame.shape)}"))
        taken.append(frame)
    return taken


class _Map:
    """The grid of seeds of one resolution along the video, and the names of its regions."""

    def __init__(self, shape: torch.Size, num_regions: int) -> None:
        self._num_frames = shape[0]  # of the first window
        self._num_regions = num_regions
        self._grid = seed_grid(shape, num_regions)
        self.mean_size = shape.numel() / self._grid.num_centers(shape)
        self._num_names = 0
        self._last = torch.empty(0)  # names in the frames that the next window shares

    def num_regions(self, volume: Tensor) -> int:
        """About how many regions a window has: fewer in a last one that is shorter."""
        return max(1, round(self._num_regions * volume.shape[2] / self._num_frames))

    def seeds(self, volume: Tensor, first_frame: int, quality: Quality, *, is_last: bool) -> Tensor:
        """Centres (1, K, 3 + C) of the grid in a window, and up to half a step before and behind it."""
        num_frames = volume.shape[2]
        start, step = self._grid.start, self._grid.step
        end = first_frame + num_frames + (0 if is_last else step[0] // 2)
        first = max(0, -(-(first_frame - step[0] // 2 - start[0]) // step[0]))  # number of a layer of seeds
        times = torch.arange(start[0] + first * step[0], max(end, start[0] + first * step[0] + 1), step[0])
        lines = [torch.arange(start[axis], volume.shape[2 + axis], step[axis]) for axis in (1, 2)]
        seeds = torch.cartesian_prod(times - first_frame, *lines).reshape(-1, 3)
        if quality == "high":  # beyond the window: the place and colour of its last frame
            beyond = seeds[:, 0] - seeds[:, 0].clamp(0, num_frames - 1)
            inside = torch.stack([seeds[:, 0] - beyond, seeds[:, 1], seeds[:, 2]], dim=1)
            centers = seeds_off_edges(volume, inside).double()
            centers[..., 0] += beyond
            return centers
        return torch.cat([seeds, seeds.new_zeros(len(seeds), volume.shape[1])], dim=1).double()[None]

    def name(self, regions: Tensor, num_shared: int, num_shared_next: int) -> Tensor:
        """Names (T, H, W) of the regions (T, H, W) of a window, which shares frames with the one before."""
        num_regions = int(regions.max()) + 1
        names = torch.full((num_regions,), -1, dtype=torch.int32)
        if num_shared:
            known, before = torch.unique(self._last, return_inverse=True)
            sizes = (len(known), num_regions)
            shared = region_overlap(before.int()[None], regions[None, :num_shared].contiguous(), *sizes)[0]
            best_region, best_known = shared.argmax(dim=1), shared.argmax(dim=0)
            mutual = (best_region[best_known] == torch.arange(num_regions)) & (shared.amax(dim=0) > 0)
            names[mutual] = known[best_known[mutual]]
        unnamed = names < 0
        count = int(unnamed.sum())
        names[unnamed] = torch.arange(self._num_names, self._num_names + count, dtype=torch.int32)
        self._num_names += count
        named = names[regions.long()]
        self._last = named[len(named) - num_shared_next :].clone()
        return named
