"""Small networks whose answers are known by hand."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ace3d_fast.models.network import Network
from ace3d_fast.types import Normalization

PLAIN = Normalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


class Square(nn.Module):
    """Activation = the clip itself (at layer ``grid``); logit k = (k + 1) * sum of squares / 2."""

    def __init__(self, num_classes: int = 2) -> None:
        super().__init__()
        self.grid = nn.Identity()
        self.unused = nn.Identity()
        self.flat = nn.Flatten()
        self.weights = torch.arange(1.0, num_classes + 1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.flat(self.grid(x))
        return (a * a).sum(1, keepdim=True) / 2 * self.weights


class Calls(nn.Module):
    """Runs ``body``, whatever is asked."""

    def __init__(self, body: Any, **parts: nn.Module) -> None:
        super().__init__()
        self.body = body
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Tensor) -> Any:
        return self.body(self, x)


def network(
    module: nn.Module, layer: str = "grid", names: tuple[str, ...] = ("a", "b"), **options: Any
) -> Network:
    return Network(module, layer, PLAIN, names, **options)
