"""Null concepts: sets of regions drawn at random, put through every test."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ace3d_fast.learn.cavs import fit_cavs
from ace3d_fast.learn.scores import ClassGradients, score_directions
from ace3d_fast.learn.significance import benjamini_hochberg, paired_t_p
from ace3d_fast.planted_benchmark.case import Case
from ace3d_fast.trials import null_tests

Rows = NDArray[np.int64]


def null_rows(case: Case, *, published: bool = False) -> pd.DataFrame:
    """p-values of null concepts: see `null_tests`.

    ``p_effect`` tests the region effect of regions of videos that score, ``p_raw`` the raw score of regions
    of videos that train. With ``published`` also ``p_published``, the t-test of the published recipe, for
    the same regions as ``p_raw``. ``q_effect`` and ``q_raw`` are adjusted within the network.
    """
    parts = []
    for number, own in enumerate(case):
        rng = np.random.default_rng([case.seed, number])
        found, drawn = null_tests(
            own.steps,
            own.described,
            own.split,
            own.plan,
            case.responses,
            num_nulls=case.settings.nulls_per_class,
            rng=rng,
        )
        if published:
            gradients = own.steps.gradients(own.described, own.name, own.split.score)
            negatives = own.plan.negatives
            base = _signs(case, negatives[::2], negatives[1::2], gradients, rng)
            signs = [_signs(case, rows, negatives, gradients, rng) for rows in drawn]
            found["p_published"] = [paired_t_p(sign, base) for sign in signs]
            found["sign"] = [float(sign.mean()) for sign in signs]
        parts.append(found.assign(seed=case.seed, class_name=own.name))
    table = pd.concat(parts, ignore_index=True)
    for name in ("effect", "raw"):
        table[f"q_{name}"] = benjamini_hochberg(table[f"p_{name}"].to_numpy(np.float64))
    return table


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
