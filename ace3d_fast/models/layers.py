"""The layers of a network that one can explain, and what each of their cells sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ace3d_fast.errors import InputError, expected
from ace3d_fast.models.graph import Graph
from ace3d_fast.models.grids import to_grid


@dataclass(frozen=True, slots=True)
class LayerInfo:
    """A layer whose output is a grid.

    Attributes
    ----------
    name : str
    shape : (int, int, int, int)
        Channels and cells: (C, T', H', W').
    field_frames, field_px : int or None
        Receptive field of a cell along time and along the larger side, in the input's frames and pixels;
        paths through global pools beside the main path are left out. None: the whole clip.
    clip_frames : int
        Frames of the clip.
    is_bottleneck : bool
        Whether all that the logits know of the clip passes through this layer.
    nonlinear_above : bool
        Whether anything non-linear follows; under a linear rest, gradients are the same for every clip.
    is_block : bool
        Whether it has parts of its own.
    also : tuple of str
        Other names of the same output.
    """

    name: str
    shape: tuple[int, int, int, int]
    field_frames: int | None
    field_px: int | None
    clip_frames: int
    is_bottleneck: bool
    nonlinear_above: bool
    is_block: bool
    also: tuple[str, ...] = ()

    @property
    def explainable(self) -> bool:
        """Whether its cells tell places apart: at least 3 by 3 of them."""
        return min(self.shape[2:]) >= 3

    @property
    def note(self) -> str:
        """What to know before explaining this layer; empty where there is nothing."""
        notes = []
        if not self.explainable:
            notes.append("too few cells to tell places apart")
        if not self.is_bottleneck:
            notes.append("other paths pass it by")
        if not self.nonlinear_above:
            notes.append("linear above: the same gradient for every clip")
        if self.field_frames is not None and self.field_frames < self.clip_frames:
            notes.append(f"sees {self.field_frames} of {self.clip_frames} frames: longer motions escape it")
        return "; ".join(notes)


def list_layers(
    module: nn.Module, input_shape: tuple[int, int], *, everything: bool = False
) -> list[LayerInfo]:
    """List the layers whose output is a grid (N, C, T', H', W'), in the order they run.

    Parameters
    ----------
    module : torch.nn.Module
        Maps (N, 3, T, H, W) to logits. It is traced without arithmetic where it runs on the ``meta`` device.
    input_shape : (int, int)
        Frames T and side in pixels.
    everything : bool
        List also what other paths pass by, such as the parts inside residual blocks. Blocks of that kind are
        listed anyway where a network has several pathways.

    Returns
    -------
    list of LayerInfo
        One for each output, under its shortest name.

    Raises
    ------
    InputError
        Where the network does not take such a clip.
    """
    num_frames, side = input_shape
    training = module.training
    module.eval()
    try:
        runs, graph = _trace(module, num_frames, side)
    finally:
        module.train(training)
    names: dict[Any, list[str]] = {}
    for name, (node, _) in runs.items():
        if graph.reaches_output(node):
            names.setdefault(node, []).append(name)
    layers = []
    for node, same in names.items():
        same.sort(key=lambda name: (name.count("."), len(name)))
        is_block = any(True for name in same for _ in module.get_submodule(name).children())
        field, (_, shape) = graph.field(node), runs[same[0]]
        layers.append(
            LayerInfo(
                same[0],
                shape,
                None if field is None else field.size[0],
                None if field is None else max(field.size[1:]),
                num_frames,
                graph.is_bottleneck(node),
                graph.nonlinear_above(node),
                is_block,
                tuple(same[1:]),
            )
        )
    several_paths = sum(layer.is_bottleneck and layer.explainable for layer in layers) < 3
    return [
        layer
        for layer in layers
        if everything or layer.is_bottleneck or (several_paths and layer.is_block and layer.explainable)
    ]


def default_layer(layers: Sequence[LayerInfo]) -> LayerInfo | None:
    """The deepest bottleneck that tells places apart and has something non-linear above it; blocks first."""
    fit = [layer for layer in layers if layer.explainable and layer.is_bottleneck and layer.nonlinear_above]
    fit = [layer for layer in fit if layer.is_block] or fit
    return fit[-1] if fit else None


Shape = tuple[int, int, int, int]
CHANNELS_LAST = (nn.Linear, nn.LayerNorm)  # they work on the last axis, so it is no grid they put out


def _trace(module: nn.Module, num_frames: int, side: int) -> tuple[dict[str, tuple[Any, Shape]], Graph]:
    """(Node and grid shape of each part that ran once, in order; graph)."""
    shape = (1, 3, num_frames, side, side)
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    meta = {name: value.to("meta") for name, value in state.items()}
    try:
        return _run(module, meta, torch.zeros(shape, device="meta"))
    except InputError:
        raise
    except Exception:  # reads values, or has a part without meta kernels: run it in earnest
        pass
    try:
        return _run(module, state, torch.zeros(shape, device=next(iter(state.values())).device))
    except InputError:
        raise
    except Exception as error:  # the network's own code
        reason = (str(error).strip().splitlines() or [""])[0]
        requirement = f"to take a clip of {num_frames} frames of {side} px"
        fact = f"{type(error).__name__}: {reason}"
        raise InputError(expected("list_layers", "the network", requirement, fact)) from error


def _run(
    module: nn.Module, state: Mapping[str, Tensor], x: Tensor
) -> tuple[dict[str, tuple[Any, Shape]], Graph]:
    runs: dict[str, tuple[Any, Shape]] = {}
    count: dict[str, int] = {}

    def watch(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            count[name] = count.get(name, 0) + 1
            grid = to_grid(output)
            if grid is not None:
                tensor = output if isinstance(output, Tensor) else output[0]
                _, c, t, h, w = grid.values.shape
                runs[name] = (tensor.grad_fn, (c, t, h, w))

        return hook

    handles = [
        part.register_forward_hook(watch(name))
        for name, part in module.named_modules()
        if name and not isinstance(part, CHANNELS_LAST)
    ]
    try:
        with torch.enable_grad():
            x = x.requires_grad_()
            logits = functional_call(module, dict(state), (x,))
    finally:
        for handle in handles:
            handle.remove()
    if not isinstance(logits, Tensor) or logits.grad_fn is None:
        fact = f"a {type(logits).__name__} without gradient"
        raise InputError(expected("list_layers", "the output", "to be differentiable logits", fact))
    inputs = x.view_as(x).grad_fn.next_functions[0][0]  # type: ignore[union-attr]  # x is a leaf
    return {name: run for name, run in runs.items() if count[name] == 1}, Graph(inputs, logits.grad_fn)
