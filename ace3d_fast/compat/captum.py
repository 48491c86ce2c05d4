"""Captum's TCAV with CAVs of this package, and concepts that go from one to the other."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args

import numpy as np
import pandas as pd
import torch
from captum.concept import Classifier, Concept
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ace3d_fast.config import CavMethod
from ace3d_fast.errors import InputError, expected
from ace3d_fast.learn.cavs import fit_cavs
from ace3d_fast.learn.linear import between_means, fit_direction
from ace3d_fast.models.network import Network
from ace3d_fast.models.probe import fill_frames, region_masks
from ace3d_fast.store import RunFolder
from ace3d_fast.types import Cav

Floats = NDArray[np.float64]
_CACHE_BYTES = 2**30


@dataclass(frozen=True)
class _Examples:
    """Rows of one concept, (num_train, F) and (num_test, F)."""

    train: Floats
    test: Floats

    @property
    def num_bytes(self) -> int:
        """In memory."""
        return self.train.nbytes + self.test.nbytes

    @cached_property
    def mean(self) -> Floats:
        """Of those to train on, (F,)."""
        found: Floats = self.train.mean(axis=0)
        return found


class CavClassifier(Classifier):  # type: ignore[misc]  # Captum is not typed
    """A classifier for ``captum.concept.TCAV(classifier=...)`` that fits in closed form.

    Every concept's examples are split once, by ``seed``; CAVs are fitted to one part and their accuracy is
    that on the other. Activations are read from Captum's files once for all the sets that a concept is in,
    as long as they fit in a gigabyte.

    Parameters
    ----------
    method : {"fast", "lda", "sgd"}
        ``fast``: the difference of the means; ``lda``: Fisher's direction with the Ledoit-Wolf shrinkage of
        the covariance; ``sgd``: scikit-learn's hinge loss, set as Captum's own classifier sets it. Of more
        than two concepts, each against all others.
    seed : int

    Raises
    ------
    InputError
        Another method; in use, a share of test examples outside [0, 1), or a concept that is left without a
        training example.
    """

    def __init__(self, method: CavMethod = "fast", *, seed: int = 0) -> None:
        if method not in get_args(CavMethod):
            requirement = f"one of {', '.join(get_args(CavMethod))}"
            raise InputError(expected("CavClassifier", "method", requirement, repr(method)))
        self.method: CavMethod = method
        self.seed = seed
        self._weights: Tensor | None = None
        self._classes: list[int] = []
        self._read: OrderedDict[tuple[Any, ...], _Examples] = OrderedDict()

    def train_and_eval(
        self, dataloader: DataLoader[Any], test_split_ratio: float = 0.33, **_kwargs: Any
    ) -> dict[str, Tensor]:
        """Fit one direction per concept; returns ``accs``, the share of test examples told apart."""
        if not 0 <= test_split_ratio < 1:
            raise InputError(
                expected("CavClassifier", "test_split_ratio", "of at least 0 and below 1", test_split_ratio)
            )
        parts = self._parts_of(dataloader, test_split_ratio)
        self._classes = sorted(parts)
        tests = [parts[label].test for label in self._classes]
        if len(parts) == 2:
            direction, bias = self._fit(self._classes[1], parts)
            directions = np.stack([-direction, direction])
            first, second = (test @ direction + bias for test in tests)
            tested = np.concatenate([first <= 0, second > 0])
        else:
            fits = [self._fit(label, parts) for label in self._classes]
            directions, biases = np.stack([fit[0] for fit in fits]), np.array([fit[1] for fit in fits])
            named = [np.argmax(test @ directions.T + biases, axis=1) for test in tests]
            tested = np.concatenate([found == position for position, found in enumerate(named)])
        self._weights = torch.from_numpy(directions.astype(np.float32))
        return {"accs": torch.tensor(tested.mean() if tested.size else float("nan"), dtype=torch.float32)}

    def weights(self) -> Tensor:
        """(concepts, F) float32: unit directions, in the order of `classes`."""
        if self._weights is None:
            raise InputError(expected("CavClassifier", "train_and_eval", "before weights", "no call of it"))
        return self._weights

    def classes(self) -> list[int]:
        """Ids of the concepts, ascending."""
        return self._classes

    def _fit(self, label: int, parts: dict[int, _Examples]) -> tuple[Floats, float]:
        others = [part for name, part in parts.items() if name != label]
        if self.method == "fast" and len(others) == 1:  # a concept's mean serves all the sets it is in
            return between_means(parts[label].mean, others[0].mean)
        rest = others[0].train if len(others) == 1 else np.concatenate([part.train for part in others])
        return fit_direction(parts[label].train, rest, self.method, self.seed)

    def _split(self, rows: Floats, ratio: float) -> _Examples:
        """Divide rows in an order drawn by the seed."""
        num_test = int(ratio * len(rows))
        if num_test == len(rows):
            raise InputError(expected("CavClassifier", "each concept", "to have examples", f"{len(rows)}"))
        rows = rows[np.random.default_rng(self.seed).permutation(len(rows))]
        return _Examples(rows[num_test:], rows[:num_test])

    def _parts_of(self, dataloader: DataLoader[Any], ratio: float) -> dict[int, _Examples]:
        """Activations of each concept."""
        dataset = dataloader.dataset
        stored, labels = getattr(dataset, "datasets", None), getattr(dataset, "labels", None)
        if stored and labels and all(hasattr(part, "files") for part in stored):
            pairs = zip(labels, stored, strict=True)
            return {int(label): self._stored(part, ratio) for label, part in pairs}
        rows: dict[int, list[Floats]] = {}
        for inputs, ids in dataloader:
            x = inputs.detach().flatten(1).double().cpu().numpy()
            for label in torch.unique(ids).tolist():
                rows.setdefault(int(label), []).append(x[(ids == label).cpu().numpy()])
        return {label: self._split(np.concatenate(some), ratio) for label, some in rows.items()}

    def _stored(self, part: Any, ratio: float) -> _Examples:
        """Of one of Captum's datasets of files, kept for the next set that holds the concept."""
        # Asked of every set: pathlib took a tenth of the time.
        key = (ratio, *((file, os.stat(file).st_mtime_ns) for file in part.files))  # noqa: PTH116
        if key not in self._read:
            batches = [part[i].detach().flatten(1).double().cpu().numpy() for i in range(len(part))]
            self._read[key] = self._split(np.concatenate(batches), ratio)
            while len(self._read) > 1 and sum(x.num_bytes for x in self._read.values()) > _CACHE_BYTES:
                self._read.popitem(last=False)
        self._read.move_to_end(key)
        return self._read[key]


class RegionClips(Dataset[Tensor]):
    """Clips of a run in which one region each stands alone, in place, as the network takes them.

    Parameters
    ----------
    run : RunFolder
    rows : DataFrame
        Rows of a region table: ``video``, ``clip`` and ``index`` of each region.
    network : Network
        Whose normalisation the clips get.
    """

    def __init__(self, run: RunFolder, rows: pd.DataFrame, network: Network) -> None:
        self.run, self.network = run, network
        columns = (rows["video"].tolist(), rows["clip"].tolist(), rows["index"].tolist())
        self.regions = list(zip(*columns, strict=True))

    def __len__(self) -> int:
        return len(self.regions)

    def __getitem__(self, number: int) -> Tensor:
        """(3, T, H, W) float32."""
        video, clip_index, region = self.regions[number]
        clip = self.run.read_clip(str(video), int(clip_index))
        frames = clip.clip.network_frames
        mask = region_masks(clip, [[int(region)]])[0, ..., None]
        shown = torch.where(mask, frames, fill_frames(frames, "mean"))
        return self.network.prepare(shown[None])[0].contiguous()


def region_concept(
    identity: int, name: str, run: RunFolder, rows: pd.DataFrame, network: Network, *, batch_size: int = 8
) -> Concept:
    """Captum's ``Concept`` of regions of a run, each shown alone; arguments as of `RegionClips`."""
    return Concept(identity, name, DataLoader(RegionClips(run, rows, network), batch_size=batch_size))


def to_captum(
    run: RunFolder,
    network: Network,
    concepts: Sequence[str] | None = None,
    *,
    num_examples: int = 24,
    num_random_sets: int = 0,
    seed: int = 0,
) -> tuple[list[Concept], list[Concept]]:
    """Turn the concepts of a run into Captum's.

    Parameters
    ----------
    run : RunFolder
    network : Network
        The network of the run: its normalisation prepares the clips.
    concepts : sequence of str, optional
        Names, ``concept_00`` and so on; by default all that the run did not reject.
    num_examples : int
        Regions of each, drawn by ``seed`` from all members.
    num_random_sets : int
        Random concepts to set against them, of regions of all classes that belong to none of those.
    seed : int

    Returns
    -------
    concepts, random_concepts : list of captum.concept.Concept
        Ids 0, 1, ... in this order. Each ``batch`` is (N, 3, T, H, W) float32.

    Raises
    ------
    InputError
        A name that the run has not, or no region left for random concepts.
    """
    where = "to_captum"
    table, regions = run.concepts, run.regions
    known = {f"concept_{c:02d}": int(c) for c in table["concept"]}
    if concepts is None:
        chosen = [f"concept_{c:02d}" for c in table.loc[table["status"] != "rejected", "concept"]]
    else:
        chosen = list(concepts)
    for name in chosen:
        if name not in known:
            raise InputError(expected(where, "concepts", f"among {', '.join(known)}", repr(name)))
    mine = regions[regions["label"] == run.config["target_class"]]
    rng = np.random.default_rng(seed)

    def some(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.iloc[np.sort(rng.choice(len(rows), min(num_examples, len(rows)), replace=False))]

    turned = [
        region_concept(identity, name, run, some(mine[mine["concept"] == known[name]]), network)
        for identity, name in enumerate(chosen)
    ]
    rest = regions[~regions["concept"].isin([known[name] for name in chosen])]
    if num_random_sets and rest.empty:
        raise InputError(expected(where, "random sets", "of regions of no concept", "none of them"))
    return turned, [
        region_concept(len(chosen) + i, f"random_{i:02d}", run, some(rest), network)
        for i in range(num_random_sets)
    ]


def from_captum(
    concept: Concept, counterexamples: Iterable[Concept], network: Network, *, seed: int = 0
) -> Cav:
    """Fit a CAV of this package to a concept of Captum's.

    Parameters
    ----------
    concept : captum.concept.Concept
        Its ``data_iter`` gives batches (N, 3, T, H, W) float32 as the network takes them.
    counterexamples : iterable of captum.concept.Concept
        Together the pool that random sets are drawn from.
    network : Network
        Features are means of its layer over the whole clip, (C,).
    seed : int

    Returns
    -------
    Cav
        With directions (sets, C), cross-validated accuracy and its p.

    Raises
    ------
    InputError
        A concept without examples.
    """

    def features(some: Concept) -> NDArray[np.float32]:
        if some.data_iter is None:
            raise InputError(expected("from_captum", "data_iter", f"of {some.name}", "None"))
        batches = [network.forward(x.to(network.device)).activation.mean((2, 3, 4)) for x in some.data_iter]
        if not batches:
            raise InputError(expected("from_captum", "examples", f"of {some.name}", "none"))
        found: NDArray[np.float32] = torch.cat(batches).float().cpu().numpy()
        return found

    members, pools = features(concept), [features(other) for other in counterexamples]
    if not pools:
        raise InputError(expected("from_captum", "counterexamples", "of at least one concept", "none"))
    return fit_cavs(members, np.concatenate(pools), seed=seed)
