"""Frames on their way to a GPU while it computes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ace3d_fast.types import Clip


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


def filled(blocks: Iterable[Block], least: int) -> Iterator[list[Block]]:
    """Group blocks, of however many videos, so that each group but the last has ``least`` clips or more."""
    group: list[Block] = []
    for block in blocks:
        group.append(block)
        if sum(len(each.clips) for each in group) >= least:
            yield group
            group = []
    if group:
        yield group


def uploaded(blocks: Iterable[Sequence[Clip]], device: torch.device) -> Iterator[Block]:
    """Send each block's frames to ``device`` on a stream of their own, from pinned memory.

    Run in the thread that decodes (`ace3d_fast.engines.local.prefetch`), a copy is under way while the GPU
    works on the block before. For the CPU blocks are passed on, and so is one that finds no room on the GPU.
    """
    if device.type != "cuda":
        for clips in blocks:
            yield Block(clips)
        return
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    for clips in blocks:
        pinned = torch.stack([clip.frames for clip in clips]).pin_memory()
        try:
            with torch.cuda.stream(stream):
                frames = pinned.to(device, non_blocking=True)
                copied = stream.record_event()
        except torch.OutOfMemoryError:
            yield Block(clips)
            continue
        yield Block(clips, frames, copied)
