"""Two runs: matched concepts, what appeared, what vanished, and how scores changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ace3d_fast.errors import InputError, expected
from ace3d_fast.learn.significance import bootstrap_mean
from ace3d_fast.run_comparison.similarity import center_cosine, shared_videos, voxel_overlap
from ace3d_fast.signatures import checked
from ace3d_fast.store import RunFolder

Method = Literal["voxels", "centers"]
LEAST_SIMILARITY: dict[Method, float] = {"voxels": 0.2, "centers": 0.5}
NUM_BOOTSTRAP = 10_000
COLUMNS = [
    *("concept_a", "concept_b", "similarity", "change", "status_a", "status_b"),
    *("score_a", "low_a", "high_a", "score_b", "low_b", "high_b"),
    *("difference", "difference_low", "difference_high", "num_videos"),
]
NAN = float("nan")


@dataclass(frozen=True)
class RunComparison:
    """What two runs share.

    Attributes
    ----------
    a, b : RunFolder
    method : {"voxels", "centers"}
        How concepts were matched.
    least_similarity : float
        Pairs below it are no match.
    score : str
        Score that is compared: ``region_effect`` or ``tcav_sign``.
    pairs : DataFrame
        A row per matched pair and per concept without a match, columns `COLUMNS`; -1 where a run has no
        such concept.
    similarity : (concepts of a, concepts of b) float64
        In the order of the runs' tables.
    num_videos : int
        Videos that both runs gave to concepts.
    """

    a: RunFolder
    b: RunFolder
    method: Method
    least_similarity: float
    score: str
    pairs: pd.DataFrame
    similarity: NDArray[np.float64]
    num_videos: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; what is not known is None."""
        rows = self.pairs.astype(object).where(self.pairs.notna(), None).to_dict("records")
        facts = {"a": str(self.a.path), "b": str(self.b.path), "matched_by": self.method}
        return {**facts, "score": self.score, "num_videos": self.num_videos, "pairs": rows}


@checked
def compare_runs(a: RunFolder | str | Path, b: RunFolder | str | Path, *, seed: int = 0) -> RunComparison:
    """Match the concepts of two runs, of two networks, layers or epochs.

    Where both runs explain the same videos, concepts are matched by the voxels they share (Jaccard index at
    least .2); else, for one layer of one kind of network, by the cosine of their centres (at least .5). The
    matching is the best one in all (Hungarian).

    Parameters
    ----------
    a, b : RunFolder or path
    seed : int
        Of the bootstrap over videos.

    Raises
    ------
    InputError
        One of them is no run, or they share neither videos nor a layer.
    """
    a, b = (run if isinstance(run, RunFolder) else RunFolder.open(run) for run in (a, b))
    videos = shared_videos(a, b)
    method: Method = "voxels" if videos else "centers"
    if videos:
        similarity = voxel_overlap(a, b, videos)
    else:
        _check_one_layer(a, b)
        similarity = center_cosine(a, b)
    least = LEAST_SIMILARITY[method]
    score = _common_score(a, b)
    rows, columns = linear_sum_assignment(-similarity)
    matched = [
        (i, j) for i, j in zip(rows.tolist(), columns.tolist(), strict=True) if similarity[i, j] >= least
    ]
    alone_a = sorted(set(range(len(a.concepts))) - {i for i, _ in matched})
    alone_b = sorted(set(range(len(b.concepts))) - {j for _, j in matched})
    found: list[tuple[int | None, int | None]] = [*matched, *((i, None) for i in alone_a)]
    found += [(None, j) for j in alone_b]
    pairs = [_pair(a, b, i, j, similarity, score, videos, seed) for i, j in found]
    return RunComparison(
        a, b, method, least, score, pd.DataFrame(pairs, columns=COLUMNS), similarity, len(videos)
    )


def _check_one_layer(a: RunFolder, b: RunFolder) -> None:
    widths = [run.centers["centers"].shape[1] for run in (a, b)]
    layers = [run.config["layer"] for run in (a, b)]
    modes = [run.config["features"]["mode"] for run in (a, b)]
    if widths[0] != widths[1] or layers[0] != layers[1] or modes[0] != modes[1]:
        fact = f"no such video, and layers {layers[0]} and {layers[1]}"
        todo = "run both on the same videos of one class, or at the same layer"
        raise InputError(expected("compare", "runs", "that share explained videos or a layer", fact, todo))


def _common_score(a: RunFolder, b: RunFolder) -> str:
    both = all(run.config["scores"]["measure_effects"] for run in (a, b))
    return "region_effect" if both else "tcav_sign"


def _pair(
    a: RunFolder,
    b: RunFolder,
    i: int | None,
    j: int | None,
    similarity: NDArray[np.float64],
    score: str,
    videos: Sequence[tuple[str, str]],
    seed: int,
) -> dict[str, Any]:
    row: dict[str, Any] = {"similarity": NAN if i is None or j is None else float(similarity[i, j])}
    for side, run, place in (("a", a, i), ("b", b, j)):
        concept = -1 if place is None else int(run.concepts["concept"].iloc[place])
        row |= {f"concept_{side}": concept, f"status_{side}": "", f"score_{side}": NAN}
        row |= {f"low_{side}": NAN, f"high_{side}": NAN}
        if place is not None:
            row[f"status_{side}"] = str(run.concepts["status"].iloc[place])
            row[f"score_{side}"] = float(run.concepts[score].iloc[place])
            row[f"low_{side}"], row[f"high_{side}"] = _bounds(run, concept, score)
    row["change"] = _change(row["status_a"], row["status_b"])
    difference, low, high, number = NAN, NAN, NAN, 0
    if i is not None and j is not None:
        difference = row["score_b"] - row["score_a"]
        if score == "region_effect" and videos:
            found = _paired_effects(a, b, row["concept_a"], row["concept_b"], videos)
            number = len(found)
            if number >= 2:
                difference, low, high = bootstrap_mean(found, num_draws=NUM_BOOTSTRAP, seed=seed)
    return {
        **row,
        "difference": difference,
        "difference_low": low,
        "difference_high": high,
        "num_videos": number,
    }


def _bounds(run: RunFolder, concept: int, score: str) -> tuple[float, float]:
    scores = run.scores
    mine = scores[(scores["concept"] == concept) & (scores["score"] == score)]
    mine = mine[mine["class_name"] == run.summary["target_class"]]
    return (float(mine["low"].iloc[0]), float(mine["high"].iloc[0])) if len(mine) else (NAN, NAN)


def _paired_effects(
    a: RunFolder, b: RunFolder, concept_a: int, concept_b: int, videos: Sequence[tuple[str, str]]
) -> list[list[float]]:
    """Effect in b minus effect in a, for each video in which both were measured."""
    effects = [_video_effects(run, concept) for run, concept in ((a, concept_a), (b, concept_b))]
    return [[effects[1][y] - effects[0][x]] for x, y in videos if x in effects[0] and y in effects[1]]


def _video_effects(run: RunFolder, concept: int) -> dict[str, float]:
    """Mean region effect of a concept in each video."""
    mine = run.regions[run.regions["concept"] == concept]
    effect = (mine["effect_deletion"] + mine["effect_insertion"]) / 2
    means = effect.groupby(mine["video"]).mean().dropna()
    return {str(video): float(value) for video, value in means.items()}


def _change(status_a: str, status_b: str) -> str:
    """What became of a concept from a to b."""
    if not status_a:
        return "appeared"
    if not status_b:
        return "vanished"
    accepted = (status_a == "accepted", status_b == "accepted")
    return {(True, True): "kept", (False, True): "gained", (True, False): "lost"}.get(accepted, "same")
