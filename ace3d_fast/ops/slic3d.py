"""3D SLIC supervoxels, without connectivity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ace3d_fast.errors import InputError, expected
from ace3d_fast.ops._native import register_fake
from ace3d_fast.ops.checks import (
    check_beside,
    check_counts,
    check_flag,
    check_tensor,
    check_volume,
)
from ace3d_fast.ops.seeds import SeedGrid, mask_seeds, seed_grid
from ace3d_fast.ops.slic3d_checks import check_centers, check_colors, check_options, check_slic_volume


@dataclass(slots=True)
class _Maps:
    """The resolutions of a volume as the op takes them."""

    grids: list[int] = field(default_factory=list)
    num_centers: list[int] = field(default_factory=list)
    apart: list[float] = field(default_factory=list)

    def add(self, grid: SeedGrid, num_centers: int, apart: float | None = None) -> None:
        self.grids += [*grid.start, *grid.step, *grid.window]
        self.num_centers.append(num_centers)
        self.apart.append(float(max(grid.step)) if apart is None else apart)


def slic3d(
    volume: Tensor,
    num_regions: Sequence[int],
    *,
    compactness: float,
    num_iterations: int = 10,
    spacing: float | Sequence[float] = (1.0, 1.0, 1.0),
    mask: Tensor | None = None,
    centers: Sequence[Tensor] | None = None,
    exact: bool = False,
    adapt_compactness: bool = False,
) -> Tensor:
    """Cut volumes into supervoxels by k-means over position and colour, at several resolutions.

    Parameters
    ----------
    volume : (N, C, T, H, W) float32, float64, float16 or bfloat16
        Colours (Lab from 0 to 100) or any features, up to 64 channels. Half types are read as float32. On a
        GPU no float64, and labels are those of the CPU, bit for bit.
    num_regions : S integers
        About how many regions each of the S maps is to have.
    compactness : float
        Weight of position against colour.
    num_iterations : int
        At most; it ends before where no label changes any more.
    spacing : float or three floats (T, H, W)
        Distance between voxels along each axis. It scales distances and leaves the seeds where they are.
    mask : (N, T, H, W) bool, optional
        Voxels that take part; the others get label -1. Seeds are spread over the mask by k-means.
    centers : S tensors (N, K, 3 + C), optional
        Where centres start (t, y, x in voxels, then colours): a warm start. ``num_regions`` then only says
        how far a centre reaches and what distances are measured in.
    exact : bool
        Labels of scikit-image's core, bit for bit, given the same image and type: sums are added in scan
        order in the type of ``volume``. float64 is always exact. On the CPU only.
    adapt_compactness : bool
        SLICO: each supervoxel divides its colour distances by the largest one it has met (``slic_zero`` of
        scikit-image). Exact, and as slow as scikit-image. On the CPU only.

    Returns
    -------
    (N, S, T, H, W) int32
        Index of the nearest centre, from 0. A region may fall apart: see `enforce_connectivity`.

    Raises
    ------
    InputError
        Another shape or type, NaN or infinities (not looked for on a GPU), or an option out of range.

    References
    ----------
    Achanta et al., SLIC superpixels compared to state-of-the-art superpixel methods, TPAMI 2012.

    Examples
    --------
    >>> import torch
    >>> from ace3d_fast import slic3d
    >>> volume = torch.rand(1, 5, 4, 12, 12)  # any 5 features of a clip, not colours
    >>> slic3d(volume, [8], compactness=0.1).shape
    torch.Size([1, 1, 4, 12, 12])
    """
    volume = check_slic_volume("slic3d", volume)
    shape = volume.shape[2:]
    counts = check_counts("slic3d", "num_regions", num_regions, least=1)
    distances = check_options("slic3d", volume, compactness, num_iterations, spacing)
    for name, flag in (("exact", exact), ("adapt_compactness", adapt_compactness)):
        if check_flag("slic3d", name, flag) and volume.device.type == "cuda":
            raise InputError(
                expected("slic3d", name, "False on a GPU", "True", "move the volume to the CPU with .cpu()")
            )
    options = (compactness, num_iterations, distances, exact, adapt_compactness)
    if mask is not None:
        check_tensor("slic3d", "mask", mask, dims=("N", "T", "H", "W"), dtypes=(torch.bool,))
        if mask.shape != (volume.shape[0], *shape):
            raise InputError(expected("slic3d", "mask", "of the volume's shape", f"{tuple(mask.shape)}"))
        check_beside("slic3d", "mask", mask, volume)
        if centers is None and mask.device.type == "meta":
            raise InputError(expected("slic3d", "mask", "with data, to spread seeds over", "device meta"))
        if centers is None and len(volume):
            clips = range(volume.shape[0])
            return torch.cat(
                [_spread_over_mask(volume[n, None], mask[n, None], counts, *options) for n in clips]
            )
    starts, maps = None, _grid_maps(shape, counts)
    if centers is not None:
        starts, maps = _given_maps("slic3d", centers, shape, counts, volume, volume.shape[1], compactness)
    return _run(volume, mask, starts, maps, *options, settle_first=False, return_centers=False)[0]


def slic3d_from(
    volume: Tensor,
    centers: Sequence[Tensor],
    num_regions: Sequence[int],
    *,
    compactness: float,
    num_iterations: int = 10,
    spacing: float | Sequence[float] = (1.0, 1.0, 1.0),
) -> tuple[Tensor, list[Tensor]]:
    """Cut volumes into supervoxels from given centres, and say where these have moved to.

    Parameters
    ----------
    volume : (N, C, T, H, W) float32 or float64
    centers : S tensors (N, K, 3 + C), float32 or float64
        t, y, x in voxels, then colours, for each of S maps. A centre with NaN is dead and stays so.
    num_regions : S integers
        How far a centre reaches, and what distances are measured in, follow from these.
    compactness, num_iterations, spacing
        As for `slic3d`.

    Returns
    -------
    labels : (N, S, T, H, W) int32
    centers : S tensors (N, K, 3 + C), float64
        Mean position and colour of the voxels of each label; NaN where there is none.

    Raises
    ------
    InputError
        As `slic3d`.
    """
    volume = check_slic_volume("slic3d_from", volume)
    counts = check_counts("slic3d_from", "num_regions", num_regions, least=1)
    distances = check_options("slic3d_from", volume, compactness, num_iterations, spacing)
    channels, *shape = volume.shape[1:]
    starts, maps = _given_maps("slic3d_from", centers, shape, counts, volume, channels, compactness)
    options = (compactness, num_iterations, distances, False, False)
    labels, moved = _run(volume, None, starts, maps, *options, settle_first=False, return_centers=True)
    return labels, list(moved.split_with_sizes(maps.num_centers, dim=1))


def slic3d_frames(
    frames: Tensor,
    num_regions: Sequence[int],
    *,
    compactness: float,
    num_iterations: int = 10,
    spacing: float | Sequence[float] = (1.0, 1.0, 1.0),
    centers: Sequence[Tensor] | None = None,
) -> Tensor:
    """`slic3d` of `clips_to_lab`, without a Lab volume in between.

    Parameters
    ----------
    frames : (N, T, H, W, 3) uint8
        RGB.
    num_regions, compactness, num_iterations, spacing
        As for `slic3d`.
    centers : S tensors (N, K, 6), optional
        As for `slic3d`, colours in Lab.

    Returns
    -------
    (N, S, T, H, W) int32

    Raises
    ------
    InputError
        Another shape or type, or an option out of range.
    """
    where = "slic3d_frames"
    check_tensor(where, "frames", frames, dims=("N", "T", "H", "W", "3"), dtypes=(torch.uint8,))
    check_volume(where, "frames", frames[..., 0])
    distances = check_options(where, frames, compactness, num_iterations, spacing)
    counts = check_counts(where, "num_regions", num_regions, least=1)
    shape = frames.shape[1:4]
    starts, maps = None, _grid_maps(shape, counts)
    if centers is not None:
        starts, maps = _given_maps(where, centers, shape, counts, frames, 3, compactness)
    labels: Tensor = torch.ops.ace3d.slic3d_frames(
        frames.contiguous(),
        starts,
        maps.grids,
        maps.num_centers,
        maps.apart,
        float(compactness),
        num_iterations,
        distances,
    )
    return labels


def _grid_maps(shape: Sequence[int], counts: Sequence[int]) -> _Maps:
    """Maps whose seeds lie on grids."""
    maps = _Maps()
    for count in counts:
        grid = seed_grid(shape, count)
        maps.add(grid, grid.num_centers(shape))
    return maps


def _given_maps(
    where: str,
    centers: Sequence[Tensor],
    shape: Sequence[int],
    counts: Sequence[int],
    clips: Tensor,
    channels: int,
    compactness: float,
) -> tuple[Tensor, _Maps]:
    """Where the centres of all maps start, (N, K, 3 + C) float64, and the maps."""
    starts = check_centers(where, centers, len(counts), clips, channels)
    check_colors(where, "centers", starts[..., 3:], compactness)
    maps = _Maps()
    for count, part in zip(counts, centers, strict=True):
        maps.add(seed_grid(shape, count), part.shape[1])
    return starts, maps


def _spread_over_mask(
    volume: Tensor,
    mask: Tensor,
    counts: Sequence[int],
    compactness: float,
    num_iterations: int,
    spacing: list[float],
    exact: bool,
    adapt_compactness: bool,
) -> Tensor:
    """One clip, from seeds spread over its mask and settled there before colours count."""
    if not bool(mask.any()):
        return mask.new_full((1, len(counts), *mask.shape[1:]), -1, dtype=torch.int32)
    maps, parts = _Maps(), []
    dense_axes = 2 if volume.shape[1] > 1 else 3  # as scikit-image has it with and without channels
    for count in counts:
        seeds, apart = mask_seeds(mask[0].cpu().numpy(), count, dense_axes=dense_axes)
        maps.add(seed_grid(mask.shape[1:], len(seeds)), len(seeds), apart)
        parts.append(torch.from_numpy(seeds))
    rows = torch.cat(parts)
    starts = torch.cat([rows, rows.new_zeros(len(rows), volume.shape[1])], dim=1)[None].to(volume.device)
    options = (compactness, num_iterations, spacing, exact, adapt_compactness)
    return _run(volume, mask, starts, maps, *options, settle_first=True, return_centers=False)[0]


def _run(
    volume: Tensor,
    mask: Tensor | None,
    starts: Tensor | None,
    maps: _Maps,
    compactness: float,
    num_iterations: int,
    spacing: list[float],
    exact: bool,
    adapt_compactness: bool,
    *,
    settle_first: bool,
    return_centers: bool,
) -> tuple[Tensor, Tensor]:
    labels, moved = torch.ops.ace3d.slic3d(
        volume,
        None if mask is None else mask.to(torch.uint8).contiguous(),
        starts,
        maps.grids,
        maps.num_centers,
        maps.apart,
        float(compactness),
        num_iterations,
        spacing,
        exact or volume.dtype == torch.float64,
        adapt_compactness,
        settle_first,
        return_centers,
    )
    return labels, moved


@register_fake("slic3d")
def _(
    volume: Tensor,
    mask: Tensor | None,
    centers: Tensor | None,
    grids: Sequence[int],
    num_centers: Sequence[int],
    apart: Sequence[float],
    compactness: float,
    num_iterations: int,
    spacing: Sequence[float],
    exact: bool,
    adapt_compactness: bool,
    settle_first: bool,
    return_centers: bool,
) -> tuple[Tensor, Tensor]:
    size = (volume.shape[0], sum(num_centers) if return_centers else 0, 3 + volume.shape[1])
    return (
        volume.new_empty((volume.shape[0], len(num_centers), *volume.shape[2:]), dtype=torch.int32),
        volume.new_empty(size, dtype=torch.float64),
    )


@register_fake("slic3d_frames")
def _(
    frames: Tensor,
    centers: Tensor | None,
    grids: Sequence[int],
    num_centers: Sequence[int],
    apart: Sequence[float],
    compactness: float,
    num_iterations: int,
    spacing: Sequence[float],
) -> Tensor:
    return frames.new_empty((frames.shape[0], len(num_centers), *frames.shape[1:4]), dtype=torch.int32)
