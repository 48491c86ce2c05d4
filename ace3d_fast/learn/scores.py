"""Scores of a concept: region effect, raw score, TCAV sign and magnitude, each with an interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ace3d_fast.learn.matching import null_sets
from ace3d_fast.learn.significance import (
    Interval,
    bootstrap_mean,
    mean_pairwise_cosine,
    permutation_p,
    saturation,
)
from ace3d_fast.rows import draw_rows

MAX_NULL_POOL = 8192
Rows = NDArray[np.int64]
Floats = NDArray[np.float32]
Sizes = NDArray[np.int32]


@dataclass(frozen=True)
class ClassGradients:
    """Gradients of the explained class's logit, one per video that scores.

    Attributes
    ----------
    videos, groups : (V,) object
    mean : (V, C) float32
        ``sum_p dA(p)``, mean over the video's clips.
    cosine : float
        Mean cosine between clips; near 1 the head is (nearly) linear and signs saturate.
    """

    videos: NDArray[np.object_]
    groups: NDArray[np.object_]
    mean: Floats
    cosine: float


@dataclass(frozen=True)
class Score:
    """One score of one concept: the value, its interval over videos, and p (NaN where not tested)."""

    value: float
    low: float = float("nan")
    high: float = float("nan")
    p_value: float = float("nan")

    def times(self, factor: float) -> Score:
        """Value and interval, its lower end first whatever the sign of ``factor``; not tested."""
        low, high = sorted((self.low * factor, self.high * factor))
        return Score(self.value * factor, low, high)


def average_gradients(
    gradients: Floats, name: NDArray[np.object_], group: NDArray[np.object_]
) -> ClassGradients:
    """Average gradients (clips, C) within videos; ``name`` and ``group`` are the video's, (clips,)."""
    videos = np.array(sorted(set(name)), dtype=object)
    mean = np.stack([gradients[name == video].mean(axis=0) for video in videos])
    groups = np.array([group[name == video][0] for video in videos], dtype=object)
    return ClassGradients(videos, groups, mean.astype(np.float32), mean_pairwise_cosine(gradients))


def score_effect(
    effect: Mapping[str, Floats],
    video: NDArray[np.object_],
    size: Sizes,
    rows: Rows,
    pool: Rows,
    *,
    num_permutations: int,
    num_bootstrap: int,
    seed: int,
) -> dict[str, Score]:
    """Region effects of a concept against area-matched sets of regions of the same videos.

    Each video counts the same, whatever the number of its regions. p is one-sided: a concept must move
    the network more than its null sets, whose mean the causal regions among them have raised.

    Parameters
    ----------
    effect : dict of str to (R,) float32
        Kinds of effect by name; finite for all rows of ``pool``, which holds ``rows``.
    video, size : (R,)
        Video of each region, and its voxels.
    rows : (n,) int64
        The concept's regions in videos that score.
    pool : (m,) int64
        All regions of these videos that were forwarded.
    num_permutations, num_bootstrap, seed : int
    """
    if not len(rows):
        return {name: Score(float("nan")) for name in effect}
    sets = null_sets(
        size[rows],
        size[pool],
        num_sets=num_permutations,
        seed=seed,
        member_groups=video[rows],
        pool_groups=video[pool],
    )
    names, counts = np.unique(video[rows], return_counts=True)
    share = {name: 1 / (len(names) * count) for name, count in zip(names, counts, strict=True)}
    weights = np.array([share[name] for name in video[rows]])
    scores = {}
    for name, values in effect.items():
        interval = bootstrap_mean(
            {v: values[rows[video[rows] == v]] for v in names}, num_draws=num_bootstrap, seed=seed
        )
        null = values[pool].astype(np.float64)[sets] @ weights
        observed = float(values[rows].astype(np.float64) @ weights)
        scores[name] = Score(
            observed, interval.low, interval.high, float(permutation_p(observed, null, "greater"))
        )
    return scores


def score_raw(
    features: Floats,
    size: Sizes,
    rows: Rows,
    pool: Rows,
    negatives: Rows,
    gradients: ClassGradients,
    *,
    num_permutations: int,
    num_bootstrap: int,
    seed: int,
) -> tuple[Score, float]:
    """The raw score ``(mean_P - mean_N) · gradient``, un-normalised, and how far nulls saturate.

    Where ``pool`` holds more than `MAX_NULL_POOL` regions, a random selection of it is tested, with the
    concept's regions therein; the score itself is that of all of them.

    Parameters
    ----------
    features : (R, C) float32
        Pooled features.
    size : (R,) int32
        Voxels of each region.
    rows, pool, negatives : (n,) int64
        The concept's regions, the regions null sets are drawn from, the counterexamples.
    gradients : ClassGradients
    num_permutations, num_bootstrap, seed : int

    Returns
    -------
    (Score, float)
        The score, and the share of null sets whose sign score is exactly 0 or 1.
    """
    base = features[negatives].astype(np.float64).mean(axis=0)
    by_video = gradients.mean.astype(np.float64) @ (features[rows].astype(np.float64).mean(axis=0) - base)
    interval = _over_videos(by_video, num_bootstrap, seed)
    observed = by_video.mean()
    if len(pool) > MAX_NULL_POOL:
        pool = pool[draw_rows(len(pool), MAX_NULL_POOL, seed)]
        rows = np.intersect1d(rows, pool)
        if not len(rows):
            return Score(interval.mean, interval.low, interval.high), float("nan")
        mean = features[rows].astype(np.float64).mean(axis=0)
        observed = (gradients.mean.astype(np.float64) @ (mean - base)).mean()
    sets = null_sets(size[rows], size[pool], num_sets=num_permutations, seed=seed)
    member = np.zeros((num_permutations, len(pool)))
    np.add.at(member, (np.arange(num_permutations)[:, None], sets), 1 / len(rows))
    null = (member @ features[pool].astype(np.float64) - base) @ gradients.mean.astype(np.float64).T
    p = float(permutation_p(observed, null.mean(axis=1)))
    return Score(interval.mean, interval.low, interval.high, p), saturation((null > 0).mean(axis=1))


def score_directions(
    directions: list[Floats], gradients: ClassGradients, *, num_bootstrap: int, seed: int
) -> tuple[dict[str, Score], NDArray[np.float64]]:
    """TCAV sign and magnitude: share of videos with ``gradient · v > 0``, and its mean.

    Parameters
    ----------
    directions : list of (R, C) float32
        For each video the unit directions that may score it; their number is the same for all.
    gradients : ClassGradients
    num_bootstrap, seed : int

    Returns
    -------
    (dict of str to Score, (R,) float64)
        ``tcav_sign`` and ``tcav_magnitude``, and the sign score for each direction.
    """
    slopes = np.stack([v @ g for v, g in zip(directions, gradients.mean, strict=True)]).astype(np.float64)
    sign = _over_videos((slopes > 0).mean(axis=1), num_bootstrap, seed)
    magnitude = _over_videos(slopes.mean(axis=1), num_bootstrap, seed)
    scores = {"tcav_sign": Score(*sign), "tcav_magnitude": Score(*magnitude)}
    return scores, (slopes > 0).mean(axis=0)


def _over_videos(values: NDArray[np.float64], num_bootstrap: int, seed: int) -> Interval:
    return bootstrap_mean([value[None] for value in values], num_draws=num_bootstrap, seed=seed)
