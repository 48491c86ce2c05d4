"""Good arguments of the ops on frames: colours, smoothing, supervoxels."""

from __future__ import annotations

import random

import torch
from calls import Arguments, Call, draw_bytes, draw_counts, draw_floats, draw_labels, draw_side, draw_volume

from ace3d_fast import ops


def _rgb_to_lab(rng: random.Random) -> Call:
    shape = tuple(draw_side(rng, 9) for _ in range(rng.randint(0, 2)))
    dtype = [torch.float32, torch.float64]
    rgb = draw_bytes(rng, (*shape, 3)) if rng.random() < 0.5 else draw_floats(rng, (*shape, 3), dtype)
    return Call(ops.rgb_to_lab, {"rgb": rgb}, lambda a: [tuple(a["rgb"].shape)])


def _clips_to_lab(rng: random.Random) -> Call:
    frames = draw_bytes(rng, (rng.randint(0, 3), *draw_volume(rng), 3))

    def shapes(a: Arguments) -> list[tuple[int, ...]]:
        n, t, h, w, _ = a["frames"].shape
        return [(n, 3, t, h, w)]

    return Call(ops.clips_to_lab, {"frames": frames}, shapes)


SIGMAS = (0, 0.0, 1e-30, 0.3, 1, 1.5, 40.0, (0, 1, 2), [0.1, 0.2, 3.0])


def _smooth_lab(rng: random.Random) -> Call:
    call = _clips_to_lab(rng)
    call.function = ops.smooth_lab
    call.arguments |= {"sigma": rng.choice(SIGMAS), "stretch": rng.random() < 0.5}
    return call


def _gaussian_smooth(rng: random.Random) -> Call:
    shape = (rng.randint(0, 2), rng.randint(0, 4), *draw_volume(rng))
    sigma = rng.choice(SIGMAS)
    arguments = {"volume": draw_floats(rng, shape, [torch.float32, torch.float64]), "sigma": sigma}
    return Call(ops.gaussian_smooth, arguments, lambda a: [tuple(a["volume"].shape)])


def _slic_options(rng: random.Random) -> Arguments:
    return {
        "compactness": rng.choice([1e-30, 0.1, 1, 10.0, 20.0, 1e30]),
        "num_iterations": rng.randint(1, 10),
        "spacing": rng.choice([1.0, 2, (1.0, 0.5, 3), [1e-20, 1, 1], (1e20, 1e20, 1e20)]),
    }


def _slic_volume(rng: random.Random) -> torch.Tensor:
    shape = (rng.randint(0, 2), rng.choice([1, 2, 3, 3, 3, 4, 8, 9, 17, 64]), *draw_volume(rng))
    return draw_floats(rng, shape, [torch.float32, torch.float64, torch.float16, torch.bfloat16])


def _slic3d(rng: random.Random) -> Call:
    volume, num_regions = _slic_volume(rng), draw_counts(rng)
    arguments = {"volume": volume, "num_regions": num_regions, **_slic_options(rng)}
    if rng.random() < 0.3:
        arguments["mask"] = draw_labels(rng, (len(volume), *volume.shape[2:]), 2) > 0
    if rng.random() < 0.3:
        arguments["centers"] = [_centers(rng, *volume.shape[:2]) for _ in num_regions]
    for name in ("exact", "adapt_compactness"):
        if rng.random() < 0.2:
            arguments[name] = True

    def shapes(a: Arguments) -> list[tuple[int, ...]]:
        n, _, *volume = a["volume"].shape
        return [(n, len(a["num_regions"]), *volume)]

    return Call(ops.slic3d, arguments, shapes)


def _centers(rng: random.Random, num_clips: int, channels: int) -> torch.Tensor:
    size = (num_clips, rng.choice([1, 2, 30]), 3 + channels)
    centers = draw_floats(rng, size, [torch.float32, torch.float64])
    centers[..., :3] = centers[..., :3].abs() % 8
    if rng.random() < 0.3 and centers.numel():
        centers[0, 0] = float("nan")
    return centers


def _slic3d_from(rng: random.Random) -> Call:
    volume, num_regions = _slic_volume(rng), draw_counts(rng)
    centers = [_centers(rng, *volume.shape[:2]) for _ in num_regions]
    arguments = {
        "volume": volume, "centers": centers, "num_regions": num_regions, **_slic_options(rng)
    }  # fmt: skip

    def shapes(a: Arguments) -> list[tuple[int, ...]]:
        n, _, *volume = a["volume"].shape
        return [(n, len(a["num_regions"]), *volume), *(tuple(part.shape) for part in a["centers"])]

    return Call(ops.slic3d_from, arguments, shapes)


def _slic3d_frames(rng: random.Random) -> Call:
    frames = draw_bytes(rng, (rng.randint(0, 2), *draw_volume(rng), 3))

    def shapes(a: Arguments) -> list[tuple[int, ...]]:
        n, *volume, _ = a["frames"].shape
        return [(n, len(a["num_regions"]), *volume)]

    arguments = {"frames": frames, "num_regions": draw_counts(rng), **_slic_options(rng)}
    if rng.random() < 0.5:
        arguments["centers"] = [_centers(rng, len(frames), 3) for _ in arguments["num_regions"]]
    return Call(ops.slic3d_frames, arguments, shapes)


def _slic(rng: random.Random) -> Call:
    axes = draw_volume(rng)[rng.randint(0, 1) :]
    channels = rng.choice([(), (1,), (3,), (3,), (5,)])
    image = draw_bytes(rng, (*axes, *channels))
    if rng.random() < 0.5:
        image = draw_floats(rng, (*axes, *channels), [torch.float32, torch.float64, torch.float16])
    arguments = {
        "image": image.numpy() if rng.random() < 0.5 else image,
        "n_segments": rng.choice([1, 15, 80, 2000]),
        "compactness": rng.choice([1e-3, 0.1, 10.0, 1e10]),
        "max_num_iter": rng.randint(1, 10),
        "sigma": rng.choice([0, 0.5, 2.0]),
        "channel_axis": -1 if channels else None,
        "start_label": rng.choice([0, 1]),
        "enforce_connectivity": rng.random() < 0.7,
        "slic_zero": rng.random() < 0.2,
        "mask": (draw_labels(rng, axes, 2) > 0).numpy() if rng.random() < 0.3 else None,
    }

    def shapes(a: Arguments) -> list[tuple[int, ...]]:
        shape, axis = list(a["image"].shape), a["channel_axis"]
        if axis is not None:
            shape.pop(axis)
        return [tuple(shape)]

    return Call(ops.slic, arguments, shapes)


def _segment_clips(rng: random.Random) -> Call:
    arguments = {
        "frames": draw_bytes(rng, (rng.randint(0, 2), *draw_volume(rng), 3)),
        "num_regions": [rng.choice([1, 15, 80, 2000]) for _ in range(rng.randint(1, 3))],
        "compactness": rng.choice([1e-3, 1, 20.0, 1e10]),
        "sigma": rng.choice([0, 0.5, 1.0, 3.0]),
        "spacing": rng.choice([1.0, 2, (1.0, 0.5, 3)]),
        "num_iterations": rng.randint(1, 10),
        "quality": rng.choice(["standard", "high"]),
    }

    def shapes(a: Arguments) -> list[tuple[int, ...]]:
        n, *volume, _ = a["frames"].shape
        return [(n, len(a["num_regions"]), *volume)]

    return Call(ops.segment_clips, arguments, shapes)


CALLS = (
    _clips_to_lab, _gaussian_smooth, _rgb_to_lab, _segment_clips, _slic, _slic3d, _slic3d_frames,
    _slic3d_from, _smooth_lab,
)  # fmt: skip
