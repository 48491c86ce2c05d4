"""Video transformers of the library transformers: one clip in, logits out, tokens as grids."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from ace3d_fast.errors import InputError, expected
from ace3d_fast.models.grids import Layout, set_layouts
from ace3d_fast.models.registry import KINETICS, ModelEntry
from ace3d_fast.types import ClipSampling, Normalization

IMAGENET = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = Normalization((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
FAMILIES = {  # family → (configuration, network with a head)
    "videomae": ("VideoMAEConfig", "VideoMAEForVideoClassification"),
    "timesformer": ("TimesformerConfig", "TimesformerForVideoClassification"),
    "vivit": ("VivitConfig", "VivitForVideoClassification"),
}
CLASS_TOKEN_ALONE = ("timesformer", "vivit")  # all that their heads read: of the last block, no cell counts


def build_transformer(family: str, **options: Any) -> nn.Module:
    """Build a video transformer without weights; names of its parts and weights are those of transformers.

    Parameters
    ----------
    family : {"videomae", "timesformer", "vivit"}
    **options
        Of its configuration; by default that of the base network, with 400 classes.

    Returns
    -------
    torch.nn.Module
        Takes (N, 3, T, H, W), returns logits (N, K).

    Raises
    ------
    InputError
        Where transformers is not installed.
    """
    config_name, network_name = FAMILIES[family]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            library = importlib.import_module("transformers")
            config = getattr(library, config_name)(**{"num_labels": 400, **options})
            return adapt_transformer(getattr(library, network_name)(config))
    except ImportError as error:
        todo = "pip install 'ace3d_fast[transformers]'"
        raise InputError(
            expected("load_module", "transformers", "to be installed", f"{error}", todo)
        ) from error


def adapt_transformer(module: nn.Module) -> nn.Module:
    """Let a video network of transformers take (N, 3, T, H, W), return logits, and name its tokens' grid.

    A network of another library, or one that is adapted already, is returned as it is.
    """
    family = getattr(getattr(module, "config", None), "model_type", None)
    if family not in FAMILIES or not type(module).__module__.startswith("transformers.") or _adapted(module):
        return module
    module.register_forward_pre_hook(_frames_first)
    module.register_forward_hook(_logits_only)
    size = _token_grid(module.config)
    layout = Layout(tokens=size, order="hwt") if family == "timesformer" else Layout(tokens=size)
    blocks = [name for name, part in module.named_modules() if type(part).__name__.endswith("Layer")]
    if family in CLASS_TOKEN_ALONE:
        blocks.pop()
    set_layouts(module, dict.fromkeys(blocks, layout))
    return module


def _adapted(module: nn.Module) -> bool:
    return hasattr(module, "layouts")


def _frames_first(_module: nn.Module, args: tuple[Any, ...]) -> Any:
    """(N, 3, T, H, W) → (N, T, 3, H, W)."""
    return (args[0].transpose(1, 2), *args[1:]) if args else None


def _logits_only(_module: nn.Module, _args: Any, output: Any) -> Tensor:
    logits: Tensor = output if isinstance(output, Tensor) else output.logits
    return logits


def _token_grid(config: Any) -> tuple[int, int, int]:
    """(T', H', W') of the tokens of a configuration."""
    image = _triple(config.image_size)
    patch = _triple(getattr(config, "patch_size", None) or config.tubelet_size)
    tubelet = getattr(config, "tubelet_size", 1)
    frames = tubelet if isinstance(tubelet, int) else tubelet[0]
    return config.num_frames // frames, image[1] // patch[1], image[2] // patch[2]


def _triple(size: int | Sequence[int]) -> tuple[int, int, int]:
    """Of one side, a side for each axis; of (H, W), that with a time that does not count."""
    sides = [size] * 3 if isinstance(size, int) else [1, 1, *size][-3:]
    return sides[0], sides[1], sides[2]


def _entry(
    name: str, sampling: tuple[int, float, int, int], normalization: Normalization, layers: tuple[int, ...]
) -> ModelEntry:
    family = name.split("_")[0]
    build = partial(build_transformer, family)
    blocks = "layers" if family == "vivit" else "encoder.layer"
    names = tuple(f"{family}.{blocks}.{number}" for number in layers)
    return ModelEntry(f"transformers:{name}", ClipSampling(*sampling), normalization, names, build=build)


# (frames, frames per second, short side, crop); fps = 30 / the sampling rate of training on Kinetics.
TRANSFORMERS: tuple[ModelEntry, ...] = (
    _entry("videomae_base", (16, 7.5, 224, 224), IMAGENET, (8, 10)),
    _entry("timesformer_base", (8, 0.9375, 224, 224), KINETICS, (8, 10)),
    _entry("vivit_base_16x2", (32, 15.0, 256, 224), HALF, (8, 10)),
)
