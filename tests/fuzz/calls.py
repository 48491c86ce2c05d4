"""A call of an op, and tensors drawn at random."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

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


def draw_side(rng: random.Random, most: int) -> int:
    return rng.choice([1, 1, 2, 3, 5, 7, 8, rng.randint(1, most)])


def draw_volume(rng: random.Random, most: int = 24) -> tuple[int, int, int]:
    return draw_side(rng, 8), draw_side(rng, most), draw_side(rng, most)


def draw_floats(rng: random.Random, shape: tuple[int, ...], dtypes: list[torch.dtype]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(rng.randrange(2**31))
    scale = rng.choice([0.0, 1e-30, 1.0, 100.0, 1e15])
    return (torch.randn(shape, generator=generator) * scale).to(rng.choice(dtypes))


def draw_bytes(rng: random.Random, shape: tuple[int, ...]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(rng.randrange(2**31))
    low, high = rng.choice([(0, 256), (7, 8), (0, 1), (255, 256), (100, 120)])
    return torch.randint(low, high, shape, generator=generator, dtype=torch.uint8)


def draw_labels(rng: random.Random, shape: tuple[int, ...], count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(rng.randrange(2**31))
    low, high = rng.choice([(0, max(1, count)), (-2, count + 3), (-(2**31), 2**31 - 1)])
    return torch.randint(low, high, shape, generator=generator, dtype=torch.int64).to(torch.int32)


def draw_counts(rng: random.Random) -> list[int]:
    return [rng.choice([1, 2, 15, 80, 500, 10**6, 10**30]) for _ in range(rng.randint(1, 3))]
