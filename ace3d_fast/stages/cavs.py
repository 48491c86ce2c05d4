"""concepts → CAVs: directions of the layer, their accuracy, and the retention gate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ace3d_fast.config import CavOptions
from ace3d_fast.learn.cavs import cross_fit_directions, fit_cavs
from ace3d_fast.rows import KnownRows, is_among
from ace3d_fast.types import ConceptCav

Rows = NDArray[np.int64]
Features = NDArray[np.float32] | KnownRows


def fit_concept_cavs(
    features: Features,
    regions: pd.DataFrame,
    members: Mapping[int, Rows],
    negatives: Rows,
    options: CavOptions,
    *,
    train: frozenset[str],
    leave_one_out: bool,
    seed: int,
) -> dict[int, ConceptCav]:
    """Fit a direction for each concept against one shared pool of counterexamples.

    Parameters
    ----------
    features : (R, C) float32
        One row per region; only those of ``members`` and ``negatives`` are read.
    regions : DataFrame
        With ``video`` and ``group``.
    members : dict of int to (n,) int64
        Rows of each concept.
    negatives : (n,) int64
        Rows of the counterexamples.
    options : CavOptions
    train : frozenset of str
        Videos whose members fit the directions.
    leave_one_out : bool
        Fit, for each group, a direction without it too.
    seed : int

    Returns
    -------
    dict of int to ConceptCav
        Without the concepts that have no member in ``train``.
    """
    video, group = regions["video"].to_numpy(), regions["group"].to_numpy()
    fitted = {}
    for concept, rows in members.items():
        used = rows[is_among(video[rows], train)]
        if not len(used):
            continue
        sides = (features[used], features[negatives])
        groups = (group[used], group[negatives])
        cav = fit_cavs(
            *sides,
            method=options.method,
            num_random_sets=options.num_random_sets,
            seed=seed + concept,
            groups_positive=groups[0],
            groups_negative=groups[1],
            num_permutations=options.num_accuracy_permutations,
        )
        left_out: dict[str, NDArray[np.float32]] = {}
        if leave_one_out:
            left_out = cross_fit_directions(*sides, *groups, method=options.method, seed=seed + concept)
        fitted[concept] = ConceptCav(cav, left_out)
    return fitted


def retention(
    pooled: NDArray[np.float32],
    alone: Features,
    rows: Rows,
    negatives: Rows,
    *,
    num_members: int,
    distance: NDArray[np.float32],
) -> float:
    """How much of a concept's feature is left when its regions stand alone.

    ``((z_alone - z̄_alone) · v) / ((z_pooled - z̄_pooled) · v)``, summed over the ``num_members`` regions
    nearest to the concept's centre before the division; v is the concept's direction among pooled
    features and z̄ the mean of the counterexamples. A region that only borrowed its feature from a
    neighbour, through the receptive field, keeps little.

    Parameters
    ----------
    pooled, alone : (R, C) float32
    rows, negatives : (n,) int64
        The concept's members that were forwarded alone, and the counterexamples.
    num_members : int
    distance : (R,) float32
        Of each region to its concept's centre.
    """
    chosen = rows[np.argsort(distance[rows], kind="stable")[:num_members]]
    v = pooled[rows].mean(axis=0) - pooled[negatives].mean(axis=0)
    whole = ((pooled[chosen] - pooled[negatives].mean(axis=0)) @ v).sum()
    left = ((alone[chosen] - alone[negatives].mean(axis=0)) @ v).sum()
    return float(left / whole) if whole > 0 else float("nan")


def member_retention(
    pooled: NDArray[np.float32],
    alone: Features,
    members: Rows,
    negatives: Rows,
    rows: Rows,
) -> NDArray[np.float32]:
    """How much of the concept's feature is left in each of ``rows``, (n,) float32, when it stands alone.

    As `retention`, but of single regions, relative to the mean over all ``members``: a cluster of objects
    holds a few regions beside them too.

    Parameters
    ----------
    pooled, alone : (R, C) float32
    members, negatives, rows : (n,) int64
        The concept's regions that define its direction, the counterexamples, and the regions asked about;
        all were forwarded alone.
    """
    v = pooled[members].mean(axis=0) - pooled[negatives].mean(axis=0)
    whole = float(((pooled[members] - pooled[negatives].mean(axis=0)) @ v).mean())
    if not whole > 0:
        return np.full(len(rows), np.nan, dtype=np.float32)
    return np.asarray((alone[rows] - alone[negatives].mean(axis=0)) @ v / whole, dtype=np.float32)
