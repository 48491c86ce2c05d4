"""Good arguments of the ops on labels and features: connectivity, pooling, patches, k-means."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from calls import Arguments, Call, draw_bytes, draw_floats, draw_labels, draw_volume

from ace3d_fast import ops


def _connectivity_arguments(rng: random.Random) -> Arguments:
    num_maps = rng.randint(1, 3)
    sizes = [0, 1, 2, 10, 100, 10**6, 2**31 - 1]
    return {
        "labels": draw_labels(
            rng, (rng.randint(0, 2), num_maps, *draw_volume(rng)), rng.choice([1, 2, 5, 100])
        ),
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
    arguments["colors"] = draw_bytes(rng, (n, *volume, rng.choice([0, 1, 3, 5])))
    del arguments["max_sizes"], arguments["repair"]

    def shapes(a: Arguments) -> list[tuple[int, ...]]:
        return [tuple(a["labels"].shape), tuple(a["labels"].shape[:2])]

    return Call(ops.connect_by_color, arguments, shapes)


def _kmeans_arguments(rng: random.Random) -> Arguments:
    channels = rng.choice([1, 2, 7, 64])
    starts = (rng.choice([0, 1, 3]), rng.choice([0, 1, 16, 90]), channels)
    return {
        "points": draw_floats(rng, (rng.choice([0, 1, 5, 300]), channels), [torch.float32]),
        "centers": draw_floats(rng, starts, [torch.float32]),
    }


def _shapes_of_labels(a: Arguments) -> list[tuple[int, ...]]:
    return [(a["centers"].shape[0], a["points"].shape[0])] * 2


def _nearest_centers(rng: random.Random) -> Call:
    return Call(ops.nearest_centers, _kmeans_arguments(rng), _shapes_of_labels)


def _kmeans_step(rng: random.Random) -> Call:
    def shapes(a: Arguments) -> list[tuple[int, ...]]:
        return [tuple(a["centers"].shape), *_shapes_of_labels(a)]

    return Call(ops.kmeans_step, _kmeans_arguments(rng), shapes)


def _kmeans(rng: random.Random) -> Call:
    arguments = _kmeans_arguments(rng)
    arguments["num_steps"] = rng.choice([1, 2, 9])
    arguments["tolerance"] = rng.choice([0.0, 1e-4, 10.0])

    def shapes(a: Arguments) -> list[tuple[int, ...]]:
        runs, clusters, channels = a["centers"].shape
        return [(runs, a["points"].shape[0]), (runs, clusters, channels), (runs,)]

    def call(**arguments: Any) -> list[torch.Tensor]:
        found = ops.kmeans(**arguments)
        return [found.labels, found.centers, found.inertia]

    call.__name__ = "kmeans"
    return Call(call, arguments, shapes)


def _region_overlap(rng: random.Random) -> Call:
    shape, counts = (rng.randint(0, 3), *draw_volume(rng)), [rng.choice([0, 1, 5, 90]) for _ in range(2)]
    arguments = {
        "a": draw_labels(rng, shape, counts[0]),
        "b": draw_labels(rng, shape, counts[1]),
        "num_a": counts[0],
        "num_b": counts[1],
    }
    return Call(ops.region_overlap, arguments, lambda a: [(a["a"].shape[0], a["num_a"], a["num_b"])])


def _pool_arguments(rng: random.Random) -> Arguments:
    num_clips, num_regions = rng.randint(0, 3), rng.choice([0, 1, 5, 90, 2000])
    dtypes = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
    features = draw_floats(rng, (num_clips, rng.choice([0, 1, 3, 16, 17, 40]), *draw_volume(rng, 12)), dtypes)
    if rng.random() < 0.3:
        features = features.to(memory_format=torch.channels_last_3d)
    maps = () if rng.random() < 0.5 else (rng.randint(1, 3),)
    labels = draw_labels(rng, (num_clips, *maps, *draw_volume(rng)), num_regions)
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


def _region_patches(rng: random.Random) -> Call:
    t, h, w = draw_volume(rng)
    boxes = []
    size = [rng.randint(1, t), rng.randint(1, 9), rng.randint(1, 40)]
    for _ in range(rng.randint(0, 4)):
        y, x = sorted(rng.sample(range(h + 1), 2)), sorted(rng.sample(range(w + 1), 2))
        boxes.append([rng.randint(0, t - size[0]), *y, *x])
    maps = () if rng.random() < 0.5 else (rng.randint(1, 3),)
    arguments = {
        "frames": draw_bytes(rng, (t, h, w, 3)),
        "labels": draw_labels(rng, (*maps, t, h, w), 5),
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
    _connect_by_color, _enforce_connectivity, _enforce_connectivity_, _kmeans, _kmeans_step, _nearest_centers,
    _region_overlap, _region_patches, _region_pool, _region_sums,
)  # fmt: skip
