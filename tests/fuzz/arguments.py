"""Arguments of the public ops, drawn at random: good ones, then one or two of them spoilt."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ace3d_fast import ops

Arguments = dict[str, Any]


@dataclass
class Call:
    """One call of an op, and the shapes that its results have to have."""

    function: Callable[..., Any]
    arguments: Arguments
    shapes_of: Callable[[Arguments], list[tuple[int, ...]]]

    def fault_of(self, result: Any) -> str:
        """What is wrong with ``result``; empty if nothing is."""
        shapes = [tuple(part.shape) for part in _flat(result)]
        right = self.shapes_of(self.arguments)
        return "" if shapes == right else f"gave shapes {shapes} instead of {right}"

    def __str__(self) -> str:
        words = ", ".join(f"{name}={_describe(value)}" for name, value in self.arguments.items())
        return f"{self.function.__name__}({words})"


def _flat(result: Any) -> list[Any]:
    if isinstance(result, (tuple, list)):
        return [part for each in result for part in _flat(each)]
    return [result]


def _describe(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        where = "" if value.device.type == "cpu" else f", {value.device}"
        return f"tensor({tuple(value.shape)}, {value.dtype}, {value.layout}{where})"
    return repr(value)[:80]


# --- good arguments -----------------------------------------------------------------------------


def _side(rng: random.Random, most: int) -> int:
    return rng.choice([1, 1, 2, 3, 5, 7, 8, rng.randint(1, most)])


def _volume(rng: random.Random, most: int = 24) -> tuple[int, int, int]:
    return _side(rng, 8), _side(rng, most), _side(rng, most)


def _floats(rng: random.Random, shape: tuple[int, ...], dtypes: list[torch.dtype]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(rng.randrange(2**31))
    scale = rng.choice([0.0, 1e-30, 1.0, 100.0, 1e15])
    return (torch.randn(shape, generator=generator) * scale).to(rng.choice(dtypes))


def _bytes(rng: random.Random, shape: tuple[int, ...]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(rng.randrange(2**31))
    low, high = rng.choice([(0, 256), (7, 8), (0, 1), (255, 256), (100, 120)])
    return torch.randint(low, high, shape, generator=generator, dtype=torch.uint8)


def _labels(rng: random.Random, shape: tuple[int, ...], count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(rng.randrange(2**31))
    low, high = rng.choice([(0, max(1, count)), (-2, count + 3), (-(2**31), 2**31 - 1)])
    return torch.randint(low, high, shape, generator=generator, dtype=torch.int64).to(torch.int32)


def _rgb_to_lab(rng: random.Random) -> Call:
    shape = tuple(_side(rng, 9) for _ in range(rng.randint(0, 2)))
    dtype = [torch.float32, torch.float64]
    rgb = _bytes(rng, (*shape, 3)) if rng.random() < 0.5 else _floats(rng, (*shape, 3), dtype)
    return Call(ops.rgb_to_lab, {"rgb": rgb}, lambda a: [tuple(a["rgb"].shape)])


def _clips_to_lab(rng: random.Random) -> Call:
    frames = _bytes(rng, (rng.randint(0, 3), *_volume(rng), 3))

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
    shape = (rng.randint(0, 2), rng.randint(0, 4), *_volume(rng))
    sigma = rng.choice(SIGMAS)
    arguments = {"volume": _floats(rng, shape, [torch.float32, torch.float64]), "sigma": sigma}
    return Call(ops.gaussian_smooth, arguments, lambda a: [tuple(a["volume"].shape)])


def _slic_options(rng: random.Random) -> Arguments:
    return {
        "compactness": rng.choice([1e-30, 0.1, 1, 10.0, 20.0, 1e30]),
        "num_iterations": rng.randint(1, 10),
        "spacing": rng.choice([1.0, 2, (1.0, 0.5, 3), [1e-20, 1, 1], (1e20, 1e20, 1e20)]),
    }


def _slic_volume(rng: random.Random) -> torch.Tensor:
    shape = (rng.randint(0, 2), rng.choice([1, 2, 3, 3, 3, 4, 8, 9, 17, 64]), *_volume(rng))
    return _floats(rng, shape, [torch.float32, torch.float64, torch.float16, torch.bfloat16])


def _counts(rng: random.Random) -> list[int]:
    return [rng.choice([1, 2, 15, 80, 500, 10**6, 10**30]) for _ in range(rng.randint(1, 3))]


def _slic3d(rng: random.Random) -> Call:
    volume, num_regions = _slic_volume(rng), _counts(rng)
    arguments = {"volume": volume, "num_regions": num_regions, **_slic_options(rng)}
    if rng.random() < 0.3:
        arguments["mask"] = _labels(rng, (len(volume), *volume.shape[2:]), 2) > 0
    if rng.random() < 0.3:
        arguments["centers"] = [_centers(rng, volume) for _ in num_regions]
    for name in ("exact", "adapt_compactness"):
        if rng.random() < 0.2:
            arguments[name] = True

    def shapes(a: Arguments) -> list[tuple[int, ...]]:
        n, _, *volume = a["volume"].shape
        return [(n, len(a["num_regions"]), *volume)]

    return Call(ops.slic3d, arguments, shapes)


def _centers(rng: random.Random, volume: torch.Tensor) -> torch.Tensor:
    size = (len(volume), rng.choice([1, 2, 30]), 3 + volume.shape[1])
    centers = _floats(rng, size, [torch.float32, torch.float64])
    centers[..., :3] = centers[..., :3].abs() % 8
    if rng.random() < 0.3 and centers.numel():
        centers[0, 0] = float("nan")
    return centers


def _slic3d_from(rng: random.Random) -> Call:
    volume, num_regions = _slic_volume(rng), _counts(rng)
    centers = [_centers(rng, volume) for _ in num_regions]
    arguments = {
        "volume": volume, "centers": centers, "num_regions": num_regions, **_slic_options(rng)
    }  # fmt: skip

    def shapes(a: Arguments) -> list[tuple[int, ...]]:
        n, _, *volume = a["volume"].shape
        return [(n, len(a["num_regions"]), *volume), *(tuple(part.shape) for part in a["centers"])]

    return Call(ops.slic3d_from, arguments, shapes)


def _slic3d_frames(rng: random.Random) -> Call:
    frames = _bytes(rng, (rng.randint(0, 2), *_volume(rng), 3))

    def shapes(a: Arguments) -> list[tuple[int, ...]]:
        n, *volume, _ = a["frames"].shape
        return [(n, len(a["num_regions"]), *volume)]

    return Call(
        ops.slic3d_frames, {"frames": frames, "num_regions": _counts(rng), **_slic_options(rng)}, shapes
    )


def _slic(rng: random.Random) -> Call:
    axes = _volume(rng)[rng.randint(0, 1) :]
    channels = rng.choice([(), (1,), (3,), (3,), (5,)])
    image = _bytes(rng, (*axes, *channels))
    if rng.random() < 0.5:
        image = _floats(rng, (*axes, *channels), [torch.float32, torch.float64, torch.float16])
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
        "mask": (_labels(rng, axes, 2) > 0).numpy() if rng.random() < 0.3 else None,
    }

    def shapes(a: Arguments) -> list[tuple[int, ...]]:
        shape, axis = list(a["image"].shape), a["channel_axis"]
        if axis is not None:
            shape.pop(axis)
        return [tuple(shape)]

    return Call(ops.slic, arguments, shapes)


def _connectivity_arguments(rng: random.Random) -> Arguments:
    num_maps = rng.randint(1, 3)
    sizes = [0, 1, 2, 10, 100, 10**6, 2**31 - 1]
    return {
        "labels": _labels(rng, (rng.randint(0, 2), num_maps, *_volume(rng)), rng.choice([1, 2, 5, 100])),
        "min_sizes": [rng.choice(sizes) for _ in range(num_maps)],
        "max_sizes": [rng.choice(sizes[1:]) for _ in range(num_maps)],
        "repair": rng.random() < 0.5,
    }


def _enforce_connectivity(rng: random.Random) -> Call:
    def shapes(a: Arguments) -> list[tuple[int, ...]]:
        return [tuple(a["labels"].shape), tuple(a["labels"].shape[:2])]

    return Call(ops.enforce_connectivity, _connectivity_arguments(rng), shapes)


def _enforce_connectivity_(rng: random.Random) -> Call:
    return Call(
        ops.enforce_connectivity_, _connectivity_arguments(rng), lambda a: [tuple(a["labels"].shape[:2])]
    )


def _connect_by_color(rng: random.Random) -> Call:
    arguments = _connectivity_arguments(rng)
    n, _, *volume = arguments["labels"].shape
    arguments["colors"] = _bytes(rng, (n, *volume, rng.choice([0, 1, 3, 5])))
    del arguments["max_sizes"], arguments["repair"]

    def shapes(a: Arguments) -> list[tuple[int, ...]]:
        return [tuple(a["labels"].shape), tuple(a["labels"].shape[:2])]

    return Call(ops.connect_by_color, arguments, shapes)


def _nearest_centers(rng: random.Random) -> Call:
    channels = rng.choice([1, 2, 7, 64])
    arguments = {
        "points": torch.randn(rng.choice([0, 1, 5, 300]), channels),
        "centers": torch.randn(rng.choice([0, 1, 3]), rng.choice([0, 1, 16, 90]), channels),
    }

    def shapes(a: Arguments) -> list[tuple[int, ...]]:
        return [(a["centers"].shape[0], a["points"].shape[0])] * 2

    return Call(ops.nearest_centers, arguments, shapes)


def _region_overlap(rng: random.Random) -> Call:
    shape, counts = (rng.randint(0, 3), *_volume(rng)), [rng.choice([0, 1, 5, 90]) for _ in range(2)]
    arguments = {
        "a": _labels(rng, shape, counts[0]),
        "b": _labels(rng, shape, counts[1]),
        "num_a": counts[0],
        "num_b": counts[1],
    }
    return Call(ops.region_overlap, arguments, lambda a: [(a["a"].shape[0], a["num_a"], a["num_b"])])


def _pool_arguments(rng: random.Random) -> Arguments:
    num_clips, num_regions = rng.randint(0, 3), rng.choice([0, 1, 5, 90, 2000])
    dtypes = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
    features = _floats(rng, (num_clips, rng.choice([0, 1, 3, 16, 17, 40]), *_volume(rng, 12)), dtypes)
    if rng.random() < 0.3:
        features = features.to(memory_format=torch.channels_last_3d)
    maps = () if rng.random() < 0.5 else (rng.randint(1, 3),)
    labels = _labels(rng, (num_clips, *maps, *_volume(rng)), num_regions)
    return {"features": features, "labels": labels, "num_regions": num_regions}


def _region_pool(rng: random.Random) -> Call:
    arguments = _pool_arguments(rng)
    arguments["reduce"] = rng.choice(["mean", "sum", "count", "max"])
    if arguments["labels"].ndim == 5 and rng.random() < 0.5:
        arguments["num_regions"] = [rng.choice([0, 1, 40]) for _ in range(arguments["labels"].shape[1])]

    def shapes(a: Arguments) -> list[tuple[int, ...]]:
        n, c = a["features"].shape[:2]
        numbers = a["num_regions"] if isinstance(a["num_regions"], (list, tuple)) else [a["num_regions"]]
        return [(n, number, *(() if a["reduce"] == "count" else (c,))) for number in numbers]

    return Call(ops.region_pool, arguments, shapes)


def _region_sums(rng: random.Random) -> Call:
    def shapes(a: Arguments) -> list[tuple[int, ...]]:
        n, c = a["features"].shape[:2]
        return [(n, a["num_regions"], c), (n, a["num_regions"])]

    return Call(ops.region_sums, _pool_arguments(rng), shapes)


def _segment_clips(rng: random.Random) -> Call:
    arguments = {
        "frames": _bytes(rng, (rng.randint(0, 2), *_volume(rng), 3)),
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


def _region_patches(rng: random.Random) -> Call:
    t, h, w = _volume(rng)
    boxes = []
    size = [rng.randint(1, t), rng.randint(1, 9), rng.randint(1, 40)]
    for _ in range(rng.randint(0, 4)):
        y, x = sorted(rng.sample(range(h + 1), 2)), sorted(rng.sample(range(w + 1), 2))
        boxes.append([rng.randint(0, t - size[0]), *y, *x])
    maps = () if rng.random() < 0.5 else (rng.randint(1, 3),)
    arguments = {
        "frames": _bytes(rng, (t, h, w, 3)),
        "labels": _labels(rng, (*maps, t, h, w), 5),
        "regions": [rng.choice([-1, 0, 1, 2, 3, 4, 2**31 - 1]) for _ in boxes],
        "boxes": np.array(boxes, np.int64).reshape(-1, 5) if rng.random() < 0.5 else boxes,
        "size": size,
        "fill": rng.choice([0, 117, 255]),
        "mean": rng.choice([(0.0, 0.0, 0.0), [0.45] * 3, (1e30, -1e30, 0.0)]),
        "std": rng.choice([(1.0, 1.0, 1.0), [0.225] * 3, (1e-30, 1e30, 1.0)]),
    }

    def shapes(a: Arguments) -> list[tuple[int, ...]]:
        return [(len(a["regions"]), 3, *a["size"])]

    return Call(ops.region_patches, arguments, shapes)


CALLS = (
    _clips_to_lab, _connect_by_color, _enforce_connectivity, _enforce_connectivity_, _gaussian_smooth,
    _nearest_centers, _region_overlap, _region_patches, _region_pool, _region_sums, _rgb_to_lab,
    _segment_clips, _slic, _slic3d, _slic3d_frames, _slic3d_from, _smooth_lab,
)  # fmt: skip

# --- spoilt arguments ---------------------------------------------------------------------------

NOTHING_GOOD = (
    None, "x", "", b"3", (), [], {}, object(), True, False, -1, 0, 0.0, -0.5, 2.5, 2**31, 2**63, 2**70,
    float("nan"), float("inf"), float("-inf"), 1e308, 5e-324, 1 + 2j, [None], ["a"], [[1]], [-1], [0],
    [2**63], [2**70], (float("nan"),) * 3, (1, 2), (1, 2, 3, 4), (1.0, -1.0, 1.0), np.float64("nan"),
    np.int64(3), np.zeros((1, 2, 2, 2, 3), np.uint8), torch.tensor(3), torch.zeros(0),
)  # fmt: skip
DTYPES = (
    torch.bool, torch.uint8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16,
    torch.float32, torch.float64, torch.complex64,
)  # fmt: skip


def _spoil_tensor(rng: random.Random, tensor: torch.Tensor) -> Any:
    if tensor.layout != torch.strided or tensor.device.type == "meta" or max(tensor.shape, default=0) > 2**30:
        return tensor  # spoilt before
    axis = rng.randrange(max(1, tensor.ndim))
    kind = rng.randrange(13)
    if kind == 0:
        return tensor.to(rng.choice(DTYPES))
    if kind == 1 and tensor.ndim:
        return tensor.select(axis, 0) if tensor.shape[axis] else tensor.sum(axis)
    if kind == 2:
        return tensor.unsqueeze(axis)
    if kind == 3 and tensor.ndim:
        return tensor.narrow(axis, 0, 0)
    if kind == 4 and tensor.ndim > 1:
        return tensor.transpose(axis, rng.randrange(tensor.ndim))
    if kind == 5 and tensor.ndim > 2:  # terabytes, or more voxels than an int32 counts, in no memory
        axis = tensor.ndim - rng.choice([2, 3])  # of all ops an axis of space or time
        first = tensor.narrow(axis, 0, min(1, tensor.shape[axis]))
        sizes = [first.shape[i] for i in range(tensor.ndim)]
        if sizes[axis] == 1:
            sizes[axis] = rng.choice([2**31, 2**33, 2**45]) if tensor.ndim > 3 else 2**45
        return first.expand(sizes)
    if kind == 6:
        return tensor.clone().to_sparse()
    if kind == 7:
        return tensor.to("meta")
    if kind == 8 and tensor.dtype.is_floating_point and tensor.numel():
        spoilt = tensor.clone()
        spoilt[tuple(rng.randrange(size) for size in tensor.shape)] = rng.choice(
            [float("nan"), float("inf"), 1e38, -1e38]
        )
        return spoilt
    if kind == 9 and tensor.dtype.is_floating_point:
        return tensor.clone().requires_grad_()
    if kind == 10 and tensor.ndim:
        return tensor.flip(axis)[..., :: rng.choice([1, 2, 3])]
    if kind == 11:
        return tensor.detach().numpy() if tensor.dtype != torch.bfloat16 else tensor.tolist()
    return rng.choice(NOTHING_GOOD)


def draw_call(rng: random.Random) -> Call:
    """Draw an op and its arguments; about two in three calls have spoilt ones."""
    call = rng.choice(CALLS)(rng)
    names = list(call.arguments)
    for _ in range(rng.choice([0, 1, 1, 1, 2])):
        name = rng.choice(names)
        value = call.arguments[name]
        if isinstance(value, torch.Tensor):
            call.arguments[name] = _spoil_tensor(rng, value)
        elif isinstance(value, list) and value and rng.random() < 0.5:
            spoilt = list(value)
            spoilt[rng.randrange(len(value))] = rng.choice(NOTHING_GOOD)
            call.arguments[name] = spoilt
        else:
            call.arguments[name] = rng.choice(NOTHING_GOOD)
    return call
