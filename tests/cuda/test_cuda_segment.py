"""Lab, smoothing and SLIC on a GPU give the bits of the CPU."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from volumes import smooth_clip

from ace3d_fast.ops import clips_to_lab, gaussian_smooth, smooth_lab

Op = Callable[[Tensor], Tensor]

SIZES = [(16, 112, 112), (32, 224, 224), (7, 45, 61), (1, 300, 401)]
OPS: dict[str, Op] = {
    "lab": clips_to_lab,
    "lab, not stretched": lambda frames: clips_to_lab(frames, stretch=False),
    "smooth lab": lambda frames: smooth_lab(frames, (0.5, 1.0, 1.0)),
    "smooth lab, wide": lambda frames: smooth_lab(frames, (3.0, 40.0, 0.0)),
    "smooth": lambda frames: gaussian_smooth(frames.movedim(4, 1).float(), 1.5),
    "smooth, float64": lambda frames: gaussian_smooth(frames.movedim(4, 1).double(), (0.0, 2.0, 1.0)),
}


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", OPS)
def test_results_are_those_of_the_cpu_bit_for_bit(name, size):
    frames = smooth_clip(size, num_clips=2)
    assert torch.equal(OPS[name](frames.cuda()).cpu(), OPS[name](frames))


@pytest.mark.parametrize("name", OPS)
def test_a_side_stream_is_used(name):
    frames = smooth_clip((16, 112, 112), num_clips=4)
    expected = OPS[name](frames)
    pinned = frames.pin_memory()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        found = OPS[name](pinned.cuda(non_blocking=True))
    stream.synchronize()
    assert torch.equal(found.cpu(), expected)


@pytest.mark.parametrize("name", OPS)
def test_runs_are_the_same_and_leave_the_input_alone(name):
    frames = smooth_clip((16, 112, 112), num_clips=2).cuda()
    before = frames.clone()
    first = OPS[name](frames)
    for _ in range(5):
        assert torch.equal(OPS[name](frames), first)
    assert torch.equal(frames, before)


# The op itself: wrappers look at the values of float volumes, which waits for the GPU.
RAW: dict[str, Op] = {
    "lab": lambda frames: torch.ops.ace3d.clips_to_lab(frames, True),
    "smooth lab": lambda frames: torch.ops.ace3d.smooth_lab(frames, True, [1.0, 1.0, 20.0]),
}


@pytest.mark.parametrize("name", RAW)
def test_a_graph_can_hold_it(name):
    clips = [smooth_clip((16, 112, 112), seed).cuda() for seed in range(3)]
    frames = clips[0].clone()
    RAW[name](frames)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = RAW[name](frames)
    for clip in clips:
        frames.copy_(clip)
        graph.replay()
        assert torch.equal(found, RAW[name](clip))
