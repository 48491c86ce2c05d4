"""A term of the loss that grows with what a network's logits make of a concept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ace3d_fast.errors import InputError, expected
from ace3d_fast.training.activations import find_part, grid_of
from ace3d_fast.types import Cav

Directions = Cav | Sequence[Cav] | Tensor | NDArray[np.float32]


class ConceptPenalty:
    """Squared change of logits along concepts, of the last forward; see `concept_penalty`.

    Attributes
    ----------
    directions : (K, C) float32
        Of each concept; may be set between batches.
    """

    def __init__(
        self, model: nn.Module, layer: str, directions: Directions, sign: int, class_index: int | None
    ) -> None:
        if sign not in (-1, 0, 1):
            raise InputError(expected("concept_penalty", "sign", "-1, 0 or 1", sign))
        if sign and class_index is None:
            todo = "say whose logit it is by class_index"
            raise InputError(expected("concept_penalty", "sign", "0 without a class", sign, todo))
        self.model, self.layer, self.sign, self.class_index = model, layer, sign, class_index
        self.directions = as_rows(directions)
        self._grid: Tensor | None = None
        self._handle = find_part(model, layer).register_forward_hook(self._keep)

    def __call__(self, logits: Tensor) -> Tensor:
        """Penalty, a scalar with a gradient, of ``logits`` (N, classes) that ``model`` has just put out."""
        grid, self._grid = self._grid, None
        if grid is None or not logits.requires_grad:
            todo = "call it once after each forward that has gradients"
            raise InputError(expected("concept_penalty", "logits", "of the last forward", "others", todo))
        if grid.shape[1] != self.directions.shape[1]:
            fact = f"{self.directions.shape[1]} values"
            requirement = f"of {grid.shape[1]} channels, those of layer {self.layer!r}"
            raise InputError(expected("concept_penalty", "cav", requirement, fact))
        gradient = torch.autograd.grad(self._total(logits), grid, create_graph=True, allow_unused=True)[0]
        if gradient is None:
            raise InputError(
                expected(
                    "concept_penalty", f"layer {self.layer!r}", "to reach the logits", "one that does not"
                )
            )
        rows = self.directions.to(gradient.device, gradient.dtype)
        change = gradient.sum((2, 3, 4)) @ rows.T
        if self.sign:
            change = (self.sign * change).relu()
        penalty: Tensor = change.square().mean()
        return penalty

    def remove(self) -> None:
        """Take the hook off the model."""
        self._handle.remove()
        self._grid = None

    def _total(self, logits: Tensor) -> Tensor:
        if self.class_index is not None:
            return logits[:, self.class_index].sum()
        centred = logits - logits.mean(1, keepdim=True)  # what all logits share decides nothing
        return (centred * (2 * torch.randint_like(centred, 2) - 1)).sum()

    def _keep(self, _module: nn.Module, _inputs: Any, output: Any) -> Any:
        if not torch.is_grad_enabled():
            return None
        grid = grid_of(output, self.layer)
        self._grid = grid.values if grid.values.requires_grad else grid.values.detach().requires_grad_()
        return grid.restore(self._grid.clone())  # a later layer may work in place


def concept_penalty(
    model: nn.Module, cav: Directions, sign: int = 0, *, layer: str, class_index: int | None = None
) -> ConceptPenalty:
    """Make a term of the loss that keeps the logits of ``model`` from using a concept.

    ``loss = F.cross_entropy(logits, y) + weight * penalty(logits)``, with ``penalty = concept_penalty(...)``
    made once. It is the square of what a logit gains, to first order, where every cell of the layer's grid
    gains the direction, averaged over clips and concepts (the gradient penalty of RR-ClArC, arXiv
    2308.09437).

    Parameters
    ----------
    model : torch.nn.Module
        Gets a forward hook at ``layer``; `ConceptPenalty.remove` takes it off.
    cav : Cav, sequence of Cav, or (C,) or (K, C) float
        Directions of one or more concepts in the channels of the layer: the mean direction of a `Cav`; an
        array as it is, length included.
    sign : {0, 1, -1}
        1: only where the concept speaks for the class; -1: only where it speaks against; 0: both.
    layer : str
        Submodule that puts out a grid (N, C, T, H, W).
    class_index : int, optional
        The logit. By default all: their sum with random signs, drawn for each clip, whose expected square is
        the sum of the squares of all of them, centred.

    Returns
    -------
    ConceptPenalty

    Raises
    ------
    InputError
        An unknown layer, another ``sign``, or directions that are no rows; in use, logits that are not those
        of the last forward, or directions of another width than the layer's.

    Examples
    --------
    >>> import torch
    >>> from ace3d_fast.training import concept_penalty
    >>> net = torch.nn.Sequential(torch.nn.Conv3d(3, 8, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool3d(1),
    ...                           torch.nn.Flatten(), torch.nn.Linear(8, 2))
    >>> penalty = concept_penalty(net, torch.eye(8)[0], layer="1", class_index=1)
    >>> logits = net(torch.rand(4, 3, 8, 16, 16))
    >>> loss = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 0, 1])) + 0.1 * penalty(logits)
    >>> loss.backward()
    """
    return ConceptPenalty(model, layer, cav, sign, class_index)


def as_rows(directions: Directions) -> Tensor:
    """(K, C) float32 of CAVs or arrays."""
    if isinstance(directions, Cav):
        directions = [directions]
    if isinstance(directions, Tensor | np.ndarray):
        rows = torch.as_tensor(directions, dtype=torch.float32).detach()
        rows = rows[None] if rows.dim() == 1 else rows
    else:
        rows = torch.stack([torch.from_numpy(cav.mean_direction) for cav in directions])
    if rows.dim() != 2 or not rows.numel() or not bool(torch.isfinite(rows).all()):
        fact = f"shape {tuple(rows.shape)}"
        raise InputError(expected("concept_penalty", "cav", "of finite rows (K, C)", fact))
    return rows
