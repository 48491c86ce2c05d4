from pathlib import Path

import torch

from ace3d_fast.engines.upload import uploaded
from ace3d_fast.types import Clip, Video

VIDEO = Video("a", Path("a"), "red", "a")


def test_for_the_cpu_blocks_are_passed_on_one_by_one():
    clips = [Clip(VIDEO, i, 0.0, torch.zeros(1, 2, 2, 3, dtype=torch.uint8)) for i in range(3)]
    made = []

    def blocks():
        for clip in clips:
            made.append(clip.index)
            yield [clip]

    passed = uploaded(blocks(), torch.device("cpu"))
    first = next(passed)
    assert made == [0]
    assert first.clips == [clips[0]]
    assert first.wait() is None
    assert [block.clips for block in passed] == [[clips[1]], [clips[2]]]


def test_a_block_that_finds_no_room_is_left_to_the_cpu(monkeypatch):
    def no_room(*_arguments, **_options):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(torch.cuda, "Stream", lambda _device: object())
    monkeypatch.setattr(torch.cuda, "stream", no_room)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self)
    clip = Clip(VIDEO, 0, 0.0, torch.zeros(1, 2, 2, 3, dtype=torch.uint8))
    (block,) = uploaded([[clip]], torch.device("cuda"))
    assert block.clips == [clip]
    assert block.wait() is None
