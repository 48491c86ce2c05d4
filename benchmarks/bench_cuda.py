"""The CUDA ops, each proved equal to the CPU's and then timed with CUDA events.

Medians after a warm-up, on one GPU that has nothing else to do. Results are written after each part, and a
part that fails is named in them.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from timing import planted_clip
from torch import Tensor

from ace3d_fast.ops import (
    enforce_connectivity,
    kmeans_step,
    nearest_centers,
    region_pool,
    segment_clips,
    slic3d,
    smooth_lab,
)
from ace3d_fast.ops.seeds import seed_grid

POOLED = ((512, (16, 56, 56), 8), (64, (16, 112, 112), 32), (64, (32, 224, 224), 8))
SHAPE, NUM_CLIPS, NUM_REGIONS, ITERATIONS, COMPACTNESS = (32, 224, 224), 16, 80, 10, 20.0


def median_ms(call: Callable[[], Any], *, repeats: int = 15, warm_up: int = 4) -> float:
    """Milliseconds of the GPU for one call; of a short one, as it waits for the CPU that launches."""
    for _ in range(warm_up):
        call()
    times = []
    for _ in range(repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        call()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times)


def graph_ms(call: Callable[[], Any]) -> float:
    """Milliseconds of one call that a CUDA graph holds: the GPU does not wait for launches."""
    call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return median_ms(graph.replay, repeats=50)


def clips_of(shape: tuple[int, int, int], number: int) -> Tensor:
    return torch.cat([planted_clip(shape, seed) for seed in range(number)])


def copy_rate() -> float:
    """Bytes read and written a second by a copy within the GPU, in GB."""
    source = torch.randn(2**28, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.nbytes / median_ms(lambda: target.copy_(source)) / 1e6


def torch_slic(volume: Tensor, num_regions: int) -> Tensor:
    """SLIC in plain torch: each voxel against the 27 centres around its cell, sums by ``index_add_``."""
    n, _, *shape = volume.shape
    grid = seed_grid(torch.Size(shape), num_regions)
    device = volume.device
    seeds = [torch.arange(grid.start[a], shape[a], grid.step[a], device=device) for a in range(3)]
    counts = [len(axis) for axis in seeds]
    axes = [torch.arange(size, device=device) for size in shape]
    cells = torch.meshgrid(
        *((axes[a] * counts[a] // shape[a]).clamp(max=counts[a] - 1) for a in range(3)), indexing="ij"
    )
    places = torch.stack(torch.meshgrid(*axes, indexing="ij")).float().reshape(3, -1)
    weight = COMPACTNESS / max(grid.step)
    points = torch.cat([(places * weight).expand(n, 3, -1), volume.reshape(n, 3, -1)], 1)  # (N, 6, V)
    number = counts[0] * counts[1] * counts[2]
    where = torch.stack(torch.meshgrid(*seeds, indexing="ij")).float().reshape(3, -1) * weight
    centers = torch.cat([where.expand(n, 3, -1), torch.zeros(n, 3, number, device=device)], 1)
    labels = torch.zeros(n, points.shape[2], dtype=torch.int64, device=device)
    for _ in range(ITERATIONS):
        best = torch.full(labels.shape, torch.inf, device=device)
        for dt in (-1, 0, 1):
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    t, y, x = cells[0] + dt, cells[1] + dy, cells[2] + dx
                    inside = (t >= 0) & (t < counts[0]) & (y >= 0) & (y < counts[1])
                    inside &= (x >= 0) & (x < counts[2])
                    index = torch.where(inside, (t * counts[1] + y) * counts[2] + x, 0).flatten()
                    distance = (points - centers[:, :, index]).square().sum(1)
                    distance = torch.where(inside.flatten(), distance, torch.inf)
                    nearer = distance < best
                    best = torch.where(nearer, distance, best)
                    labels = torch.where(nearer, index, labels)
        sums = torch.zeros(n, 6, number, device=device)
        sums.scatter_add_(2, labels[:, None].expand(-1, 6, -1), points)
        ones = torch.ones(1, device=device).expand(labels.shape)
        sizes = torch.zeros(n, number, device=device).scatter_add_(1, labels, ones)
        centers = sums / sizes.clamp(min=1)[:, None]
    return labels.reshape(n, *shape)


def supervoxels() -> dict[str, Any]:
    volume = smooth_lab(clips_of(SHAPE, NUM_CLIPS), 0.0)
    there = volume.cuda()

    def cut(given: Tensor = there) -> Tensor:
        return slic3d(given, [NUM_REGIONS], compactness=COMPACTNESS, num_iterations=ITERATIONS)

    assert torch.equal(cut()[:2].cpu(), cut(volume[:2])), "slic3d: labels differ from the CPU's"
    ours = median_ms(cut)
    plain = median_ms(lambda: torch_slic(there, NUM_REGIONS), repeats=3, warm_up=1)
    work = volume[:, 0].numel() * ITERATIONS
    small = smooth_lab(clips_of((16, 112, 112), 1), 0.0).cuda()
    return {
        "clips": [NUM_CLIPS, *SHAPE],
        "milliseconds": ours,
        "giga_voxel_iterations_per_second": work / ours / 1e6,
        "torch_milliseconds": plain,
        "ratio_torch": plain / ours,
        "one_clip_16x112x112_milliseconds": median_ms(lambda: cut(small), repeats=50),
        "one_clip_16x112x112_graph_milliseconds": graph_ms(lambda: cut(small)),
    }


def connectivity() -> dict[str, Any]:
    volume = smooth_lab(clips_of(SHAPE, 4), 0.0)
    labels = slic3d(volume, [NUM_REGIONS], compactness=COMPACTNESS)
    size = volume[0, 0].numel() // NUM_REGIONS
    there = labels.cuda()
    found, expected = (enforce_connectivity(given, [size // 2], [3 * size]) for given in (there, labels))
    assert torch.equal(found[0].cpu(), expected[0]), "enforce_connectivity: labels differ from the CPU's"
    milliseconds = median_ms(lambda: enforce_connectivity(there, [size // 2], [3 * size]))
    return {
        "clips": list(labels.shape),
        "milliseconds": milliseconds,
        "giga_voxels_per_second": labels.numel() / milliseconds / 1e6,
    }


def pooling(rate: float) -> list[dict[str, Any]]:
    rows = []
    for channels, shape, number in POOLED:
        frames = clips_of(shape, number)
        labels = segment_clips(frames, (NUM_REGIONS,))[:, 0].contiguous()
        num_regions = int(labels.max()) + 1
        for dtype in (torch.float32, torch.float16):
            features = torch.randn(number, channels, *shape, device="cuda").to(dtype)
            there = labels.cuda()
            expected = region_pool(features[:1].cpu(), labels[:1], num_regions)
            torch.testing.assert_close(region_pool(features, there, num_regions)[:1].cpu(), expected)
            flat = there.reshape(number, 1, -1).long().expand(-1, channels, -1)
            sums = torch.zeros(number, channels, num_regions, device="cuda", dtype=dtype)
            ours = median_ms(lambda f=features, m=there, r=num_regions: region_pool(f, m, r))
            scatter = median_ms(
                lambda f=features, i=flat, s=sums: s.zero_().scatter_add_(2, i, f.flatten(2)), repeats=3
            )
            gigabytes_a_second = (features.nbytes + there.nbytes) / ours / 1e6
            rows.append(
                {
                    "features": [number, channels, *shape],
                    "dtype": str(dtype).removeprefix("torch."),
                    "num_regions": num_regions,
                    "milliseconds": ours,
                    "gigabytes_per_second": gigabytes_a_second,
                    "share_of_copy": gigabytes_a_second / rate,
                    "ratio_scatter_add": scatter / ours,
                }
            )
    return rows


def clusters() -> dict[str, Any]:
    """A step's assignment in five runs of k-means, beside torch.cdist and a minimum."""
    points = torch.randn(100_000, 512)
    centers = points[:125].view(5, 25, -1)
    there, starts = points.cuda(), centers.cuda()
    labels = nearest_centers(there, starts)[0]
    assert torch.equal(labels[:, :2000].cpu(), nearest_centers(points[:2000], centers)[0])
    return {
        "points": list(points.shape),
        "centers": list(centers.shape),
        "milliseconds": median_ms(lambda: nearest_centers(there, starts)),
        "cdist_milliseconds": median_ms(lambda: torch.cdist(starts, there[None]).min(dim=1)),
        "step_milliseconds": median_ms(lambda: kmeans_step(there, starts)),
    }


def run_share() -> dict[str, Any]:
    """How the GPU time of segment, forward and pool is shared out, for X3D-XS on clips of its own size."""
    if importlib.util.find_spec("pytorchvideo") is None:
        return {"left_out": "pytorchvideo is not installed"}
    from ace3d_fast.models.load import load_module
    from ace3d_fast.models.network import Network
    from ace3d_fast.types import Normalization

    module = load_module("pytorchvideo:x3d_xs", None).module
    names = [str(i) for i in range(400)]
    grey = Normalization((0.45,) * 3, (0.225,) * 3)
    network = Network(module, "blocks.4", grey, names, device="cuda")
    frames = clips_of((16, 182, 182), 16).cuda()
    seen = frames[:, ::4]

    def cut() -> Tensor:
        return segment_clips(frames, (15, 50, 80))

    labels = cut()[:, :, ::4].contiguous()
    num_regions = [int(labels[:, i].max()) + 1 for i in range(3)]
    x = network.prepare(seen)
    grid = network.gradients(x, 0).activation
    times = {
        "segment": median_ms(cut),
        "forward": median_ms(lambda: network.gradients(network.prepare(seen), 0)),
        "pool": median_ms(lambda: region_pool(grid, labels, num_regions)),
    }
    return {"milliseconds": times, "share_of_forwards": times["forward"] / sum(times.values())}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    path = parser.parse_args().json
    found: dict[str, Any] = {}
    failed = False

    def part(name: str, call: Callable[[], Any]) -> Any:
        nonlocal failed
        try:
            found[name] = call()
        except Exception as error:
            failed = True
            traceback.print_exc()
            found[name] = {"failed": f"{type(error).__name__}: {error}".splitlines()[0]}
        print(name, json.dumps(found[name], indent=1), flush=True)
        if path:
            path.write_text(json.dumps(found, indent=1) + "\n")
        torch.cuda.empty_cache()
        return found[name]

    rate = part("copy_gigabytes_per_second", copy_rate)
    part("slic3d", supervoxels)
    part("enforce_connectivity", connectivity)
    part("region_pool", lambda: pooling(rate))
    part("nearest_centers", clusters)
    part("run", run_share)
    return int(failed)


if __name__ == "__main__":
    torch.manual_seed(0)
    raise SystemExit(main())
