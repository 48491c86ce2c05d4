"""Weights of X3D with its batch norms folded away, translated to pytorchvideo's names.

The folded network adds a bias where the original normalises. Here each batch norm becomes the identity plus
that bias: mean 0, variance ``1 - eps``, scale 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

EPS = 1e-5  # of pytorchvideo's batch norms
BLOCK = re.compile(r"stages\.s(\d)\.(\d+)\.(\w+)\.(weight|bias)")
INNER = {"a": "branch2.conv_a", "b": "branch2.conv_b", "c": "branch2.conv_c", "short": "branch1_conv"}
NORMS = {"a": "branch2.norm_a", "b": "branch2.norm_b.0", "c": "branch2.norm_c", "short": "branch1_norm"}
SQUEEZE = {"se1": "branch2.norm_b.1.block.0", "se2": "branch2.norm_b.1.block.2"}
OUTER = {
    "stem_xy": ("blocks.0.conv.conv_t", None),
    "stem_t": ("blocks.0.conv.conv_xy", "blocks.0.norm"),
    "conv5": ("blocks.5.pool.pre_conv", "blocks.5.pool.pre_norm"),
}


def convert_x3d_weights(folded: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename ``stem_* stages.s2..s5 conv5 lin5 proj`` to ``blocks.0 .. blocks.5``; all float32.

    Names that are not of this scheme are passed on as they are. Where a shortcut has no norm to hold its
    bias, the bias joins that of the branch it is added to.
    """
    state: dict[str, Tensor] = {}
    loose: list[tuple[str, Tensor]] = []
    for name, value in folded.items():
        tensor = value.to(torch.float32)
        part, _, kind = name.rpartition(".")
        block = BLOCK.fullmatch(name)
        if block:
            stage, index, inner, _ = block.groups()
            prefix = f"blocks.{int(stage) - 1}.res_blocks.{index}."
            if inner in SQUEEZE:
                state[f"{prefix}{SQUEEZE[inner]}.{kind}"] = tensor
            elif kind == "weight":
                state[f"{prefix}{INNER[inner]}.weight"] = tensor
            elif inner == "short" and _same_width(folded, part):
                loose.append((f"{prefix}{NORMS['c']}.bias", tensor))
            else:
                _add_norm(state, prefix + NORMS[inner], tensor)
        elif part in OUTER:
            conv, norm = OUTER[part]
            if kind == "weight":
                state[f"{conv}.weight"] = tensor
            elif norm is not None:
                _add_norm(state, norm, tensor)
        elif part == "lin5":
            state["blocks.5.pool.post_conv.weight"] = tensor[:, :, None, None, None]
        elif part == "proj":
            state[f"blocks.5.proj.{kind}"] = tensor
        else:
            state[name] = value
    for name, bias in loose:
        state[name] = state[name] + bias
    return state


def _same_width(folded: Mapping[str, Tensor], part: str) -> bool:
    """Whether a shortcut keeps the number of channels (pytorchvideo then gives it no norm)."""
    weight = folded[f"{part}.weight"]
    return weight.shape[0] == weight.shape[1]


def _add_norm(state: dict[str, Tensor], norm: str, bias: Tensor) -> None:
    state[f"{norm}.weight"] = torch.ones_like(bias)
    state[f"{norm}.bias"] = bias
    state[f"{norm}.running_mean"] = torch.zeros_like(bias)
    state[f"{norm}.running_var"] = torch.full_like(bias, 1.0 - EPS)
    state[f"{norm}.num_batches_tracked"] = torch.tensor(0)
