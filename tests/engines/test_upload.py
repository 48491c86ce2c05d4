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
