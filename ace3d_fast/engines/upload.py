"""Frames on their way to a GPU while it computes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from ace3d_fast.errors import VideoError
from ace3d_fast.types import Clip, Video


class Block(NamedTuple):
    """Clips of one video, and where a GPU is to cut them their frames there, (N, T, H, W, 3) uint8.

    ``copied`` is recorded behind the copy: `wait` before reading ``frames``.
    """

    clips: Sequence[Clip]
    frames: Tensor | None = None
    copied: torch.cuda.Event | None = None

    def wait(self) -> Tensor | None:
        """Let the current stream, and not the CPU, wait for the copy; returns the frames."""
        if self.frames is not None and self.copied is not None:
            stream = torch.cuda.current_stream(self.frames.device)
            stream.wait_event(self.copied)
            self.frames.record_stream(stream)  # the memory was taken for another stream
        return self.frames


class Ended(NamedTuple):
    """Behind the last block of a video: it could be read to its end, or what was wrong with it."""

    video: Video
    error: VideoError | None = None

    @property
    def clips(self) -> tuple[Clip, ...]:
        """No clips."""
        return ()


Piece = TypeVar("Piece", bound=Block | Ended)


def filled(blocks: Iterable[Piece], least: int) -> Iterator[list[Piece]]:
    """Group blocks, of however many videos, so that each group but the last has ``least`` clips or more.

    The end of a video does not wait for clips of the next one.
    """
    group: list[Piece] = []
    for block in blocks:
        group.append(block)
        num_clips = sum(len(each.clips) for each in group)
        if num_clips >= least or num_clips == 0:
            yield group
            group = []
    if group:
        yield group


class Uploader:
    """Sends frames to ``device``; for the CPU nothing is done.

    To a GPU they go on a stream of their own, from pinned memory: used in the thread that decodes
    (`ace3d_fast.engines.local.prefetch`), a copy is under way while the GPU works on the block before.
    A block that finds no room there is passed on as it is.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream: Any = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def __call__(self, clips: Sequence[Clip]) -> Block:
        """One block."""
        if self.device.type == "cpu":
            return Block(clips)
        frames = torch.stack([clip.frames for clip in clips])
        try:
            if self._stream is None:
                return Block(clips, frames.to(self.device))
            with torch.cuda.stream(self._stream):
                there = frames.pin_memory().to(self.device, non_blocking=True)
                return Block(clips, there, self._stream.record_event())
        except torch.OutOfMemoryError:
            return Block(clips)


def uploaded(blocks: Iterable[Sequence[Clip]], device: torch.device) -> Iterator[Block]:
    """Each block as an `Uploader` sends it."""
    return map(Uploader(device), blocks)
