"""scores → evaluation: what the network still sees when the top concepts are added or removed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax

from ace3d_fast.config import EvaluationOptions
from ace3d_fast.learn.significance import mcnemar_p, paired_bootstrap
from ace3d_fast.models.probe import Probe, View
from ace3d_fast.types import Progress, SegmentedClip

ORDERS = ("top", "random", "least", "area_matched")
CURVES = ("ssc", "sdc")
METRICS = ("accuracy", "probability", "logit")
CLIPS_AT_ONCE = 16  # that fill batches together
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _ClipRegions:
    """Regions of one clip: ``index``, ``concept`` and ``size``, all (R,)."""

    index: NDArray[np.int64]
    concept: NDArray[np.int64]
    size: NDArray[np.int64]

    def of(self, concepts: Iterable[int]) -> frozenset[int]:
        """Region indices of the given concepts."""
        return frozenset(self.index[np.isin(self.concept, list(concepts))].tolist())


@dataclass(frozen=True)
class Curves:
    """What the network says along the curves.

    Attributes
    ----------
    fill : str
        What stood where nothing was shown.
    videos : tuple of str
        Of each clip.
    values : (clips, 2, 4, k + 1, 3) float64
        By curve (`CURVES`), order (`ORDERS`), number of concepts and metric (`METRICS`), mean over draws.
    first : (clips, 2, 4, k + 1) bool
        Whether the class is recognised, in the first draw.
    """

    fill: str
    videos: tuple[str, ...]
    values: Floats
    first: NDArray[np.bool_]

    def table(self, num_bootstrap: int, seed: int) -> pd.DataFrame:
        """Average over videos.

        Returns
        -------
        DataFrame
            A row per curve (``ssc`` adds to the fill, ``sdc`` removes), order and k: ``accuracy``,
            ``probability``, ``logit``; ``low`` and ``high`` bound the accuracy. ``gap`` is the difference in
            accuracy to the order ``random``, ``gap_area`` to ``area_matched`` (regions drawn at random until
            their volume equals that of the top k), both positive where this order is better. Intervals are
            95 % bootstraps over videos, paired. ``mcnemar_p``: exact McNemar test of the clips that only this
            order or only ``area_matched`` (its first draw) gets right. Empty where nothing was evaluated.
        """
        columns = ["fill", "curve", "order", "k", *METRICS, "low", "high"]
        columns += ["gap", "gap_low", "gap_high", "gap_area", "gap_area_low", "gap_area_high"]
        columns += ["mcnemar_p", "num_videos"]
        if not self.videos:
            return pd.DataFrame(columns=columns)
        names = np.array(self.videos)
        values = np.stack([self.values[names == name].mean(axis=0) for name in sorted(set(self.videos))])
        num_videos, accuracy = len(values), values[..., 0]
        sign = np.array([1.0, -1.0])[None, :, None, None]
        random, area = (accuracy[:, :, ORDERS.index(name), None] for name in ("random", "area_matched"))
        stacked = np.stack([accuracy, sign * (accuracy - random), sign * (accuracy - area)], axis=-1)
        bounds = paired_bootstrap(stacked, num_draws=num_bootstrap, seed=seed)
        means = values.mean(axis=0)
        rows = []
        for c, curve in enumerate(CURVES):
            for o, order in enumerate(ORDERS):
                for k in range(values.shape[3]):
                    at = (c, o, k)
                    ends = [bounds.low[at][0], bounds.high[at][0]]
                    gaps = [part[at][i] for i in (1, 2) for part in (bounds.mean, bounds.low, bounds.high)]
                    p = mcnemar_p(self.first[:, c, o, k], self.first[:, c, ORDERS.index("area_matched"), k])
                    rows.append([self.fill, curve, order, k, *means[at], *ends, *gaps, p, num_videos])
        table = pd.DataFrame(rows, columns=columns)
        return table.astype({"k": np.int32, "num_videos": np.int32})


class _Asked:
    """What is asked of one clip: for each order and k the sets of regions to show, one set a draw."""

    def __init__(self, sets: Mapping[str, list[list[frozenset[int]]]]) -> None:
        self.sets = sets
        self.unique = sorted({s for order in sets.values() for draws in order for s in draws}, key=sorted)

    def views(self, clip: SegmentedClip) -> Iterator[View]:
        """Equal sets are forwarded once: first all that are added, then all that are removed."""
        for keep in (True, False):
            yield from (View(clip, sorted(regions), keep) for regions in self.unique)

    def measure(self, logits: NDArray[np.float32], class_index: int) -> tuple[Floats, NDArray[np.bool_]]:
        """`Curves` of the clip, from the logits (n, K) of its views."""
        logits = logits.reshape(2, len(self.unique), -1)
        right = logits.argmax(axis=2) == class_index
        shares = softmax(logits.astype(np.float64), axis=2)[..., class_index]
        metrics = np.stack([right, shares, logits[..., class_index]], axis=-1)
        where = {s: i for i, s in enumerate(self.unique)}
        picked = [
            [metrics[:, [where[s] for s in draws]].mean(axis=1) for draws in self.sets[order]]
            for order in ORDERS
        ]
        first = [[right[:, where[draws[0]]] for draws in self.sets[order]] for order in ORDERS]
        return np.moveaxis(np.array(picked, dtype=np.float64), 2, 0), np.moveaxis(np.array(first), 2, 0)


def evaluate_concepts(
    ranking: Sequence[int],
    regions: pd.DataFrame,
    clips: pd.DataFrame,
    probe: Probe,
    load_clip: Callable[[str, int], SegmentedClip],
    class_index: int,
    options: EvaluationOptions,
    *,
    seed: int,
    progress: Progress,
) -> Curves:
    """SSC and SDC: accuracy after adding or removing the regions of k concepts, k = 0 .. 5.

    Parameters
    ----------
    ranking : sequence of int
        Concepts, the one with the highest score first.
    regions : DataFrame
        With ``clip_id``, ``index``, ``concept`` and ``num_voxels``.
    clips : DataFrame
        The clips to evaluate, with ``clip_id``, ``video`` and ``clip``.
    probe : Probe
    load_clip : callable
        Gives clip ``clip`` of ``video``.
    class_index : int
    options : EvaluationOptions
    seed : int
    progress : Progress
        Advanced once for each clip.

    Returns
    -------
    Curves
        Empty without concepts.
    """
    shape = (0, len(CURVES), len(ORDERS), 1)
    if not ranking or clips.empty:
        return Curves(probe.fill, (), np.zeros((*shape, len(METRICS))), np.zeros(shape, dtype=np.bool_))
    rng = np.random.default_rng(seed)
    most = min(options.max_concepts, len(ranking))
    orders = {
        "top": [list(ranking)],
        "least": [list(ranking)[::-1]],
        "random": [rng.permutation(ranking).tolist() for _ in range(options.num_random_orders)],
    }
    num_random, num_area = options.draws(len(clips))
    turns = cycle(orders["random"])  # each order comes in as many clips, or one more
    rows = clips.to_dict("records")
    measured = []

    def ask(some: Sequence[Mapping[Hashable, Any]], asked: list[_Asked]) -> Iterator[View]:
        for row in some:
            here = regions[regions["clip_id"] == row["clip_id"]]
            columns = (here[name].to_numpy(np.int64) for name in ("index", "concept", "num_voxels"))
            here_orders = {**orders, "random": list(islice(turns, num_random))}
            asked.append(_Asked(_region_sets(_ClipRegions(*columns), here_orders, most, num_area, rng)))
            yield from asked[-1].views(load_clip(str(row["video"]), int(row["clip"])))
            progress.advance()

    for start in range(0, len(rows), CLIPS_AT_ONCE):
        asked: list[_Asked] = []
        logits = probe.see(ask(rows[start : start + CLIPS_AT_ONCE], asked)).logits
        ends = np.cumsum([2 * len(one.unique) for one in asked])
        parts = np.split(logits, ends[:-1])
        measured += [one.measure(part, class_index) for one, part in zip(asked, parts, strict=True)]
    values, first = (np.stack(parts) for parts in zip(*measured, strict=True))
    return Curves(probe.fill, tuple(str(row["video"]) for row in rows), values, first)


def _region_sets(
    found: _ClipRegions,
    orders: dict[str, list[list[int]]],
    most: int,
    num_area_draws: int,
    rng: np.random.Generator,
) -> dict[str, list[list[frozenset[int]]]]:
    """For each order and k the sets of regions to add or remove, one set a draw."""
    sets = {
        order: [[found.of(draw[:k]) for draw in draws] for k in range(most + 1)]
        for order, draws in orders.items()
    }
    size_of = dict(zip(found.index.tolist(), found.size.tolist(), strict=True))
    sets["area_matched"] = []
    for (top,) in sets["top"]:
        wanted = sum(size_of[i] for i in top)
        draws = []
        for _ in range(num_area_draws):
            shuffled = rng.permutation(len(found.index))
            total = np.cumsum(found.size[shuffled])
            count = int(np.abs(np.concatenate([[0], total]) - wanted).argmin())
            draws.append(frozenset(found.index[shuffled[:count]].tolist()))
        sets["area_matched"].append(draws)
    return sets
