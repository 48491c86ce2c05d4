"""Forwards of clips in which some regions stand alone or are removed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ace3d_fast.models.network import Network
from ace3d_fast.ops import region_pool
from ace3d_fast.stopwatch import Stopwatch
from ace3d_fast.types import SegmentedClip

Fill = Literal["mean", "blur"]
BLUR_CELLS = 8  # the blurred fill is the frame at this many cells a side, enlarged again


@dataclass(frozen=True, slots=True)
class Response:
    """What the network says of masked clips: ``logits`` (n, K), ``features`` (n, C) under the masks."""

    logits: NDArray[np.float32]
    features: NDArray[np.float32]


@dataclass
class Probe:
    """Asks a network about regions, in place: the rest of the clip is replaced by a fill.

    Parameters
    ----------
    network : Network
    num_frames : int
        Frames the network sees; a longer clip is forwarded in consecutive windows, and averaged.
    fill : {"mean", "blur"}
        The clip's mean colour, or the clip blurred beyond recognition.
    batch : int
        Clips in one forward.
    watch : Stopwatch
        Counts ``forwards``.
    """

    network: Network
    num_frames: int
    fill: Fill = "mean"
    batch: int = 8
    watch: Stopwatch | None = None

    def alone(self, clip: SegmentedClip, region_sets: Sequence[Sequence[int]]) -> Response:
        """Keep only the regions of each set; pool the features under them."""
        return self._respond(clip, region_sets, keep=True)

    def without(self, clip: SegmentedClip, region_sets: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Logits (n, K) after the regions of each set are replaced by the fill."""
        return self._respond(clip, region_sets, keep=False).logits

    def _respond(self, clip: SegmentedClip, region_sets: Sequence[Sequence[int]], *, keep: bool) -> Response:
        frames = clip.clip.network_frames
        fill = fill_frames(frames, self.fill)
        logits, features = [], []
        for start in range(0, len(region_sets), self.batch):
            chunk = region_masks(clip, region_sets[start : start + self.batch])
            shown = chunk if keep else ~chunk
            inputs = torch.where(shown[..., None], frames, fill)
            parts = list(self._windows(inputs, chunk))
            logits.append(torch.stack([part[0] for part in parts]).mean(0))
            sizes = torch.stack([part[2] for part in parts])
            sums = torch.stack([part[1] for part in parts]) * sizes
            features.append(sums.sum(0) / sizes.sum(0).clamp(min=1))
            if self.watch is not None:
                self.watch.count("forwards", len(chunk) * len(parts))
        return Response(torch.cat(logits).numpy(), torch.cat(features).numpy())

    def _windows(self, inputs: Tensor, masks: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Logits, pooled features and mask sizes (n, 1) of each stretch the network can see at once."""
        length = self.num_frames
        for start in range(0, max(inputs.shape[1] - length, 0) + 1, length):
            outputs = self.network.forward(self.network.prepare(inputs[:, start : start + length]))
            mask = masks[:, start : start + length]
            labels = mask.to(torch.int32).sub(1).to(outputs.activation.device)
            pooled = region_pool(outputs.activation, labels, 1)[:, 0]
            yield outputs.logits.float().cpu(), pooled.float().cpu(), mask.flatten(1).sum(1, keepdim=True)


def region_masks(clip: SegmentedClip, region_sets: Sequence[Sequence[int]]) -> Tensor:
    """(n, T, H, W) bool: the voxels of each set of regions, in the frames the network sees."""
    labels = clip.network_labels.long() + 1
    table = torch.zeros(len(region_sets), clip.num_regions + 1, dtype=torch.bool)
    for row, regions in zip(table, region_sets, strict=True):
        row[torch.as_tensor(list(regions), dtype=torch.long) + 1] = True
    return torch.stack([row[labels].any(0) for row in table])


def fill_frames(frames: Tensor, fill: Fill) -> Tensor:
    """What stands where nothing is shown, of the shape and dtype of ``frames`` (T, H, W, 3) uint8."""
    if fill == "mean":
        mean = frames.reshape(-1, 3).float().mean(0).round()
        return mean.to(torch.uint8).expand_as(frames)
    planes = frames.permute(0, 3, 1, 2).float()
    coarse = F.adaptive_avg_pool2d(planes, BLUR_CELLS)
    smooth = F.interpolate(coarse, size=planes.shape[2:], mode="bicubic", align_corners=False)
    return smooth.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def margin(logits: NDArray[np.float32], class_index: int) -> NDArray[np.float32]:
    """``f_y - max f_k`` over the other classes, of logits (n, K)."""
    others = np.delete(logits, class_index, axis=1)
    return np.asarray(logits[:, class_index] - others.max(axis=1), dtype=np.float32)
