"""Null concepts: sets of regions drawn at random, put through every test."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ace3d_fast.learn.cavs import fit_cavs
from ace3d_fast.learn.scores import ClassGradients, score_directions, score_effect, score_raw
from ace3d_fast.learn.significance import benjamini_hochberg, paired_t_p
from ace3d_fast.planted_benchmark.case import Case

NULL_SIZE = 16
NUM_PERMUTATIONS = 999

Rows = NDArray[np.int64]


def null_rows(case: Case, *, published: bool = False) -> pd.DataFrame:
    """p-values of null concepts: `NULL_SIZE` regions each, of any size and place, from at least four videos.

    ``p_effect`` tests the region effect of regions of videos that score, ``p_raw`` the raw score of regions
    of videos that train. With ``published`` also ``p_published``, the t-test of the published recipe, for
    the same regions as ``p_raw``. ``q_effect`` and ``q_raw`` are adjusted within the network.
    """
    rows = []
    for number, own in enumerate(case):
        rng = np.random.default_rng([case.seed, number])
        regions, plan = own.described.regions, own.plan
        video, size = regions["video"].to_numpy(), regions["num_voxels"].to_numpy()
        effects = case.responses.effects(own.steps.class_index)
        effect = {"region_effect": effects["region_effect"]}
        gradients = own.steps.gradients(own.described, own.name, own.split.score)
        pool = np.flatnonzero(np.isin(video, sorted(own.split.train)))
        repeats = {"num_bootstrap": 1, "num_permutations": NUM_PERMUTATIONS}
        random_signs = _signs(case, plan.negatives[::2], plan.negatives[1::2], gradients, rng)
        for draw in range(case.settings.nulls_per_class):
            repeats["seed"] = draw
            scored = _draw(plan.removed, video, rng)
            trained = _draw(pool, video, rng)
            found = score_effect(effect, video, size, scored, plan.removed, **repeats)
            raw, _ = score_raw(
                own.described.features, size, trained, pool, plan.negatives, gradients, **repeats
            )
            row = {
                "seed": case.seed,
                "class_name": own.name,
                "p_effect": found["region_effect"].p_value,
                "p_raw": raw.p_value,
            }
            if published:
                signs = _signs(case, trained, plan.negatives, gradients, rng)
                row["p_published"] = paired_t_p(signs, random_signs)
                row["sign"] = float(signs.mean())
            rows.append(row)
    table = pd.DataFrame(rows)
    for name in ("effect", "raw"):
        table[f"q_{name}"] = benjamini_hochberg(table[f"p_{name}"].to_numpy(np.float64))
    return table


def _draw(pool: Rows, video: NDArray[np.object_], rng: np.random.Generator) -> Rows:
    names = np.unique(video[pool])
    some = rng.choice(names, size=min(len(names), int(rng.integers(4, 9))), replace=False)
    there = pool[np.isin(video[pool], some)]
    return np.sort(rng.choice(there, size=min(NULL_SIZE, len(there)), replace=False))


def _signs(
    case: Case, members: Rows, negatives: Rows, gradients: ClassGradients, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Sign scores of ``members`` against random sets of ``negatives``."""
    cav = fit_cavs(
        case.base.features[members],
        case.base.features[negatives],
        method="sgd",
        num_random_sets=10,
        seed=int(rng.integers(2**31)),
        num_permutations=0,
    )
    directions = [cav.directions] * len(gradients.videos)
    return score_directions(directions, gradients, num_bootstrap=1, seed=0)[1]
