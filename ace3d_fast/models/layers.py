"""The layers of a network that one can explain, and what each of their cells sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ace3d_fast.errors import InputError, expected
from ace3d_fast.models.given import MAKE_LOGITS, KeepGradients, bare, not_taken
from ace3d_fast.models.graph import Field, Graph
from ace3d_fast.models.grids import find_layout, to_grid, works_on_last_axis

# What to know of a layer before explaining it.
NOTES = {
    "few cells": "too few of them to tell places apart",
    "bypassed": "other paths pass the layer by",
    "linear above": "the gradient is the same for every clip",
    "short": "a cell sees fewer frames than the clip has: longer motions escape it",
}


@dataclass(frozen=True, slots=True)
class LayerInfo:
    """A layer whose output is a grid.

    Attributes
    ----------
    name : str
    shape : (int, int, int, int)
        Channels and cells: (C, T', H', W'); of several pathways together.
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
    def notes(self) -> tuple[str, ...]:
        """Those of `NOTES` that hold for this layer."""
        holds = {
            "few cells": not self.explainable,
            "bypassed": not self.is_bottleneck,
            "linear above": not self.nonlinear_above,
            "short": self.field_frames is not None and self.field_frames < self.clip_frames,
        }
        return tuple(note for note in NOTES if holds[note])


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
    module = bare(module)
    training = module.training
    module.eval()
    try:
        runs, graph = _trace(module, num_frames, side)
    finally:
        module.train(training)
    names: dict[Nodes, list[str]] = {}
    for name, (nodes, _) in runs.items():
        if any(graph.reaches_output(node) for node in nodes):
            names.setdefault(nodes, []).append(name)
    layers = []
    for nodes, same in names.items():
        same.sort(key=lambda name: (name.count("."), len(name)))
        is_block = any(True for name in same for _ in module.get_submodule(name).children())
        fields, (_, shape) = [graph.field(node) for node in nodes], runs[same[0]]
        frames, px = _widest(fields)
        layers.append(
            LayerInfo(
                same[0],
                shape,
                frames,
                px,
                num_frames,
                graph.is_bottleneck(*nodes),
                graph.nonlinear_above(*nodes),
                is_block,
                tuple(same[1:]),
            )
        )
    num_bottlenecks = sum(layer.is_bottleneck and layer.explainable for layer in layers)
    several_paths = num_bottlenecks < 3 or any(len(nodes) > 1 for nodes in names)
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
Nodes = tuple[Any, ...]  # of the autograd graph, one for each pathway
Runs = dict[str, tuple[Nodes, Shape]]


def _widest(fields: Sequence[Field | None]) -> tuple[int | None, int | None]:
    """Frames and pixels that the widest of several receptive fields sees; None: all."""
    sizes = [field.size for field in fields if field is not None]
    if len(sizes) < len(fields):
        return None, None
    return max(size[0] for size in sizes), max(max(size[1:]) for size in sizes)


def _trace(module: nn.Module, num_frames: int, side: int) -> tuple[Runs, Graph]:
    """(Nodes and grid shape of each part that ran once, in order; graph)."""
    shape = (1, 3, num_frames, side, side)
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    meta = {name: value.to("meta") for name, value in state.items()}
    try:
        return _run(module, meta, torch.zeros(shape, device="meta"))
    except InputError:
        raise
    except Exception:  # reads values, or has a part without meta kernels: run it in earnest
        pass
    clip = torch.zeros(shape, device=next(iter(state.values())).device)
    try:
        return _run(module, state, clip)
    except InputError:
        raise
    except Exception as error:  # the network's own code
        raise not_taken("list_layers", module, clip, error) from error


def _run(module: nn.Module, state: Mapping[str, Tensor], x: Tensor) -> tuple[Runs, Graph]:
    runs: Runs = {}
    count: dict[str, int] = {}

    def watch(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            count[name] = count.get(name, 0) + 1
            grid = to_grid(output, find_layout(module, name))
            if grid is not None:
                tensors = (output,) if isinstance(output, Tensor) else output[: len(grid.pathways)]
                _, c, t, h, w = grid.values.shape
                runs[name] = (tuple(tensor.grad_fn for tensor in tensors), (c, t, h, w))

        return hook

    handles = [
        part.register_forward_hook(watch(name))
        for name, part in module.named_modules()
        if name and not works_on_last_axis(part, find_layout(module, name))
    ]
    try:
        with torch.enable_grad(), KeepGradients():
            x = x.requires_grad_()
            logits = functional_call(module, dict(state), (x,))
    finally:
        for handle in handles:
            handle.remove()
    if not isinstance(logits, Tensor) or logits.grad_fn is None:
        fact = f"a {type(logits).__name__} without gradient"
        raise InputError(
            expected("list_layers", "the output", "to be differentiable logits", fact, MAKE_LOGITS)
        )
    inputs = x.view_as(x).grad_fn.next_functions[0][0]  # type: ignore[union-attr]  # x is a leaf
    return {name: run for name, run in runs.items() if count[name] == 1}, Graph(inputs, logits.grad_fn)
