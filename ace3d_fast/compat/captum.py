"""Captum's TCAV with CAVs of this package, and concepts that go from one to the other."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
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
from ace3d_fast.learn.linear import fit_direction
from ace3d_fast.models.network import Network
from ace3d_fast.models.probe import fill_frames, region_masks
from ace3d_fast.store import RunFolder
from ace3d_fast.types import Cav

Floats = NDArray[np.float64]
_CACHE_BYTES = 2**30


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
        self._read: OrderedDict[tuple[Any, ...], Floats] = OrderedDict()

    def train_and_eval(
        self, dataloader: DataLoader[Any], test_split_ratio: float = 0.33, **_kwargs: Any
    ) -> dict[str, Tensor]:
        """Fit one direction per concept; returns ``accs``, the share of test examples told apart."""
        if not 0 <= test_split_ratio < 1:
            raise InputError(
                expected("CavClassifier", "test_split_ratio", "of at least 0 and below 1", test_split_ratio)
            )
        rows = self._rows_of(dataloader)
        parts = {label: self._split(x, test_split_ratio) for label, x in rows.items()}
        self._classes = sorted(parts)
        train = {label: rows for label, (rows, _) in parts.items()}
        fits = [self._fit(label, train) for label in self._classes[-1 if len(train) == 2 else 0 :]]
        if len(train) == 2:
            fits.insert(0, (-fits[0][0], -fits[0][1]))
        directions, biases = np.stack([fit[0] for fit in fits]), np.array([fit[1] for fit in fits])
        self._weights = torch.from_numpy(directions.astype(np.float32))
        right = [
            np.argmax(test @ directions.T + biases, axis=1) == position
            for position, (_, test) in enumerate(parts[label] for label in self._classes)
        ]
        tested = np.concatenate(right)
        return {"accs": torch.tensor(tested.mean() if tested.size else float("nan"), dtype=torch.float32)}

    def weights(self) -> Tensor:
        """(concepts, F) float32: unit directions, in the order of `classes`."""
        if self._weights is None:
            raise InputError(expected("CavClassifier", "train_and_eval", "before weights", "no call of it"))
        return self._weights

    def classes(self) -> list[int]:
        """Ids of the concepts, ascending."""
        return self._classes

    def _fit(self, label: int, train: dict[int, Floats]) -> tuple[Floats, float]:
        others = [x for name, x in train.items() if name != label]
        rest = others[0] if len(others) == 1 else np.concatenate(others)
        return fit_direction(train[label], rest, self.method, self.seed)

    def _split(self, rows: Floats, ratio: float) -> tuple[Floats, Floats]:
        num_test = int(ratio * len(rows))
        if num_test == len(rows):
            raise InputError(expected("CavClassifier", "each concept", "to have examples", f"{len(rows)}"))
        return rows[num_test:], rows[:num_test]

    def _shuffled(self, rows: Floats) -> Floats:
        return rows[np.random.default_rng(self.seed).permutation(len(rows))]

    def _rows_of(self, dataloader: DataLoader[Any]) -> dict[int, Floats]:
        """Activations (examples, F) of each concept, in an order drawn by the seed."""
        dataset = dataloader.dataset
        stored, labels = getattr(dataset, "datasets", None), getattr(dataset, "labels", None)
        if stored and labels and all(hasattr(part, "files") for part in stored):
            return {int(label): self._stored(part) for label, part in zip(labels, stored, strict=True)}
        rows: dict[int, list[Floats]] = {}
        for inputs, ids in dataloader:
            x = inputs.detach().flatten(1).double().cpu().numpy()
            for label in torch.unique(ids).tolist():
                rows.setdefault(int(label), []).append(x[(ids == label).cpu().numpy()])
        return {label: self._shuffled(np.concatenate(some)) for label, some in rows.items()}

    def _stored(self, part: Any) -> Floats:
        """Of one of Captum's datasets of files, kept for the next set that holds the concept."""
        key = tuple((file, Path(file).stat().st_mtime_ns) for file in part.files)
        if key not in self._read:
            batches = [part[i].detach().flatten(1).double().cpu().numpy() for i in range(len(part))]
            self._read[key] = self._shuffled(np.concatenate(batches))
            while len(self._read) > 1 and sum(x.nbytes for x in self._read.values()) > _CACHE_BYTES:
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
        Ids 0, 1, ... in this order. `batch`es are (N, 3, T, H, W) float32.

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
    taken = regions["concept"].isin([known[name] for name in chosen])
    rest = regions[~taken | (regions["label"] != run.config["target_class"])]
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
