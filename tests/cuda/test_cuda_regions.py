"""Label maps and regions on a GPU give what they give on the CPU."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from volumes import label_map

from ace3d_fast.ops import (
    connect_by_color,
    enforce_connectivity,
    kmeans,
    nearest_centers,
    region_overlap,
    region_patches,
    region_pool,
)

Result = tuple[Tensor, ...]
Op = Callable[[Tensor], Result]


def maps(shape: tuple[int, ...], seed: int = 0, *, low: int = 0) -> Tensor:
    """Ragged labels with many small parts, (2, 3, T, H, W)."""
    return label_map((2, 3, *shape), 40, seed, low=low)


def colors_of(m: Tensor) -> Tensor:
    """Frames (2, T, H, W, 3) whose colours follow from their labels."""
    return torch.stack([m[:, 0] * 3, m[:, 1] * 5, m[:, 2] * 6], -1).clamp(0, 255).to(torch.uint8)


def patches(m: Tensor) -> Result:
    """Forty patches of a clip."""
    frames = colors_of(m)[0]
    num_frames, height, width = frames.shape[:3]
    regions = list(range(40))
    boxes = [[0, 0, height - i % height, i % width, width] for i in regions]
    return (region_patches(frames, m[0], regions, boxes, (num_frames, 40, 56), mean=(0.4, 0.5, 0.6)),)


# From label maps (2, 3, T, H, W) to results that are the CPU's, bit for bit.
OPS: dict[str, Op] = {
    "connectivity": lambda m: enforce_connectivity(m, [0, 30, 4000], [10**6, 900, 10**6]),
    "connectivity, as published": lambda m: enforce_connectivity(
        m, [5, 30, 9000], [10**6, 400, 10**6], repair=False
    ),
    "connectivity by colour": lambda m: connect_by_color(m, colors_of(m), [0, 30, 4000]),
    "overlap": lambda m: (region_overlap(m[:, 0], m[:, 1], 40, 37),),
    "patches": patches,
}
SIZES = [(16, 112, 112), (32, 224, 224), (7, 45, 61), (1, 1, 70)]


@pytest.mark.parametrize("low", [0, -2])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", OPS)
def test_results_are_those_of_the_cpu(name, size, low):
    labels = maps(size, low=low)
    found, expected = OPS[name](labels.cuda()), OPS[name](labels)
    for ours, right in zip(found, expected, strict=True):
        assert torch.equal(ours.cpu(), right)


@pytest.mark.parametrize("name", OPS)
def test_a_side_stream_is_used(name):
    labels = maps((16, 112, 112))
    expected = OPS[name](labels)
    pinned, stream = labels.pin_memory(), torch.cuda.Stream()
    with torch.cuda.stream(stream):
        found = OPS[name](pinned.cuda(non_blocking=True))
    stream.synchronize()
    for ours, right in zip(found, expected, strict=True):
        assert torch.equal(ours.cpu(), right)


@pytest.mark.parametrize("name", OPS)
def test_runs_are_the_same(name):
    labels = maps((16, 112, 112)).cuda()
    first = OPS[name](labels)
    for _ in range(5):
        for again, before in zip(OPS[name](labels), first, strict=True):
            assert torch.equal(again, before)


@pytest.mark.parametrize("name", OPS)
def test_a_graph_can_hold_it(name):
    clips = [maps((16, 64, 64), seed).cuda() for seed in range(3)]
    labels = clips[0].clone()
    OPS[name](labels)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = OPS[name](labels)
    for clip in clips:
        labels.copy_(clip)
        graph.replay()
        for ours, right in zip(found, OPS[name](clip), strict=True):
            assert torch.equal(ours, right)


GRIDS = [(16, 56, 56), (16, 7, 7), (5, 33, 41), (1, 1, 1)]
DTYPES = [torch.float32, torch.float16, torch.bfloat16]


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("reduce", ["mean", "sum", "count", "max"])
def test_pooled_features_are_those_of_the_cpu(reduce, grid, dtype, last):
    labels = maps((16, 56, 56), low=-1)
    features = torch.randn(2, 70, *grid).to(dtype)
    if last:
        features = features.contiguous(memory_format=torch.channels_last_3d)
    expected = region_pool(features, labels, [40, 30, 35], reduce=reduce)
    found = region_pool(features.cuda(), labels.cuda(), [40, 30, 35], reduce=reduce)
    for ours, right in zip(found, expected, strict=True):
        assert ours.dtype == right.dtype
        if reduce in ("count", "max"):
            assert torch.equal(ours.cpu(), right)
        else:
            torch.testing.assert_close(ours.cpu(), right, atol=1e-2 if reduce == "sum" else 1e-5, rtol=8e-3)


@pytest.mark.parametrize("reduce", ["mean", "max"])
def test_pooling_gives_the_same_bits_each_time_and_in_a_graph(reduce):
    labels = maps((16, 112, 112)).cuda()
    features = torch.randn(2, 64, 16, 28, 28, device="cuda")
    first = torch.cat(region_pool(features, labels, [40] * 3, reduce=reduce), 1)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        held = torch.cat(region_pool(features, labels, [40] * 3, reduce=reduce), 1)
    for _ in range(5):
        graph.replay()
        assert torch.equal(held, first)
        assert torch.equal(torch.cat(region_pool(features, labels, [40] * 3, reduce=reduce), 1), first)


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("reduce", ["mean", "max"])
def test_gradients_are_those_of_the_cpu(reduce, grid):
    labels = maps((16, 56, 56), low=-1)
    on_cpu = torch.randn(2, 40, *grid, requires_grad=True)
    on_gpu = on_cpu.detach().cuda().requires_grad_()
    weights = torch.randn(2, 40, 40)
    (region_pool(on_cpu, labels, 40, reduce=reduce) * weights).sum().backward()
    (region_pool(on_gpu, labels.cuda(), 40, reduce=reduce) * weights.cuda()).sum().backward()
    torch.testing.assert_close(on_gpu.grad.cpu(), on_cpu.grad, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("shape", [(5000, 192, 5, 25), (77, 3, 1, 200), (1, 2048, 2, 1)], ids=str)
def test_nearest_centers_are_those_of_the_cpu(shape):
    num_points, channels, num_sets, num_centers = shape
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(num_points, channels, generator=generator)
    centers = torch.randn(num_sets, num_centers, channels, generator=generator)
    found = nearest_centers(points.cuda(), centers.cuda())
    for ours, right in zip(found, nearest_centers(points, centers), strict=True):
        assert torch.equal(ours.cpu(), right)


def test_kmeans_comes_to_the_clusters_of_the_cpu():
    generator = torch.Generator().manual_seed(0)
    blobs = torch.randn(6, 20, generator=generator) * 5
    points = blobs[torch.arange(600) % 6] + torch.randn(600, 20, generator=generator)
    starts = torch.stack([points[:6], points[300:306]])
    found, right = kmeans(points.cuda(), starts.cuda()), kmeans(points, starts)
    assert torch.equal(found.labels.cpu(), right.labels)
    torch.testing.assert_close(found.centers.cpu(), right.centers)
