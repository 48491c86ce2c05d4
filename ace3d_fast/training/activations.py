"""What a layer of a network under training puts out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ace3d_fast.errors import InputError, expected
from ace3d_fast.models.grids import Grid, to_grid
from ace3d_fast.models.names import nearest


def find_part(model: nn.Module, layer: str) -> nn.Module:
    """The submodule ``layer``."""
    parts: dict[str, nn.Module] = dict(model.named_modules())
    if not layer or layer not in parts:
        parts.pop("", None)
        todo = nearest(layer, parts)
        raise InputError(expected("training", "layer", "to be a part of the network", repr(layer), todo))
    return parts[layer]


def grid_of(output: Any, layer: str) -> Grid:
    """A layer's output as a grid."""
    grid = to_grid(output)
    if grid is None:
        fact = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else f"a {type(output).__name__}"
        raise InputError(expected("training", f"layer {layer!r}", "to put out a grid (N, C, T, H, W)", fact))
    return grid


def layer_features(
    model: nn.Module, layer: str, clips: Tensor, masks: Tensor | None = None, *, batch_size: int = 16
) -> Tensor:
    """Mean activation (N, C) float32 of clips (N, 3, T, H, W), over cells or under ``masks`` (N, T, H, W).

    The network runs in evaluation mode, without gradients, and gets its mode back.
    """
    seen: list[Tensor] = []
    handle = find_part(model, layer).register_forward_hook(
        lambda _module, _inputs, output: seen.append(grid_of(output, layer).values)
    )
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    modes = {part: part.training for part in model.modules()}
    found = []
    try:
        model.eval()
        with torch.no_grad():
            for start in range(0, len(clips), batch_size):
                seen.clear()
                model(clips[start : start + batch_size].to(device))
                grid = seen[0].float()
                if masks is None:
                    found.append(grid.mean((2, 3, 4)).cpu())
                    continue
                weights = masks[start : start + batch_size, None].to(device, torch.float32)
                weights = F.adaptive_avg_pool3d(weights, (grid.shape[2], grid.shape[3], grid.shape[4]))
                total = weights.sum((2, 3, 4)).clamp_min(1e-12)
                found.append(((grid * weights).sum((2, 3, 4)) / total).cpu())
    finally:
        handle.remove()
        for part, mode in modes.items():
            part.training = mode
    return torch.cat(found)
