"""The model zoo of pytorchvideo 0.1.5, imported without torchvision."""

from __future__ import annotations

import importlib
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn

from ace3d_fast.errors import InputError, expected
from ace3d_fast.models.grids import Layout, set_layouts
from ace3d_fast.models.registry import ModelEntry
from ace3d_fast.models.x3d import convert_x3d_weights
from ace3d_fast.types import ClipSampling

SLOW_STRIDE = 4  # SlowFast's slow pathway sees every fourth frame


def build_pytorchvideo_network(name: str, **options: Any) -> nn.Module:
    """Build ``pytorchvideo.models.hub.<name>`` without weights; its outputs are logits.

    Raises
    ------
    InputError
        Where pytorchvideo is not installed.
    """
    try:
        with _torchvision_stand_in(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            hub = importlib.import_module("pytorchvideo.models.hub")
    except ImportError as error:
        raise InputError(
            expected("load_module", "pytorchvideo", "to be installed", f"{error}", "pip install pytorchvideo")
        ) from error
    factory: Callable[..., nn.Module] = getattr(hub, name)
    module = factory(pretrained=False, **options)
    _take_torch_swish(module)
    if name.startswith("slowfast"):
        _make_two_pathways(module)
    return module


def _take_torch_swish(module: nn.Module) -> None:
    """Replace pytorchvideo's Swish, two passes over its input, by torch's, which is one."""
    swish = importlib.import_module("pytorchvideo.layers.swish").Swish
    for part in module.modules():
        for name, child in part.named_children():
            if isinstance(child, swish):
                part.add_module(name, nn.SiLU())


def _make_two_pathways(module: nn.Module) -> None:
    """Let SlowFast make its list [slow, fast] of one clip; tell which frames each layer's pathways see."""

    def split(_module: nn.Module, args: tuple[Any, ...]) -> Any:
        (x,) = args
        return ([x[:, :, ::SLOW_STRIDE], x],) if isinstance(x, Tensor) else args

    module.register_forward_pre_hook(split)
    layouts = {"blocks.*.multipathway_blocks.0*": Layout(frame_strides=(SLOW_STRIDE,))}
    layouts["blocks.*.multipathway_blocks.1*"] = Layout()
    layouts["blocks.*"] = Layout(frame_strides=(SLOW_STRIDE, 1))
    set_layouts(module, layouts)


@contextmanager
def _torchvision_stand_in() -> Iterator[None]:
    """Lend pytorchvideo the two names it imports from torchvision, where there is no torchvision.

    Neither is needed by a classifier: ``RoIAlign`` serves detection, ``make_dataset`` data loading.
    """
    if "pytorchvideo.models.hub" in sys.modules:
        yield
        return
    try:
        importlib.import_module("torchvision.ops")
        yield
        return
    except (ImportError, RuntimeError):
        pass
    contents: dict[str, dict[str, Any]] = {
        "torchvision": {},
        "torchvision.ops": {"RoIAlign": nn.Identity},
        "torchvision.datasets": {},
        "torchvision.datasets.folder": {"make_dataset": None},
    }
    before = {name: sys.modules.get(name) for name in contents}
    for name, members in contents.items():
        module = types.ModuleType(name)
        vars(module).update(members)
        sys.modules[name] = module
    try:
        yield
    finally:
        for name, module_before in before.items():
            if module_before is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module_before


def _entry(
    name: str,
    sampling: tuple[int, float, int, int],
    layers: tuple[str, ...],
    convert: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] | None = None,
    **options: Any,
) -> ModelEntry:
    build = partial(build_pytorchvideo_network, name, **options)
    return ModelEntry(
        f"pytorchvideo:{name}", ClipSampling(*sampling), layers=layers, build=build, convert=convert
    )


def _x3d(name: str, sampling: tuple[int, float, int, int]) -> ModelEntry:
    layers = ("blocks.4", "blocks.5.pool.pre_act")
    return _entry(name, sampling, layers, convert_x3d_weights, **LOGITS)


LOGITS = {"head_activation": None}  # some networks end in a softmax by default
RESNET = ("blocks.3", "blocks.4")  # above the second, the head is linear
POOLED_RESNET = ("blocks.4", "blocks.5")  # with a pool after the first stage
SLOWFAST = (
    *("blocks.3", "blocks.4"),  # both pathways
    *("blocks.3.multipathway_blocks.0", "blocks.3.multipathway_blocks.1"),
    *("blocks.4.multipathway_blocks.0", "blocks.4.multipathway_blocks.1"),
)

# (frames, frames per second, short side, crop); fps = 30 / the sampling rate of training
PYTORCHVIDEO: tuple[ModelEntry, ...] = (
    _entry("slow_r50", (8, 3.75, 256, 224), RESNET),
    _entry("c2d_r50", (8, 3.75, 256, 224), POOLED_RESNET),
    _entry("i3d_r50", (8, 3.75, 256, 224), POOLED_RESNET),
    _entry("csn_r101", (32, 15.0, 256, 224), RESNET),
    _entry("r2plus1d_r50", (16, 7.5, 256, 224), RESNET, **LOGITS),
    _x3d("x3d_xs", (4, 2.5, 182, 182)),
    _x3d("x3d_s", (13, 5.0, 182, 182)),
    _x3d("x3d_m", (16, 6.0, 256, 256)),
    _x3d("x3d_l", (16, 6.0, 356, 312)),
    _entry("slowfast_r50", (32, 15.0, 256, 224), SLOWFAST),
    _entry("slowfast_r101", (32, 15.0, 256, 224), SLOWFAST),
    _entry("slowfast_16x8_r101_50_50", (64, 15.0, 256, 224), SLOWFAST),
    _entry("mvit_base_16x4", (16, 7.5, 256, 224), ("blocks.13", "blocks.2")),
    _entry("mvit_base_32x3", (32, 10.0, 256, 224), ("blocks.13", "blocks.2")),
)
