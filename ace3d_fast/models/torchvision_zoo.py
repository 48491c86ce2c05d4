"""The video networks of torchvision, where it is installed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial

from torch import nn

from ace3d_fast.errors import InputError, expected
from ace3d_fast.models.grids import Layout, set_layouts
from ace3d_fast.models.registry import KINETICS, ModelEntry
from ace3d_fast.types import ClipSampling, Normalization

RESNET = Normalization((0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989))
IMAGENET = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CHANNELS_LAST = {"patch_embed": Layout(channels_last=True), "features.*": Layout(channels_last=True)}


def build_torchvision_network(name: str) -> nn.Module:
    """Build ``torchvision.models.video.<name>`` without weights.

    Raises
    ------
    InputError
        Where torchvision is not installed, or not for this torch.
    """
    try:
        video = importlib.import_module("torchvision.models.video")
    except (ImportError, RuntimeError) as error:  # of another torch it fails to register its ops
        todo = "install the torchvision of your torch"
        raise InputError(
            expected("load_module", "torchvision", "to be installed", f"{error}", todo)
        ) from error
    factory: Callable[..., nn.Module] = getattr(video, name)
    module = factory(weights=None)
    if name.startswith("swin3d"):
        set_layouts(module, CHANNELS_LAST)
    return module


def _entry(
    name: str, sampling: tuple[int, float, int, int], normalization: Normalization, layers: tuple[str, ...]
) -> ModelEntry:
    build = partial(build_torchvision_network, name)
    return ModelEntry(f"torchvision:{name}", ClipSampling(*sampling), normalization, layers, build=build)


SMALL = (16, 15.0, 128, 112)
LARGE = (16, 7.5, 256, 224)

# (frames, frames per second, short side, crop) as in the notes to torchvision's weights
TORCHVISION: tuple[ModelEntry, ...] = (
    *(_entry(name, SMALL, RESNET, ("layer3", "layer4")) for name in ("r3d_18", "mc3_18", "r2plus1d_18")),
    _entry("s3d", (128, 15.0, 256, 224), RESNET, ("features.12", "features.15")),
    *(
        _entry(name, (32, 15.0, 256, 224), IMAGENET, ("features.4", "features.6"))
        for name in ("swin3d_t", "swin3d_s", "swin3d_b")
    ),
    *(_entry(name, LARGE, KINETICS, ("blocks.13", "blocks.2")) for name in ("mvit_v1_b", "mvit_v2_s")),
)
