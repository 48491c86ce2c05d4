"""Every CUDA op once on small clips, against the CPU: what compute-sanitizer is given to watch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from volumes import label_map, smooth_clip

from ace3d_fast import ops

FRAMES = smooth_clip((5, 37, 45), num_clips=2)
MAPS = label_map((2, 2, 5, 37, 45), 12, low=-1)
FEATURES = torch.randn(2, 40, 5, 9, 45)
VOLUME = FRAMES.movedim(4, 1).float()


def gradient(maps: Tensor) -> Tensor:
    features = FEATURES.detach().to(maps.device).requires_grad_()
    (ops.region_pool(features, maps, 12) * FEATURES[0, 0, 0, 0, :40].to(maps.device)).sum().backward()
    assert features.grad is not None
    return features.grad


CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "clips_to_lab": (ops.clips_to_lab, (FRAMES,)),
    "smooth_lab": (lambda frames: ops.smooth_lab(frames, (1.0, 1.0, 1.0)), (FRAMES,)),
    "gaussian_smooth": (lambda volume: ops.gaussian_smooth(volume, 1.0), (VOLUME,)),
    "slic3d": (lambda volume: ops.slic3d(volume, [9, 40], compactness=20.0), (VOLUME / 3,)),
    "slic3d, five channels": (
        lambda volume: ops.slic3d(torch.cat([volume, volume[:, :2]], 1), [9], compactness=20.0),
        (VOLUME / 3,),
    ),
    "slic3d with a mask": (
        lambda volume, frames: ops.slic3d(volume, [9], compactness=20.0, mask=frames[..., 0] > 90),
        (VOLUME / 3, FRAMES),
    ),
    "slic3d_frames": (lambda frames: ops.slic3d_frames(frames, [9, 40], compactness=20.0), (FRAMES,)),
    "connect_by_color": (lambda maps, frames: ops.connect_by_color(maps, frames, [9, 99])[0], (MAPS, FRAMES)),
    "enforce_connectivity": (
        lambda maps: torch.cat([t.flatten() for t in ops.enforce_connectivity(maps, [9, 99], [300, 9999])]),
        (MAPS,),
    ),
    "enforce_connectivity, as published": (
        lambda maps: ops.enforce_connectivity(maps, [9, 900], [300, 9999], repair=False)[0],
        (MAPS,),
    ),
    "nearest_centers": (
        lambda points: ops.nearest_centers(points, points[:70].view(2, 35, -1))[0],
        (FEATURES[0].flatten(1).T.contiguous(),),
    ),
    "region_overlap": (lambda a, b: ops.region_overlap(a, b, 12, 12), (MAPS[:, 0], MAPS[:, 1])),
    "region_pool": (
        lambda maps: torch.cat(ops.region_pool(FEATURES.to(maps.device), maps, [12, 9]), 1),
        (MAPS,),
    ),
    "region_pool, max": (
        lambda maps: ops.region_pool(FEATURES.to(maps.device), maps, 12, reduce="max"),
        (MAPS,),
    ),
    "region_pool, gradient": (gradient, (MAPS,)),
    "region_patches": (
        lambda frames, maps: ops.region_patches(frames, maps, [1, 5], [[0, 3, 30, 0, 45]] * 2, (4, 20, 50)),
        (FRAMES[0], MAPS[0]),
    ),
}


def _check(name: str, op: Callable[..., Any], given: tuple[Tensor, ...]) -> None:
    found, expected = op(*(tensor.cuda() for tensor in given)), op(*given)
    torch.cuda.synchronize()
    if expected.is_floating_point() and name.startswith("region"):
        torch.testing.assert_close(found.cpu(), expected)
    elif not torch.equal(found.cpu(), expected):
        raise SystemExit(f"{name}: expected what the CPU gives, got {(found.cpu() != expected).sum()} others")


if __name__ == "__main__":
    for case, (function, arguments) in CASES.items():
        _check(case, function, arguments)
        print(case, "as on the CPU", flush=True)
