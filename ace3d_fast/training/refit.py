"""CAVs that are fitted again as a network changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ace3d_fast.config import CavMethod
from ace3d_fast.errors import InputError, expected
from ace3d_fast.learn.cavs import fit_cavs
from ace3d_fast.training.activations import layer_features
from ace3d_fast.training.penalty import ConceptPenalty
from ace3d_fast.types import Cav


@dataclass(frozen=True)
class ConceptExamples:
    """Clips that show a concept, or do not.

    Attributes
    ----------
    clips : (N, 3, T, H, W) float32
        As the network takes them.
    masks : (N, T, H, W) bool, optional
        Where to look; without them the whole clip.
    """

    clips: Tensor
    masks: Tensor | None = None

    def __post_init__(self) -> None:
        if self.clips.dim() != 5 or not len(self.clips):
            fact = f"shape {tuple(self.clips.shape)}"
            raise InputError(expected("ConceptExamples", "clips", "(N, 3, T, H, W), N of at least 1", fact))
        wanted = (len(self.clips), *self.clips.shape[2:])
        if self.masks is not None and tuple(self.masks.shape) != wanted:
            raise InputError(expected("ConceptExamples", "masks", f"{wanted}", f"{tuple(self.masks.shape)}"))


class CavRefit:
    """Fits the CAVs of a penalty to the network as it is now.

    Call it at the start of an epoch: ``refit()``. The penalty gets, for each concept, its CAV times the way
    from the counterexamples' mean to the concept's along it: what one cell gains where the concept appears.

    Parameters
    ----------
    penalty : ConceptPenalty
        Whose network and layer are asked, and whose ``directions`` are set.
    concepts : sequence of ConceptExamples
    counterexamples : ConceptExamples or sequence of them
        Of all concepts, or of each.
    method : {"fast", "lda", "sgd"}
        As of ``ace3d_fast.learn.cavs.fit_cavs``. The default, the difference of the means, is the way the
        activations go; the others are normals of the plane between (arXiv 2202.03482).
    every : int
        Fit at every so many-th call.
    seed : int

    Attributes
    ----------
    history : list of list of Cav
        Of each fit, the CAV of each concept, with its cross-validated accuracy.
    """

    def __init__(
        self,
        penalty: ConceptPenalty,
        concepts: Sequence[ConceptExamples],
        counterexamples: ConceptExamples | Sequence[ConceptExamples],
        *,
        method: CavMethod = "fast",
        every: int = 1,
        seed: int = 0,
    ) -> None:
        if isinstance(counterexamples, ConceptExamples):
            counterexamples = [counterexamples] * len(concepts)
        others = list(counterexamples)
        if not concepts or len(others) != len(concepts):
            fact = f"{len(others)} for {len(concepts)} concepts"
            raise InputError(expected("CavRefit", "counterexamples", "of all concepts, or of each", fact))
        if every < 1:
            raise InputError(expected("CavRefit", "every", "of at least 1", every))
        self.penalty, self.method, self.every, self.seed = penalty, method, every, seed
        self.history: list[list[Cav]] = []
        self._concepts, self._others = list(concepts), others
        self._num_calls = 0

    def __call__(self) -> None:
        """Fit, if it is time to."""
        if self._num_calls % self.every == 0:
            self._fit()
        self._num_calls += 1

    def _fit(self) -> None:
        known: dict[int, NDArray[np.float32]] = {}
        cavs, ways = [], []
        for examples, others in zip(self._concepts, self._others, strict=True):
            pos, neg = (self._features(some, known) for some in (examples, others))
            cav = fit_cavs(pos, neg, method=self.method, seed=self.seed, num_permutations=99)
            along = cav.mean_direction
            cavs.append(cav)
            ways.append(along * float((pos.mean(0) - neg.mean(0)) @ along))
        self.history.append(cavs)
        self.penalty.directions = torch.from_numpy(np.stack(ways))

    def _features(
        self, examples: ConceptExamples, known: dict[int, NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """Of shared counterexamples once."""
        if id(examples) not in known:
            found = layer_features(self.penalty.model, self.penalty.layer, examples.clips, examples.masks)
            known[id(examples)] = found.numpy()
        return known[id(examples)]


def lightning_callback(refit: CavRefit) -> Any:
    """Make a Lightning callback that calls ``refit`` at the start of each training epoch.

    Raises
    ------
    InputError
        Neither ``lightning`` nor ``pytorch_lightning`` is installed.
    """
    try:
        from pytorch_lightning import Callback
    except ImportError:
        try:
            from lightning.pytorch import Callback
        except ImportError as error:
            todo = "pip install 'ace3d_fast[lightning]'"
            raise InputError(
                expected("lightning_callback", "Lightning", "to be installed", "none", todo)
            ) from error

    class RefitCallback(Callback):  # type: ignore[misc]  # one of two bases
        """Fits CAVs again at the start of each training epoch."""

        def on_train_epoch_start(self, _trainer: Any, _module: Any) -> None:
            refit()

    return RefitCallback()
