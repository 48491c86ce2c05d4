"""supervoxels → region features: pooled from one forward per clip, or one forward per patch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ace3d_fast import ops
from ace3d_fast.config import FeatureOptions
from ace3d_fast.models.network import Network, Outputs
from ace3d_fast.models.pathways import RegionPool, pathway_sizes, pool_pathways
from ace3d_fast.ops.region_patches import Numbers, Rows
from ace3d_fast.stopwatch import Stopwatch
from ace3d_fast.types import ClipFeatures, SegmentedClip


class FeatureOps(Protocol):
    """The ops this stage needs: `ace3d_fast.ops` or its twin ``ace3d_fast.ops.reference``."""

    def region_pool(self, features: Tensor, labels: Tensor, num_regions: int) -> Tensor:
        """Means (N, R, C) of features (N, C, T', H', W') over regions."""

    def region_patches(
        self,
        frames: Tensor,
        labels: Tensor,
        regions: Numbers,
        boxes: Rows,
        size: Sequence[int],
        *,
        fill: int,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> Tensor:
        """Patches (B, 3, T', H', W') of a clip (T, H, W, 3)."""


def describe_regions(
    clips: Sequence[tuple[SegmentedClip, pd.DataFrame]],
    network: Network,
    options: FeatureOptions,
    *,
    num_frames: int,
    class_index: int | None = None,
    backend: FeatureOps = ops,
    watch: Stopwatch | None = None,
) -> list[ClipFeatures]:
    """Describe every region by the network's features at its layer.

    Parameters
    ----------
    clips : sequence of (SegmentedClip, DataFrame)
        As `cut_supervoxels` returns them.
    network : Network
    options : FeatureOptions
    num_frames : int
        Frames the network sees at once. In mode ``pooled`` each clip has just as many; in mode ``patch``
        a longer clip is forwarded in windows that begin every ``options.window_stride`` frames.
    class_index : int, optional
        Class whose gradient is wanted too.
    backend : module
        `ace3d_fast.ops` or its twin ``ace3d_fast.ops.reference``.
    watch : Stopwatch, optional
        Counts ``forward``, ``pool`` and ``patches`` seconds, and ``forwards``.
    """
    watch = watch or Stopwatch()
    pool = None if options.mode == "patch" else backend.region_pool

    def describe(chunk: Sequence[tuple[SegmentedClip, pd.DataFrame]]) -> list[ClipFeatures]:
        whole = _pooled(chunk, network, num_frames, class_index, pool, watch)
        if options.mode == "patch":
            whole = [
                ClipFeatures(
                    _patch_features(
                        clip, table, network, options, num_frames, len(found.gradient), backend, watch
                    ),
                    found.logits,
                    found.gradient,
                    found.region_gradients,
                )
                for (clip, table), found in zip(chunk, whole, strict=True)
            ]
        return whole

    parts = network.batches.run("clips", describe, clips, options.batch_clips)
    return [features for part in parts for features in part]


def center_features(
    features: NDArray[np.float32], num_voxels: NDArray[np.int32], clip: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Subtract from each region the area-weighted mean of the regions of its clip.

    Removes what a whole clip shares (venue, camera, class), which otherwise dominates clusters and CAVs.

    Parameters
    ----------
    features : (R, C) float32
    num_voxels : (R,) int32
    clip : (R,) int32
        Clip of each region, counted from 0.
    """
    weights = num_voxels.astype(np.float64)
    means = np.zeros((int(clip.max(initial=-1)) + 1, features.shape[1]))
    order = np.argsort(clip, kind="stable")
    starts = np.flatnonzero(np.diff(clip[order], prepend=-1))
    for here in np.split(order, starts[1:]):
        means[clip[here[:1]]] = weights[here] @ features[here] / max(float(weights[here].sum()), 1.0)
    return (features - means[clip]).astype(np.float32)


def _pooled(
    chunk: Sequence[tuple[SegmentedClip, pd.DataFrame]],
    network: Network,
    num_frames: int,
    class_index: int | None,
    pool: RegionPool | None,
    watch: Stopwatch,
) -> list[ClipFeatures]:
    """Pool one forward per clip; a clip longer than the network's input goes in consecutive windows.

    Without ``pool`` only logits and the gradient of the whole clip are found; the rest is NaN.
    """
    frames = torch.stack([clip.clip.network_frames for clip, _ in chunk])
    labels = pad_sequence([clip.network_labels for clip, _ in chunk], True, -1)  # clips may differ in maps
    num_regions = max(clip.num_regions for clip, _ in chunk)
    starts = range(0, max(frames.shape[1] - num_frames, 0) + 1, num_frames)
    windows = []
    for start in starts:
        part = slice(start, start + num_frames)
        with watch.time("forward"):
            x = network.prepare(frames[:, part])
            outputs = network.forward(x) if class_index is None else network.gradients(x, class_index)
            watch.count("forwards", len(chunk))
        with watch.time("pool"):
            windows.append(_pool_window(outputs, labels[:, :, part].contiguous(), num_regions, pool))
    sizes = torch.stack([window.sizes for window in windows])
    features = (torch.stack([w.features for w in windows]) * sizes).sum(0) / sizes.sum(0).clamp(min=1)
    logits = torch.stack([window.logits for window in windows]).mean(0)
    slopes = torch.stack([window.region_gradients for window in windows]).mean(0)
    gradients = torch.stack([window.gradients for window in windows]).mean(0)
    return [
        ClipFeatures(
            features[i, : clip.num_regions].numpy(),
            logits[i].numpy(),
            gradients[i].numpy(),
            slopes[i, : clip.num_regions].numpy(),
        )
        for i, (clip, _) in enumerate(chunk)
    ]


class _Window(NamedTuple):
    """What one forward says of N clips: features (N, R, C), sizes (N, R, 1), the rest as `ClipFeatures`."""

    features: Tensor
    sizes: Tensor
    logits: Tensor
    gradients: Tensor
    region_gradients: Tensor


def _pool_window(outputs: Outputs, labels: Tensor, num_regions: int, pool: RegionPool | None) -> _Window:
    pathways = outputs.pathways
    sizes = pathway_sizes(labels, num_regions, ())
    logits = outputs.logits.float().cpu()
    num_clips, num_channels = outputs.activation.shape[:2]
    blank = torch.full((num_clips, num_regions, num_channels), torch.nan)
    total = torch.zeros(num_clips, num_channels)
    if outputs.gradient is not None:
        total = outputs.gradient.float().sum((2, 3, 4)).cpu()
    if pool is None:
        return _Window(blank, sizes, logits, total, blank)
    labels_there = labels.to(outputs.activation.device)
    features = pool_pathways(outputs.activation, labels_there, num_regions, pathways, pool).float().cpu()
    if outputs.gradient is None:
        return _Window(features, sizes, logits, total, torch.zeros_like(features))
    cell_voxels = labels[0, 0].numel() / outputs.gradient[0, 0].numel()
    slopes = pool_pathways(outputs.gradient, labels_there, num_regions, pathways, pool).float().cpu()
    slopes = slopes * pathway_sizes(labels, num_regions, pathways) / cell_voxels
    return _Window(features, sizes, logits, total, slopes)


def _patch_features(
    clip: SegmentedClip,
    table: pd.DataFrame,
    network: Network,
    options: FeatureOptions,
    num_frames: int,
    num_channels: int,
    backend: FeatureOps,
    watch: Stopwatch,
) -> NDArray[np.float32]:
    """Mask, crop, resize and forward each region (arXiv 2206.05275, section 3.2); (R, C) float32.

    A region shorter than the network's input is shown with the frames around it; a longer one in windows.
    """
    device = network.device if backend is ops else torch.device("cpu")
    frames = clip.clip.network_frames.contiguous().to(device)
    labels = clip.network_labels.contiguous().to(device)
    t0 = table["t0"].clip(upper=len(frames) - num_frames).to_numpy()
    lengths = np.minimum(np.maximum(table["t1"], t0 + num_frames), len(frames)) - t0
    regions = table["index"].to_numpy()
    boxes = np.column_stack([t0, table[["y0", "y1", "x0", "x1"]]])
    features: dict[int, Tensor] = {}
    for length in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == length)
        size = options.batch_clips if length == num_frames else 1  # windows fill a batch on their own
        for batch in (rows[i : i + size] for i in range(0, len(rows), size)):
            with watch.time("patches"):
                patches = backend.region_patches(
                    frames,
                    labels,
                    regions[batch],
                    boxes[batch],
                    (length, *frames.shape[1:3]),
                    fill=options.patch_fill,
                    mean=network.normalization.mean,
                    std=network.normalization.std,
                )
                # (B * windows, 3, num_frames, H, W), views of the patches
                windows = patches.unfold(2, num_frames, options.window_stride).movedim((2, 5), (1, 3))
                windows = windows.flatten(0, 1)
            with watch.time("forward"):
                parts = network.batches.run(
                    "patches", partial(_mean_feature, network), windows, options.batch_clips
                )
                means = torch.cat(parts)
                watch.count("forwards", len(windows))
            found = means.reshape(len(batch), -1, means.shape[1]).mean(1)
            features.update(zip(batch.tolist(), found, strict=True))
    if not features:
        return np.zeros((0, num_channels), dtype=np.float32)
    return torch.stack([features[row] for row in range(len(table))]).numpy()


def _mean_feature(network: Network, windows: Tensor) -> Tensor:
    """(B, C): the layer's output averaged over its grid."""
    x = windows.to(network.device, memory_format=torch.channels_last_3d)  # windows that overlap are copied
    return network.forward(x).activation.float().mean((2, 3, 4)).cpu()
