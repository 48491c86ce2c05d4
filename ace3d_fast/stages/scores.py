"""CAVs → scores: every score of every tested concept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ace3d_fast.config import RunOptions
from ace3d_fast.learn.cavs import fit_cavs
from ace3d_fast.learn.scores import (
    ClassGradients,
    Score,
    score_directions,
    score_effect,
    score_raw,
)
from ace3d_fast.learn.significance import paired_t_p
from ace3d_fast.rows import is_among
from ace3d_fast.types import ConceptCav

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]
NAN = float("nan")
SCORES = (
    "region_effect",
    "effect_deletion",
    "effect_insertion",
    "raw_score",
    "raw_times_retention",
    "tcav_sign",
    "tcav_magnitude",
)
MOTION_SCORES = ("motion_dependence", "drop_frozen", "drop_shuffled", "drop_reversed")


@dataclass(frozen=True)
class Evidence:
    """What scores are computed from; rows follow the region table.

    Attributes
    ----------
    regions : DataFrame
        With ``video``, ``concept`` and ``num_voxels``.
    features : (R, C) float32
        Features that were clustered.
    cavs : dict of int to ConceptCav
        Concepts that are tested.
    retention : dict of int to float
        Of the concepts whose regions were forwarded alone.
    members : dict of int to (n,) int64
        Regions of each concept that were chosen for forwards.
    negatives : (n,) int64
        Counterexamples.
    gradients : ClassGradients
        Of the videos that score.
    effects : dict of str to (R,) float32
        Region effects by kind; empty where none were measured.
    removed : (n,) int64
        Rows with finite effects.
    train : frozenset of str
        Videos that fit directions.
    """

    regions: pd.DataFrame
    features: Floats
    cavs: Mapping[int, ConceptCav]
    retention: Mapping[int, float]
    members: Mapping[int, Rows]
    negatives: Rows
    gradients: ClassGradients
    effects: Mapping[str, Floats]
    removed: Rows
    train: frozenset[str]


@dataclass(frozen=True)
class Scored:
    """Scores of all tested concepts.

    Attributes
    ----------
    scores : dict of int to dict of str to Score
        By concept and name; the names are `SCORES`.
    tests : dict of int to float
        p-value that decides, for each concept.
    tested : str
        Name of the score that it tests.
    null_saturation : float
        Share of null sets whose sign score is exactly 0 or 1, mean over concepts.
    """

    scores: dict[int, dict[str, Score]]
    tests: dict[int, float]
    tested: str
    null_saturation: float


def score_concepts(evidence: Evidence, options: RunOptions) -> Scored:
    """Score every concept that has a CAV.

    The deciding test is the permutation of the region effect, or for the published recipe the paired
    t-test of the sign scores against those of a random concept.

    Parameters
    ----------
    evidence : Evidence
    options : RunOptions
    """
    tested = "tcav_sign" if options.scores.test == "paired_t" else "region_effect"
    if not evidence.cavs:
        return Scored({}, {}, tested, NAN)
    video = evidence.regions["video"].to_numpy()
    size = evidence.regions["num_voxels"].to_numpy()
    concept = evidence.regions["concept"].to_numpy()
    trained = is_among(video, evidence.train)
    repeats = {"num_bootstrap": options.evaluation.num_bootstrap, "seed": options.seed}
    permuted = {**repeats, "num_permutations": options.scores.num_permutations}
    random_signs = _random_concept_signs(evidence, options)
    scores: dict[int, dict[str, Score]] = {}
    tests: dict[int, float] = {}
    saturations = []
    for name, cav in evidence.cavs.items():
        found = {kind: Score(NAN) for kind in SCORES}
        if evidence.effects:
            rows = np.intersect1d(evidence.members[name], evidence.removed)
            found |= score_effect(evidence.effects, video, size, rows, evidence.removed, **permuted)
        raw, saturated = score_raw(
            evidence.features,
            size,
            np.flatnonzero(trained & (concept == name)),
            np.flatnonzero(trained),
            evidence.negatives,
            evidence.gradients,
            **permuted,
        )
        saturations.append(saturated)
        found["raw_score"] = raw
        found["raw_times_retention"] = raw.times(evidence.retention.get(name, NAN))
        directions = [cav.directions(str(group)) for group in evidence.gradients.groups]
        tcav, signs = score_directions(directions, evidence.gradients, **repeats)
        found |= tcav
        if options.scores.test == "paired_t":
            p = paired_t_p(signs, random_signs)
            found["tcav_sign"] = Score(tcav["tcav_sign"].value, *_ends(tcav["tcav_sign"]), p)
        tests[name] = found[tested].p_value
        scores[name] = found
    return Scored(scores, tests, tested, _mean_of_known(saturations))


def _mean_of_known(values: list[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else NAN


def _ends(score: Score) -> tuple[float, float]:
    return score.low, score.high


def _random_concept_signs(evidence: Evidence, options: RunOptions) -> NDArray[np.float64]:
    """Sign scores (R,) of one random set of counterexamples against R others."""
    if options.scores.test != "paired_t":
        return np.zeros(0)
    rng = np.random.default_rng(options.seed)
    shuffled = rng.permutation(evidence.negatives)
    half = len(shuffled) // 2
    cav = fit_cavs(
        evidence.features[shuffled[:half]],
        evidence.features[shuffled[half:]],
        method=options.cavs.method,
        num_random_sets=options.cavs.num_random_sets,
        seed=options.seed,
        num_permutations=0,
    )
    directions = [cav.directions] * len(evidence.gradients.videos)
    return score_directions(directions, evidence.gradients, num_bootstrap=1, seed=0)[1]
