"""shared concepts → the concept × class matrix: every concept of one vocabulary scored for every class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ace3d_fast.config import RunOptions
from ace3d_fast.learn.scores import ClassGradients, score_directions, score_effect
from ace3d_fast.learn.significance import benjamini_hochberg
from ace3d_fast.types import ConceptCav

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]
NAN = float("nan")
EFFECTS = ("region_effect", "effect_deletion", "effect_insertion")
MATRIX_COLUMNS = [
    "concept",
    "class_name",
    "status",
    "num_regions",
    "retention",
    "cav_accuracy_p",
    "region_effect",
    "low",
    "high",
    "effect_deletion",
    "effect_insertion",
    "raw_times_retention",
    "tcav_sign",
    "tcav_magnitude",
    "p_value",
    "q_value",
]


@dataclass(frozen=True)
class SharedConcept:
    """One concept of a shared vocabulary.

    Attributes
    ----------
    members : (n,) int64
        Its regions that were forwarded, of all classes.
    negatives : (m,) int64
        Regions of other concepts, forwarded too.
    cav : ConceptCav
    retention : float
    """

    members: Rows
    negatives: Rows
    cav: ConceptCav
    retention: float


def score_matrix(
    concepts: Mapping[int, SharedConcept],
    regions: pd.DataFrame,
    features: Floats,
    effects: Mapping[str, Mapping[str, Floats]],
    removed: Rows,
    gradients: Mapping[str, ClassGradients],
    options: RunOptions,
) -> pd.DataFrame:
    """Score every concept for every class; all cells that are tested form one Benjamini-Hochberg family.

    Parameters
    ----------
    concepts : dict of int to SharedConcept
    regions : DataFrame
        With ``video`` and ``num_voxels``.
    features : (R, C) float32
        Pooled features.
    effects : dict of str to dict of str to (R,) float32
        For each class the effects of single regions on its margin, whatever video they are in.
    removed : (n,) int64
        Rows with finite effects.
    gradients : dict of str to ClassGradients
        For each class the gradients of its own logit in its own videos: one pass for all classes.
    options : RunOptions

    Returns
    -------
    DataFrame
        A row per concept and class; columns `MATRIX_COLUMNS`. ``low`` and ``high`` bound the region effect.
    """
    video, size = regions["video"].to_numpy(), regions["num_voxels"].to_numpy()
    repeats = {"num_bootstrap": options.evaluation.num_bootstrap, "seed": options.seed}
    rows: list[dict[str, object]] = []
    for name, concept in concepts.items():
        members = np.intersect1d(concept.members, removed)
        kinds = {f"{c} {kind}": effects[c][kind] for c in effects for kind in EFFECTS}
        scores = score_effect(
            kinds, video, size, members, removed, num_permutations=options.scores.num_permutations, **repeats
        )
        difference = features[concept.members].mean(axis=0) - features[concept.negatives].mean(axis=0)
        for class_name, slopes in gradients.items():
            directions = [concept.cav.directions(str(group)) for group in slopes.groups]
            tcav, _ = score_directions(directions, slopes, **repeats)
            effect = scores[f"{class_name} region_effect"]
            rows.append(
                {
                    "concept": name,
                    "class_name": class_name,
                    "num_regions": len(members),
                    "retention": concept.retention,
                    "cav_accuracy_p": concept.cav.cav.accuracy_p,
                    **{kind: scores[f"{class_name} {kind}"].value for kind in EFFECTS},
                    "low": effect.low,
                    "high": effect.high,
                    "raw_times_retention": float((slopes.mean @ difference).mean()) * concept.retention,
                    "tcav_sign": tcav["tcav_sign"].value,
                    "tcav_magnitude": tcav["tcav_magnitude"].value,
                    "p_value": effect.p_value,
                }
            )
    table = pd.DataFrame(rows, columns=[c for c in MATRIX_COLUMNS if c not in ("status", "q_value")])
    table["q_value"] = benjamini_hochberg(table["p_value"].to_numpy(np.float64))
    table["status"] = _statuses(table, options)
    order = ["region_effect", "concept"]
    table = table.sort_values(order, ascending=[False, True], kind="stable", ignore_index=True)
    return table[MATRIX_COLUMNS].astype({"concept": np.int32, "num_regions": np.int32})


def _statuses(table: pd.DataFrame, options: RunOptions) -> NDArray[np.object_]:
    stands = table["retention"].to_numpy() >= options.scores.min_retention
    told = table["cav_accuracy_p"].to_numpy() <= options.cavs.max_accuracy_p
    tested = table["q_value"].notna().to_numpy()
    sure = table["q_value"].to_numpy() <= options.scores.max_q
    found = np.where(sure, "accepted", "not_significant").astype(object)
    found[~(told & tested)] = "rejected"
    found[~stands] = "context"
    return found
