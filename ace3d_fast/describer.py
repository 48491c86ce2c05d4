"""Videos → what the network says of their regions, each video a piece of work of its own."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import torch

from ace3d_fast import __version__, ops
from ace3d_fast.config import RunOptions
from ace3d_fast.engines.local import prefetch
from ace3d_fast.engines.upload import Block, Ended, Uploader, filled
from ace3d_fast.errors import Ace3dError, InputError, VideoError, expected, kind_and_line
from ace3d_fast.memory import release_memory
from ace3d_fast.models.load import digest
from ace3d_fast.models.network import Network
from ace3d_fast.ops import reference
from ace3d_fast.regions.folder import RegionFolder
from ace3d_fast.regions.source import RegionSource
from ace3d_fast.shelf import Shelf, digest_of, digest_of_arrays, write_values
from ace3d_fast.stages.clips import sample_clips
from ace3d_fast.stages.features import describe_regions
from ace3d_fast.stages.supervoxels import cut_supervoxels
from ace3d_fast.stopwatch import Stopwatch
from ace3d_fast.store import SHARD_CLIPS, RunFolder
from ace3d_fast.types import ClipFeatures, SegmentedClip, Video

VIDEOS = "videos"  # the kind of these pieces on a shelf
HEAD_BYTES = 2**16

CutClip = tuple[SegmentedClip, pd.DataFrame]
Done = Callable[[Video, VideoError | None], None]


@dataclass
class Describer:
    """Decodes, segments, forwards and pools videos.

    What it says of a video depends on nothing but the video, the network and the options: on the CPU clips of
    different videos are never forwarded together, as the last bits depend on what shares a batch.
    """

    options: RunOptions
    network: Network
    classes: dict[str, int]
    regions: RegionSource | None = None
    watch: Stopwatch = field(default_factory=Stopwatch)

    def digest(self, video: Video) -> str:
        """A name for what `describe` makes of ``video``: other options, weights or files give another."""
        options = self.options
        return digest_of(
            __version__,
            video.id,
            _file_facts(video.path),
            self.classes.get(video.label),
            self.fingerprint,
            asdict(options.sampling),
            asdict(options.segment),
            self._region_facts(video),
            asdict(replace(options.features, center=True)),  # centred when videos are gathered
            [options.whole_videos, options.backend, torch.get_num_threads()],
        )

    def _region_facts(self, video: Video) -> object:
        if isinstance(self.regions, RegionFolder):
            return _file_facts(self.regions.path_of(video))
        if self.regions is None or type(self.regions).__module__.startswith("ace3d_fast."):
            return repr(self.regions)  # a dataclass: its options are all there is to it
        return self._this_run  # what other code cuts may change from run to run

    @cached_property
    def _this_run(self) -> str:
        return uuid.uuid4().hex

    @cached_property
    def fingerprint(self) -> str:
        """A name for the network: weights, target, and what it says of one clip, for its code may change."""
        network, sampling = self.network, self.options.sampling
        shape = (1, sampling.num_frames, sampling.crop_px, sampling.crop_px, 3)
        clip = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0)).to(torch.uint8)
        said = network.forward(network.prepare(clip))
        arrays = [part.float().cpu().numpy() for part in (said.logits, said.activation)]
        about = [network.layer, asdict(network.normalization), str(network.device), network.precision]
        target = None if network.target is None else network.target.digest
        return digest_of(digest(network.module), digest_of_arrays(*arrays), about, target)

    def describe(self, videos: Iterable[tuple[Video, str]], shelf: Shelf, done: Done) -> None:
        """Put a piece for each video, given with its digest, on the shelf.

        ``done`` is told of each video, in their order, when its piece is there or what is wrong with it.

        Raises
        ------
        InputError
            The network fails on a clip; the message names the video.
        """
        device = self.network.device if self._backend is ops else torch.device("cpu")
        # One clip at a time fills no GPU: there batches are filled across videos.
        least = self.options.features.batch_clips if device.type != "cpu" else 1
        drafts: dict[str, _Draft] = {}
        digests: dict[str, str] = {}
        try:
            for group in filled(prefetch(self._read(videos, digests, device)), least):
                blocks = [block for block in group if isinstance(block, Block)]
                for block, cut, found in zip(blocks, *self.describe_blocks(blocks), strict=True):
                    video = block.clips[0].video
                    if video.id not in drafts:
                        drafts[video.id] = _Draft(shelf, digests[video.id])
                    explained = video.label in self.classes
                    with self.watch.time("store"):
                        drafts[video.id].add(cut, found, whole=explained)
                release_memory()
                for ended in group:
                    if isinstance(ended, Ended):
                        draft = drafts.pop(ended.video.id, None)
                        if draft is not None:
                            draft.close(keep=ended.error is None)
                        done(ended.video, ended.error)
        finally:
            for draft in drafts.values():
                draft.close(keep=False)

    def _read(
        self, videos: Iterable[tuple[Video, str]], digests: dict[str, str], device: torch.device
    ) -> Iterator[Block | Ended]:
        upload = Uploader(device)
        for video, digests[video.id] in videos:
            blocks = sample_clips(
                [video],
                self.options.sampling,
                whole=self.options.whole_videos,
                block_clips=SHARD_CLIPS,
                watch=self.watch,
            )
            empty = True
            try:
                for clips in blocks:
                    empty = False
                    yield upload(clips)
                if empty:
                    fact = "none of the frames that the clip rate asks for"
                    raise VideoError(expected("read_clips", str(video.path), "to hold a clip", fact))
                yield Ended(video)
            except VideoError as error:
                yield Ended(video, error)

    def describe_blocks(
        self, blocks: Sequence[Block]
    ) -> tuple[list[list[CutClip]], list[list[ClipFeatures]]]:
        """Cut clips and describe their regions; clips of one class are forwarded together."""
        try:
            return self._describe_blocks(blocks)
        except (RuntimeError, ValueError, TypeError, IndexError, KeyError) as error:
            if isinstance(error, Ace3dError):
                raise
            names = sorted({block.clips[0].video.id for block in blocks})
            first, last = blocks[0].clips[0].index, blocks[-1].clips[-1].index
            fact = f"{kind_and_line(error)} on clips {first} to {last} of {', '.join(names)}"
            raise InputError(
                expected("run", "the network", "to take every clip", fact, "leave that video out")
            ) from error

    def _describe_blocks(
        self, blocks: Sequence[Block]
    ) -> tuple[list[list[CutClip]], list[list[ClipFeatures]]]:
        with self.watch.time("segment"):
            cut = [self._cut(block) for block in blocks]
        found: dict[tuple[int, int], ClipFeatures] = {}
        places: dict[int | None, list[tuple[int, int]]] = {}
        for b, block in enumerate(blocks):
            class_index = self.classes.get(block.clips[0].video.label)
            places.setdefault(class_index, []).extend((b, i) for i in range(len(cut[b])))
        for class_index, here in places.items():
            features = describe_regions(
                [cut[b][i] for b, i in here],
                self.network,
                self.options.features,
                num_frames=self.options.sampling.num_frames,
                class_index=class_index,
                backend=self._backend,
                watch=self.watch,
            )
            found.update(zip(here, features, strict=True))
        return cut, [[found[b, i] for i in range(len(clips))] for b, clips in enumerate(cut)]

    @property
    def _backend(self) -> ModuleType:
        return ops if self.options.backend == "native" else reference

    def _cut(self, block: Block) -> list[CutClip]:
        frames = block.wait()

        def cut(part: range) -> list[CutClip]:
            where = slice(part.start, part.stop)
            there = None if frames is None else frames[where]
            return cut_supervoxels(
                block.clips[where],
                self.options.segment,
                backend=self._backend,
                frames=there,
                source=self.regions,
            )

        size = len(block.clips)
        parts = self.network.batches.run("supervoxels", cut, range(size), size)
        return [clip for part in parts for clip in part]


class _Draft:
    """The piece of a video while its clips come: the folder of a `RunFolder` with its clips, and values.

    Tables ``clips`` (``clip``, ``start_seconds``) and ``regions`` (``clip`` and the columns of
    `cut_supervoxels`); arrays ``features`` and ``region_gradients`` (R, C), ``gradients`` (clips, C) and
    ``logits`` (clips, K).
    """

    def __init__(self, shelf: Shelf, name: str) -> None:
        self.shelf = shelf
        self.run = RunFolder(shelf.begin(VIDEOS, name))
        self._clips: list[dict[str, Any]] = []
        self._tables: list[pd.DataFrame] = []
        self._found: list[ClipFeatures] = []

    def add(self, cut: Sequence[CutClip], found: Sequence[ClipFeatures], *, whole: bool) -> None:
        for clip, table in cut:
            self._clips.append({"clip": clip.clip.index, "start_seconds": clip.clip.start_seconds})
            self._tables.append(table.assign(clip=np.int32(clip.clip.index)))
        self._found.extend(found)
        self.run.write_clips([clip if whole else clip.thinned() for clip, _ in cut])

    def close(self, *, keep: bool) -> None:
        """Put the piece on the shelf, or let go of it."""
        if not keep:
            self.shelf.drop(self.run.path)
            return
        piece = {
            "clips": pd.DataFrame(self._clips),
            "regions": pd.concat(self._tables, ignore_index=True),
            "features": np.concatenate([clip.features for clip in self._found]),
            "region_gradients": np.concatenate([clip.region_gradients for clip in self._found]),
            "gradients": np.stack([clip.gradient for clip in self._found]),
            "logits": np.stack([clip.logits for clip in self._found]),
        }
        write_values(self.run.path, piece)
        self.shelf.finish(self.run.path)


def _file_facts(path: Path) -> list[object]:
    """Size, time and both ends of a file."""
    try:
        about = path.stat()
        with path.open("rb") as file:
            ends = file.read(HEAD_BYTES)
            file.seek(max(0, about.st_size - HEAD_BYTES), os.SEEK_SET)
            ends += file.read(HEAD_BYTES)
    except OSError:
        return []  # reading the video says what is wrong
    return [about.st_size, about.st_mtime_ns, hashlib.sha256(ends).hexdigest()]
