"""A network cut at a layer: ``f = h(g(x))``, with the layer's output ``g(x)`` as a grid of features.

Results do not depend on the order of clips; torch does not promise the same last bits for different batch
sizes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from ace3d_fast.errors import Ace3dError, InputError, expected
from ace3d_fast.models.batches import Batches, enough_memory
from ace3d_fast.models.fuse import FastForward
from ace3d_fast.models.given import LOGITS, MAKE_LOGITS, KeepGradients, bare, find_device, not_taken
from ace3d_fast.models.grids import GRID, Grid, Pathway, find_layout, to_grid, works_on_last_axis
from ace3d_fast.models.names import nearest, plain
from ace3d_fast.models.targets import OutputTarget, TargetFunction, as_target
from ace3d_fast.ops.region_patches import pixel_scale
from ace3d_fast.types import Normalization, Precision

Edit = Callable[[Tensor], Tensor]
Target = Literal["logit", "margin"]


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a network says of N clips.

    Attributes
    ----------
    logits : (N, K) float32
    activation : (N, C, T', H', W') float32
        Output of the layer.
    gradient : (N, C, T', H', W') float32, or None
        Derivative of one class's logit with respect to ``activation``.
    pathways : tuple of Pathway
        Whose channels they are; pool them over regions by `ace3d_fast.models.pathways.pool_pathways`.
    """

    logits: Tensor
    activation: Tensor
    gradient: Tensor | None = None
    pathways: tuple[Pathway, ...] = ()


class Network:
    """A network in evaluation mode, cut at one of its layers.

    Parameters
    ----------
    module : torch.nn.Module
        Maps (N, 3, T, H, W) float32 to logits (N, K). Put into evaluation mode and moved to ``device``; taken
        out of ``DataParallel`` and ``torch.compile``.
    layer : str
        Name of a submodule that runs once in a forward and puts out a grid (see `ace3d_fast.models.grids`).
    normalization : Normalization
    class_names : sequence of str
        In the order of the logits.
    device : str
    precision : {"float32", "bfloat16"}
        With ``bfloat16`` what torch's autocast lists (convolutions, matrix products) runs in it; weights,
        normalisation and results stay float32.
    input_shape : (int, int), optional
        Frames and side in pixels of a clip. If given, layer and class names are checked by one forward.
    target : OutputTarget or callable, optional
        Maps what ``module`` puts out, of any kind, to one number per clip, (N,). The logits are then that
        number and 0, so there are two class names; margin and gradient are those of the number.

    Raises
    ------
    InputError
        Where the layer is unknown, makes no grid, or the number of names differs from that of the logits.
    """

    def __init__(
        self,
        module: nn.Module,
        layer: str,
        normalization: Normalization,
        class_names: Sequence[str],
        *,
        device: str = "cpu",
        precision: Precision = "float32",
        input_shape: tuple[int, int] | None = None,
        target: OutputTarget | TargetFunction | None = None,
    ) -> None:
        if precision not in get_args(Precision):
            raise InputError(
                expected("Network", "precision", f"one of {', '.join(get_args(Precision))}", repr(precision))
            )
        self.device = find_device(device)
        self.precision = precision
        self.batches = Batches()
        module = bare(module)
        with enough_memory("for the network"):
            self.module = module.eval().to(self.device)
        self.layer = layer
        self.target = target if target is None or isinstance(target, OutputTarget) else as_target(target)
        self.class_names = list(class_names)
        self._part = _submodule(module, layer)
        self._layout = find_layout(module, layer)
        self._fast = FastForward(module, enabled=precision == "float32")
        self.normalization = normalization
        terms = pixel_scale(normalization.mean, normalization.std)
        self._scale, self._shift = (torch.tensor(t, device=self.device).view(3, 1, 1, 1) for t in terms)
        if input_shape is not None:
            num_frames, side = input_shape
            self._check_shapes(torch.zeros(1, 3, num_frames, side, side, device=self.device))

    def twin(self) -> Network:
        """A network with a state of its own, for another thread; it shares the weights of this one.

        Raises
        ------
        Exception
            Of any kind, where the module cannot be copied.
        """
        other = copy.copy(self)
        weights = {id(weight): weight for weight in self.module.parameters()}
        other.module = copy.deepcopy(self.module, weights)
        other.batches = Batches()
        other._part = _submodule(other.module, self.layer)
        other._fast = self._fast.twin(other.module)
        return other

    @property
    def num_classes(self) -> int:
        """Number of logits."""
        return len(self.class_names)

    def class_index(self, name: str) -> int:
        """Position of the class ``name`` among the logits; case, ``_`` and ``-`` make no difference.

        Raises
        ------
        InputError
            Where there is no such class, with the names nearest to it.
        """
        names = [plain(candidate) for candidate in self.class_names]
        if plain(name) in names:
            return names.index(plain(name))
        todo = nearest(name, self.class_names)
        raise InputError(expected("Network", "class", f"to be one of {len(names)}", repr(name), todo))

    def has_class(self, name: str) -> bool:
        """Whether `class_index` knows the class ``name``."""
        return plain(name) in {plain(candidate) for candidate in self.class_names}

    def prepare(self, frames: Tensor) -> Tensor:
        """Scale pixels for the network: (N, T, H, W, 3) uint8 → (N, 3, T, H, W) float32 on its device."""
        x = frames.to(self.device).permute(0, 4, 1, 2, 3)
        x = x.to(torch.float32, memory_format=torch.channels_last_3d)
        return x.mul_(self._scale).sub_(self._shift)

    def forward(self, x: Tensor) -> Outputs:
        """Logits and activation of clips ``x``, (N, 3, T, H, W) float32 as `prepare` makes them.

        Raises
        ------
        InputError
            Where the activation or the logits are not finite.
        """
        self._fast.trace_once(self._run_once, x)
        with torch.no_grad(), self._watch() as seen:
            logits = self._logits(x)
        return _finite(Outputs(logits, _wide(seen.one().detach()), None, seen.pathways), self.layer)

    def edited(self, x: Tensor, edit: Edit) -> Tensor:
        """Logits (N, K) of clips ``x`` where the network goes on with ``edit(activation)``, of its shape."""
        self._fast.trace_once(self._run_once, x)
        with torch.no_grad(), self._watch(edit=edit) as seen:
            logits = self._logits(x)
        return _finite(Outputs(logits, seen.one()), self.layer).logits

    def gradients(
        self, x: Tensor, class_index: int, *, target: Target = "logit", edit: Edit | None = None
    ) -> Outputs:
        """As `forward`, with a gradient; only the part above the layer is gone back.

        Parameters
        ----------
        x : (N, 3, T, H, W) float32
        class_index : int
        target : {"logit", "margin"}
            Of what: the class's logit, or it minus the largest other one.
        edit : callable, optional
            The activation and the gradient are those at ``edit(activation)``.

        Raises
        ------
        InputError
            As `forward`; or where the logit does not depend on the layer.
        """
        self._fast.trace_once(self._run_once, x)
        with torch.no_grad(), self._watch(differentiate=True, edit=edit) as seen:
            logits = self._logits(x)
            leaf = seen.one()
            with torch.enable_grad():
                total = logits[:, class_index].sum()
                if target == "margin":
                    others = torch.arange(logits.shape[1], device=logits.device) != class_index
                    total = total - logits[:, others].amax(1).sum()
            gradient = None
            if total.requires_grad:
                gradient = torch.autograd.grad(total, leaf, allow_unused=True)[0]
        if gradient is None:
            todo = "nothing between them may be detached, nor run under torch.inference_mode()"
            raise InputError(
                expected("Network", f"layer {self.layer!r}", "to reach the logits", "one that does not", todo)
            )
        outputs = Outputs(logits.detach(), _wide(leaf.detach()), _wide(gradient), seen.pathways)
        return _finite(outputs, self.layer)

    @contextmanager
    def _watch(self, *, differentiate: bool = False, edit: Edit | None = None) -> Iterator[_Seen]:
        """Collect what the layer puts out, edited; to ``differentiate``, the rest starts from a leaf.

        The forward, which begins without gradients, has them above the layer, whatever the network says.
        """
        seen = _Seen(self.layer)
        keep = KeepGradients(on=False)

        def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
            grid = self._grid(output)
            seen.pathways = grid.pathways
            values = _copy(grid.values if edit is None else edit(grid.values.detach()))
            if not differentiate:
                seen.grids.append(values)
                return None if edit is None else grid.restore(values.clone())
            leaf = values.detach().requires_grad_()
            seen.grids.append(leaf)
            torch.set_grad_enabled(True)
            keep.on = True
            return grid.restore(leaf.clone())

        handle = self._part.register_forward_hook(hook)
        try:
            with keep if differentiate else nullcontext():
                yield seen
        finally:
            handle.remove()

    def _grid(self, output: Any) -> Grid:
        part, layout = self._part, self._layout
        grid = None if works_on_last_axis(part, layout) else to_grid(output, layout)
        if grid is None:
            is_tensor = isinstance(output, Tensor)
            fact = f"shape {tuple(output.shape)}" if is_tensor else f"a {type(output).__name__}"
            fact += f" of a {type(part).__name__}"
            if layout.tokens is not None:
                fact += f", not tokens of a grid {layout.tokens}"
            todo = "the command `ace3d-fast layers` lists those that do"
            raise InputError(expected("Network", f"layer {self.layer!r}", f"to put out {GRID}", fact, todo))
        return grid

    def _logits(self, x: Tensor) -> Tensor:
        half = self.precision == "bfloat16"
        with self._fast.running(), torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            logits = self.module(x)
            if self.target is not None:
                logits = self.target.scores(logits, len(x))
            logits = _wide(logits) if isinstance(logits, Tensor) else logits
        if not isinstance(logits, Tensor):
            fact = f"a {type(logits).__name__}"
            raise InputError(expected("Network", "the output", LOGITS, fact, MAKE_LOGITS))
        if logits.dim() > 2 and logits[0].numel() == logits.shape[1]:
            logits = logits.flatten(1)
        if logits.dim() != 2 or len(logits) != len(x):
            fact = f"shape {tuple(logits.shape)} for {len(x)} clips"
            raise InputError(expected("Network", "the output", LOGITS, fact, MAKE_LOGITS))
        return logits

    def _run_once(self, x: Tensor) -> Tensor:
        with torch.no_grad(), self._watch() as seen:
            logits = self._logits(x)
            seen.one()
        return logits

    def _check_shapes(self, x: Tensor) -> None:
        try:
            with enough_memory("for one clip"):
                logits = self._fast.trace(self._run_once, x)
                if logits is None:
                    logits = self._run_once(x)
        except Ace3dError:
            raise
        except Exception as error:  # the network's own code
            raise not_taken("Network", self.module, x, error) from error
        if logits.shape[1] != self.num_classes:
            todo = "name them in a labels file, one a line in the order of the outputs"
            fact = f"{self.num_classes} names"
            raise InputError(expected("Network", "class names", f"for {logits.shape[1]} outputs", fact, todo))
        if self.num_classes < 2:
            todo = "give a target that makes a number of it, which counts as recognised where it is positive"
            raise InputError(expected("Network", "the output", "to be at least 2 logits", "1", todo))


class _Seen:
    """The grids that a layer put out during one forward."""

    def __init__(self, layer: str) -> None:
        self.layer = layer
        self.grids: list[Tensor] = []
        self.pathways: tuple[Pathway, ...] = ()

    def one(self) -> Tensor:
        if len(self.grids) != 1:
            fact, todo = f"{len(self.grids)} times", "choose another layer"
            raise InputError(
                expected("Network", f"layer {self.layer!r}", "to run once in a forward", fact, todo)
            )
        return self.grids[0]


def _wide(values: Tensor) -> Tensor:
    """What autocast made half as wide, as float32."""
    return values.float() if values.dtype == torch.bfloat16 else values


def _copy(values: Tensor) -> Tensor:
    """A contiguous copy: a later layer may work in place on ``values``."""
    return values.clone(memory_format=torch.contiguous_format)


def _submodule(module: nn.Module, layer: str) -> nn.Module:
    parts: dict[str, nn.Module] = dict(module.named_modules())
    parts.pop("", None)
    if layer not in parts:
        todo = nearest(layer, parts)
        raise InputError(expected("Network", "layer", "to be a part of the network", repr(layer), todo))
    return parts[layer]


def _finite(outputs: Outputs, layer: str) -> Outputs:
    for name, values in (("the activation", outputs.activation), ("the logits", outputs.logits)):
        if not bool(torch.isfinite(values).all()):
            fact = f"{int((~torch.isfinite(values)).sum())} NaN or infinite values of {values.numel()}"
            raise InputError(
                expected("Network", f"{name} (layer {layer!r})", "to be finite", fact, "check the weights")
            )
    return outputs
