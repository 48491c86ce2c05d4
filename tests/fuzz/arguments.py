"""Arguments of the public ops, drawn at random: good ones, then one or two of them spoilt."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import region_arguments as regions
import torch
import volume_arguments as volumes
from calls import Call

CALLS = (*volumes.CALLS, *regions.CALLS)

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
