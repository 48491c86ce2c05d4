"""Lab, smoothing and SLIC on a GPU give the bits of the CPU."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from volumes import smooth_clip

from ace3d_fast.errors import InputError
from ace3d_fast.ops import (
    clips_to_lab,
    gaussian_smooth,
    rgb_to_lab,
    segment_clips,
    slic3d,
    slic3d_frames,
    slic3d_from,
    smooth_lab,
)

Op = Callable[[Tensor], Tensor]


def warm(frames: Tensor) -> tuple[Tensor, list[Tensor]]:
    volume = clips_to_lab(frames)
    corner = torch.tensor([*frames.shape[1:4], 60.0, 30.0, 30.0], dtype=torch.float64)
    places = torch.rand(60, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * corner
    starts = places.expand(len(frames), -1, -1).to(frames.device)
    return slic3d_from(volume, [starts], [80], compactness=10.0, num_iterations=5)


SIZES = [(16, 112, 112), (32, 224, 224), (7, 45, 61), (1, 300, 401)]
OPS: dict[str, Op] = {
    "lab": clips_to_lab,
    "lab, not stretched": lambda frames: clips_to_lab(frames, stretch=False),
    "smooth lab": lambda frames: smooth_lab(frames, (0.5, 1.0, 1.0)),
    "smooth lab, wide": lambda frames: smooth_lab(frames, (3.0, 40.0, 0.0)),
    "smooth": lambda frames: gaussian_smooth(frames.movedim(4, 1).float(), 1.5),
    "slic": lambda frames: slic3d_frames(frames, [15, 50, 80], compactness=20.0),
    "slic, many regions": lambda frames: slic3d_frames(frames, [2000], compactness=10.0, num_iterations=4),
    "slic of smooth Lab": lambda frames: slic3d(
        smooth_lab(frames, 1.0), [15, 80], compactness=10.0, spacing=(3.0, 1.0, 1.0)
    ),
    "slic, one channel": lambda frames: slic3d(clips_to_lab(frames)[:, :1], [50], compactness=10.0),
    "slic, five channels": lambda frames: slic3d(
        torch.cat([clips_to_lab(frames), clips_to_lab(frames, stretch=False)[:, :2]], dim=1),
        [50],
        compactness=10.0,
    ),
    "slic from centres": lambda frames: warm(frames)[0],
    "where centres move to": lambda frames: warm(frames)[1][0].nan_to_num(-7.0),
    "slic with a mask": lambda frames: slic3d(
        clips_to_lab(frames), [20], compactness=10.0, mask=frames[..., 0] > 90
    ),
    "segments": lambda frames: segment_clips(frames, [15, 50, 80]),
    "segments of high quality": lambda frames: segment_clips(frames, [15, 80], quality="high"),
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


RAW: dict[str, Op] = {
    "lab": lambda frames: torch.ops.ace3d.clips_to_lab(frames, True),
    "smooth lab": lambda frames: torch.ops.ace3d.smooth_lab(frames, True, [1.0, 1.0, 20.0]),
    "slic": lambda frames: slic3d_frames(frames, [15, 50, 80], compactness=20.0),
    "slic of smooth Lab": lambda frames: slic3d(smooth_lab(frames, 1.0), [80], compactness=10.0),
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


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
def test_lab_of_colours_is_near_that_of_the_cpu(dtype):
    bytes_of = smooth_clip((7, 45, 61), num_clips=2)
    rgb = bytes_of if dtype == torch.uint8 else bytes_of.to(dtype) / 200 - 0.1
    found = rgb_to_lab(rgb.cuda()).cpu()
    torch.testing.assert_close(found, rgb_to_lab(rgb), atol=1e-9 if dtype == torch.float64 else 2e-4, rtol=0)


@pytest.mark.parametrize("option", ["exact", "adapt_compactness"])
def test_what_only_the_cpu_does_is_refused(option):
    volume = torch.zeros(1, 3, 2, 8, 8, device="cuda")
    with pytest.raises(InputError, match=f"expected {option} False on a GPU"):
        slic3d(volume, [2], compactness=1.0, **{option: True})
