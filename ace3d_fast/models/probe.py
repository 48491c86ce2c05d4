"""Forwards of clips in which some regions stand alone or are removed."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain, groupby, islice
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ace3d_fast.models.grids import Pathway
from ace3d_fast.models.network import Network, Outputs
from ace3d_fast.models.pathways import pool_pathways
from ace3d_fast.stopwatch import Stopwatch
from ace3d_fast.threads import map_on_threads, one_torch_thread
from ace3d_fast.types import SegmentedClip

Fill = Literal["mean", "blur"]
# The blurred fill is the mean frame at this many cells a side, enlarged again: a fill has to show nothing.
# On planted videos a network recognises 29 % of such clips, and 83 % with 8 cells that follow time.
BLUR_CELLS = 4
SET_BITS = 1 << torch.arange(8, dtype=torch.uint8)


@dataclass(frozen=True, slots=True)
class Response:
    """What the network says of masked clips: ``logits`` (n, K), ``features`` (m, C) under masks."""

    logits: NDArray[np.float32]
    features: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class View:
    """A clip that shows nothing but ``regions``, or all but them; the rest is the fill.

    Features are pooled under each set of ``under``.
    """

    clip: SegmentedClip
    regions: Sequence[int]
    keep: bool = True
    under: Sequence[Sequence[int]] = ()


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
    threads : int, optional
        Batches that are forwarded at once, on one thread each: with many threads far faster than one batch
        on all of them. By default one after another, on as many threads as torch has.
    watch : Stopwatch
        Counts ``forwards``.
    """

    network: Network
    num_frames: int
    fill: Fill = "mean"
    batch: int = 8
    threads: int | None = None
    watch: Stopwatch | None = None
    _prepared: tuple[SegmentedClip, Tensor, Tensor] | None = field(default=None, init=False, repr=False)
    _crew: list[Probe] = field(default_factory=list, init=False, repr=False)

    def alone(self, clip: SegmentedClip, region_sets: Sequence[Sequence[int]]) -> Response:
        """Keep only the regions of each set; pool the features under them."""
        return self.see(View(clip, regions, under=(regions,)) for regions in region_sets)

    def within(self, clip: SegmentedClip, region_sets: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Logits (n, K) of nothing but the regions of each set: those of `alone`."""
        return self.see(View(clip, regions) for regions in region_sets).logits

    def without(self, clip: SegmentedClip, region_sets: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Logits (n, K) after the regions of each set are replaced by the fill."""
        return self.see(View(clip, regions, keep=False) for regions in region_sets).logits

    def blank(self, clip: SegmentedClip, region_sets: Sequence[Sequence[int]]) -> Response:
        """Show nothing but the fill: ``logits`` (1, K), and ``features`` under the regions of each set."""
        return self.see([View(clip, (), under=region_sets)])

    def see(self, views: Iterable[View]) -> Response:
        """Logits of all ``views``, and the features under all of their sets, in their order.

        They are forwarded as they come, so that clips can be loaded one by one.
        """
        waiting = iter(views)
        batches = iter(lambda: list(islice(waiting, self.batch)), [])
        first = next(batches, [])
        probes = self._find_crew(first[:1])
        calls = [probe._see_batch for probe in probes]
        every = chain([first], batches)
        answers = map(calls[0], every) if self.threads is None else map_on_threads(calls, every)
        found = list(chain.from_iterable(answers))
        for probe in probes:
            probe._prepared = None
        nothing = torch.zeros(0, 0)
        logits = [said for said, _ in found] or [nothing]
        features = [pooled for _, pooled in found if len(pooled)] or [nothing]
        return Response(torch.cat(logits).numpy(), torch.cat(features).numpy())

    def logits(self, clips: Tensor) -> NDArray[np.float32]:
        """Logits (n, K) of changed clips (n, T, H, W, 3) uint8."""

        def forward(chunk: Tensor) -> Tensor:
            windows = self._windows(self.network.prepare(chunk))
            said = [outputs.logits.float().cpu() for _, outputs in windows]
            self._count(len(chunk) * len(said))
            return torch.stack(said).mean(0)

        return torch.cat(self.network.batches.run("changed clips", forward, clips, self.batch)).numpy()

    def _find_crew(self, views: Sequence[View]) -> list[Probe]:
        """This probe, and for each further thread one like it, made once.

        Where the network cannot be copied, or a copy says anything else of ``views``, there are no others.
        """
        if self.threads is None or not views:
            return [self]
        if not self._crew:
            self._crew.append(self)
            with one_torch_thread(), suppress(Exception):  # of any kind: the user's module is copied
                said = self._see_batch(views)
                for _ in range(self.threads - 1):
                    other = replace(self, network=self.network.twin(), threads=None)
                    if not _same(other._see_batch(views), said):
                        break
                    self._crew.append(other)
        return self._crew

    def _see_batch(self, views: Sequence[View]) -> list[tuple[Tensor, Tensor]]:
        return self.network.batches.run("changed clips", self._see, views, self.batch)

    def _see(self, views: Sequence[View]) -> tuple[Tensor, Tensor]:
        inputs, masks = [], []
        for _, group in groupby(views, key=lambda view: id(view.clip)):
            mine = list(group)
            shown = region_masks(mine[0].clip, [view.regions for view in mine])
            inputs.append(self._mask(mine, shown))
            under = [regions for view in mine for regions in view.under]
            same = under == [view.regions for view in mine]
            masks.append(shown if same else region_masks(mine[0].clip, under))
        clips, pooled = torch.cat(inputs), torch.cat(masks)
        places = torch.tensor([i for i, view in enumerate(views) for _ in view.under], dtype=torch.long)
        said, sums = [], []
        for part, outputs in self._windows(clips):
            said.append(outputs.logits.float().cpu())
            if len(places):
                sums.append(self._pool(outputs, places, pooled[:, part]))
        self._count(len(views) * len(said))
        features = torch.stack(sums).sum(0) / _sizes(pooled).clamp(min=1) if sums else torch.zeros(0, 0)
        return torch.stack(said).mean(0), features

    def _mask(self, views: Sequence[View], masks: Tensor) -> Tensor:
        """(n, 3, T, H, W): ``views`` of one clip, ready for the network; ``masks`` hold their regions."""
        pixels, fill = self._prepare(views[0].clip)
        taken = torch.tensor([not view.keep for view in views]).view(-1, 1, 1, 1)
        shown = (masks ^ taken).to(pixels.device)
        shown = shown.repeat_interleave(3, dim=-1).view(*shown.shape, 3)  # faster than to broadcast
        return torch.where(shown, pixels, fill).permute(0, 4, 1, 2, 3)

    def _prepare(self, clip: SegmentedClip) -> tuple[Tensor, Tensor]:
        """The clip and its fill, (T, H, W, 3) each; done once for a clip whose views fill several batches."""
        if self._prepared is None or self._prepared[0] is not clip:
            frames = clip.clip.network_frames
            both = self.network.prepare(torch.stack([frames, fill_frames(frames, self.fill)]))
            pixels, fill = both.permute(0, 2, 3, 4, 1)
            self._prepared = clip, pixels, fill
        return self._prepared[1:]

    def _pool(self, outputs: Outputs, places: Tensor, masks: Tensor) -> Tensor:
        """(n, C) sums of the activation of the clip at each of ``places`` under each mask."""
        pooled = [
            _pool(
                outputs.activation.index_select(0, at.to(outputs.activation.device)), mask, outputs.pathways
            )
            for at, mask in zip(torch.split(places, self.batch), torch.split(masks, self.batch), strict=True)
        ]
        return torch.cat(pooled) * _sizes(masks)

    def _windows(self, inputs: Tensor) -> Iterator[tuple[slice, Outputs]]:
        """Outputs of prepared clips (n, 3, T, H, W), for each stretch of frames the network sees at once."""
        length = self.num_frames
        for start in range(0, max(inputs.shape[2] - length, 0) + 1, length):
            part = slice(start, start + length)
            yield part, self.network.forward(inputs[:, :, part])

    def _count(self, num_forwards: int) -> None:
        if self.watch is not None:
            self.watch.count("forwards", num_forwards)


def _pool(grids: Tensor, masks: Tensor, pathways: Sequence[Pathway]) -> Tensor:
    """(n, C) means of ``grids`` (n, C, T', H', W') under ``masks`` (n, T, H, W)."""
    labels = masks.to(torch.int32).sub(1).to(grids.device)
    return pool_pathways(grids.contiguous(), labels, 1, pathways)[:, 0].float().cpu()


def _same(some: Sequence[Sequence[Tensor]], others: Sequence[Sequence[Tensor]]) -> bool:
    """Whether two answers are the same, bit for bit."""
    pairs = zip(chain(*some), chain(*others), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


def _sizes(masks: Tensor) -> Tensor:
    return masks.flatten(1).sum(1, keepdim=True)


def region_masks(clip: SegmentedClip, region_sets: Sequence[Sequence[int]]) -> Tensor:
    """(n, T, H, W) bool: the voxels of each set of regions, in the frames the network sees."""
    labels = clip.network_labels + 1
    masks = torch.empty(len(region_sets), *labels.shape[1:], dtype=torch.bool)
    for first in range(0, len(region_sets), len(SET_BITS)):  # each voxel is looked up once for eight sets
        sets = region_sets[first : first + len(SET_BITS)]
        table = torch.zeros(clip.num_regions + 1, dtype=torch.uint8)
        for bit, regions in zip(SET_BITS, sets, strict=False):
            table[torch.as_tensor(list(regions), dtype=torch.long) + 1] |= bit
        found = table.index_select(0, labels.flatten()).view(labels.shape)
        held = functools.reduce(torch.bitwise_or, found)
        bits = SET_BITS[: len(sets)].view(-1, 1, 1, 1)
        torch.ne(held & bits, 0, out=masks[first : first + len(sets)])
    return masks


def fill_frames(frames: Tensor, fill: Fill) -> Tensor:
    """What stands where nothing is shown, of the shape and dtype of ``frames`` (T, H, W, 3) uint8."""
    if fill == "mean":
        mean = frames.reshape(-1, 3).float().mean(0).round()
        return mean.to(torch.uint8).expand_as(frames)
    picture = frames.float().mean(0).permute(2, 0, 1)[None]
    coarse = F.adaptive_avg_pool2d(picture, BLUR_CELLS)
    smooth = F.interpolate(coarse, size=picture.shape[2:], mode="bicubic", align_corners=False)
    return smooth[0].round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).expand_as(frames)


def margins(logits: NDArray[np.float32], classes: Sequence[int]) -> NDArray[np.float32]:
    """``f_y - max f_k`` over all other classes k, of logits (n, K); (n, classes) for the classes y given."""
    ranked = np.sort(logits, axis=1)
    best, second = ranked[:, -1:], ranked[:, -2:-1]
    own = logits[:, list(classes)]
    return np.asarray(own - np.where(own == best, second, best), dtype=np.float32)
