"""A small network of each family, with random weights, and the clip it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ace3d_fast.models.pytorchvideo_zoo import build_pytorchvideo_network
from ace3d_fast.models.transformers_zoo import build_transformer

NUM_CLASSES = 6


@dataclass(frozen=True)
class Small:
    """``layer`` has the grid ``shape``; ``no_grid`` is a layer that has none."""

    build: Callable[[], nn.Module]
    layer: str
    shape: tuple[int, int, int, int]
    no_grid: str
    num_frames: int = 8  # of 64 px

    def make(self) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module = self.build().eval()
            for part in module.modules():  # logits that differ, whatever the depth
                if isinstance(part, nn.Linear):
                    nn.init.normal_(part.weight, std=0.2)
        return module


def _zoo(name: str, **options: Any) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        module = build_pytorchvideo_network(name, **options)
        head = module.blocks[-1]
        if name.startswith("slowfast"):
            module.blocks[-2].pool = nn.ModuleList(nn.AdaptiveAvgPool3d(1) for _ in range(2))
        elif name.startswith("x3d"):
            head.pool.pool = nn.AdaptiveAvgPool3d(1)
        elif not name.startswith("mvit"):
            head.pool = nn.AdaptiveAvgPool3d(1)
        return module

    return build


def _transformer(family: str, **options: Any) -> Callable[[], nn.Module]:
    small = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 48}
    size = {"image_size": 64, "num_frames": 8, "num_labels": NUM_CLASSES}
    return lambda: build_transformer(family, **small, **size, **options)


_SMALL = {"model_num_class": NUM_CLASSES, "stem_dim_out": 8}
_MVIT = {
    "spatial_size": 64, "temporal_size": 8, "depth": 4, "patch_embed_dim": 16,
    "head_num_classes": NUM_CLASSES, "embed_dim_mul": [[1, 2.0], [3, 2.0]],
    "atten_head_mul": [[1, 2.0], [3, 2.0]],
    "pool_q_stride_size": [[1, 1, 2, 2], [3, 1, 2, 2]], "pool_kv_stride_adaptive": [1, 2, 2],
}  # fmt: skip

FAMILIES = {
    "slow": Small(_zoo("slow_r50", **_SMALL), "blocks.3", (128, 8, 4, 4), "blocks.5.proj"),
    "c2d": Small(_zoo("c2d_r50", **_SMALL), "blocks.4", (128, 4, 4, 4), "blocks.6.proj"),
    "i3d": Small(_zoo("i3d_r50", **_SMALL), "blocks.4", (128, 4, 4, 4), "blocks.6.proj"),
    "csn": Small(_zoo("csn_r101", **_SMALL), "blocks.3", (128, 2, 4, 4), "blocks.5.proj"),
    "r2plus1d": Small(
        _zoo("r2plus1d_r50", **_SMALL, head_activation=None), "blocks.3", (128, 4, 4, 4),
        "blocks.5.proj",
    ),
    "x3d": Small(
        _zoo("x3d_xs", model_num_class=NUM_CLASSES, head_activation=None), "blocks.3", (96, 4, 4, 4),
        "blocks.5.proj", num_frames=4,
    ),
    "slowfast": Small(
        _zoo("slowfast_r50", model_num_class=NUM_CLASSES, stem_dim_outs=(16, 2)), "blocks.3", (352, 8, 4, 4),
        "blocks.6.proj",
    ),
    "mvit": Small(_zoo("mvit_base_16x4", **_MVIT), "blocks.2", (64, 4, 8, 8), "norm_embed"),
    "videomae": Small(_transformer("videomae"), "videomae.encoder.layer.1", (24, 4, 4, 4), "classifier"),
    "timesformer": Small(
        _transformer("timesformer"), "timesformer.encoder.layer.1", (24, 8, 4, 4), "classifier"
    ),
    "vivit": Small(_transformer("vivit"), "vivit.layers.1", (24, 4, 4, 4), "classifier"),
}  # fmt: skip
