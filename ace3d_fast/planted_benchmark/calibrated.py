"""What the preset ``calibrated`` says of one network, beside the truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ace3d_fast.evaluation import (
    evaluated_clips,
    measure_run_motion,
    ranked_concepts,
    verify_members,
    without_halos,
)
from ace3d_fast.planted_benchmark.case import Case, ClassCase, majority
from ace3d_fast.planted_benchmark.truth import BACKGROUND
from ace3d_fast.stages.evaluation import ORDERS, evaluate_concepts
from ace3d_fast.stages.scores import MOTION_SCORES
from ace3d_fast.types import SilentProgress
from ace3d_fast.video.planted import CLASSES, PRIMITIVES

MOTION_PRIMITIVES = ("disc_right", "disc_left", "flicker", "rotating_bar")
SCORES = ("region_effect", "raw_times_retention", "tcav_sign", "tcav_magnitude")


def concept_rows(case: Case) -> pd.DataFrame:
    """A row per tested concept of each class: what it shows, its scores and its verdict."""
    rows = []
    for own in case:
        regions = own.described.regions
        for row in own.tested.concepts.dropna(subset=["region_effect"]).to_dict("records"):
            members = np.flatnonzero((regions["concept"] == row["concept"]).to_numpy())
            primitive = case.primitive_of(members)
            stand = members[
                regions["retention"].to_numpy()[members] >= own.steps.options.scores.min_retention
            ]
            rows.append(
                {
                    "seed": case.seed,
                    "class_name": own.name,
                    "concept": row["concept"],
                    "primitive": _name(primitive),
                    "causal": primitive == CLASSES.index(own.name),
                    "status": row["status"],
                    "p_value": row["p_value"],
                    "retention": row["retention"],
                    **{score: row[score] for score in SCORES},
                    "stands_for": _name(case.primitive_of(stand)),
                    "purity": _purity(case.truth.primitive[stand]),
                    "purity_of_all": _purity(case.truth.primitive[members]),
                }
            )
    return pd.DataFrame(rows)


def matrix_rows(case: Case) -> pd.DataFrame:
    """A row per concept of the shared vocabulary and class."""
    regions = case.shared.regions
    concept = regions["concept"].to_numpy()
    shows = {c: case.primitive_of(np.flatnonzero(concept == c)) for c in case.matrix["concept"].unique()}
    primitive = case.matrix["concept"].map(shows)
    columns = ["concept", "class_name", "status", "p_value", *SCORES]
    return case.matrix[columns].assign(
        seed=case.seed,
        primitive=[_name(p) for p in primitive],
        causal=primitive == case.matrix["class_name"].map(CLASSES.index),
    )


def recovery_rows(case: Case) -> pd.DataFrame:
    """For each class: is its primitive found, and how well do the concept's regions cover it?

    The mask of a class in a clip is the union of all regions, of accepted concepts that show its primitive,
    which stand alone; it is compared with the exact mask in the clips of the videos that score.
    """
    rows = []
    for own in case:
        causal = CLASSES.index(own.name)
        concepts = own.tested.concepts
        accepted = concepts.loc[concepts["status"] == "accepted", "concept"].tolist()
        clips = evaluated_clips(own.described, own.split, case.settings.clips_per_video)
        verify_members(
            own.steps, own.described, own.plan, case.responses, accepted, clips["clip_id"].tolist()
        )
        regions = without_halos(own.described.regions, accepted, own.steps.options.scores.min_retention)
        concept = regions["concept"].to_numpy()
        right = [
            c for c in accepted if majority(case.truth.primitive[np.flatnonzero(concept == c)]) == causal
        ]
        ious = [_iou(case, own, int(i), np.isin(concept, right), causal) for i in clips["clip_id"]]
        rows.append(
            {
                "seed": case.seed,
                "class_name": own.name,
                "hit": bool(right),
                "iou": float(np.nanmean(ious)) if right else 0.0,
                "num_concepts": len(concepts),
                "ami": own.found.ami,
            }
        )
    return pd.DataFrame(rows)


def motion_rows(case: Case) -> pd.DataFrame:
    """Motion dependence of the concepts that pass the gates, and whether their primitive moves."""
    rows = []
    for own in case:
        measure_run_motion(own.steps, own.described, own.tested, own.plan, case.responses)
        concept = own.described.regions["concept"].to_numpy()
        for row in own.tested.concepts.to_dict("records"):
            primitive = _name(case.primitive_of(np.flatnonzero(concept == row["concept"])))
            rows.append(
                {
                    "seed": case.seed,
                    "class_name": own.name,
                    "concept": row["concept"],
                    "primitive": primitive,
                    "causal": primitive in MOTION_PRIMITIVES,
                    "explains": row["status"] == "accepted" and primitive == own.name,
                    **{score: row[score] for score in MOTION_SCORES},
                }
            )
    return pd.DataFrame(rows)


def curve_rows(case: Case) -> pd.DataFrame:
    """Accuracy of each evaluated video, by fill, curve, k and order."""
    rows = []
    for own in case:
        options = own.steps.options
        concepts = own.tested.concepts
        accepted = concepts.loc[concepts["status"] == "accepted", "concept"].tolist()
        clips = evaluated_clips(own.described, own.split, 1)
        clips = clips[: case.settings.evaluated_videos]
        for fill in options.evaluation.fills:
            found = evaluate_concepts(
                ranked_concepts(own.tested, "region_effect"),
                without_halos(own.described.regions, accepted, options.scores.min_retention),
                clips,
                own.steps.probe(fill=fill),
                own.steps.run.read_clip,
                CLASSES.index(own.name),
                options.evaluation,
                seed=case.seed,
                progress=SilentProgress(),
            )
            for video, values in zip(found.videos, found.values[..., 0], strict=True):
                for c, curve in enumerate(("ssc", "sdc")):
                    for k in range(1, values.shape[2]):
                        accuracies = dict(zip(ORDERS, values[c, :, k].tolist(), strict=True))
                        rows.append(
                            {
                                "seed": case.seed,
                                "class_name": own.name,
                                "video": video,
                                "fill": fill,
                                "curve": curve,
                                "k": k,
                                **accuracies,
                            }
                        )
    return pd.DataFrame(rows)


def _name(primitive: int) -> str:
    return "background" if primitive == BACKGROUND else PRIMITIVES[primitive]


def _purity(primitives: NDArray[np.int64]) -> float:
    """Share of (n,) primitives that are the most frequent one; NaN where that is the background."""
    most = majority(primitives)
    return float((primitives == most).mean()) if most != BACKGROUND else float("nan")


def _iou(case: Case, own: ClassCase, clip_id: int, member: NDArray[np.bool_], causal: int) -> float:
    regions = own.described.regions
    rows = np.flatnonzero((regions["clip_id"] == clip_id).to_numpy() & member)
    first = regions[regions["clip_id"] == clip_id].iloc[0]
    clip = case.steps.run.read_clip(str(first["video"]), int(first["clip"]))
    truth = case.truth.masks(str(first["video"]), int(first["clip"]), clip.network_labels.shape[1])[causal]
    if not truth.any():
        return float("nan")
    labels = clip.network_labels.numpy()
    found = np.isin(labels, regions["index"].to_numpy()[rows]).any(axis=0)
    return float((found & truth).sum() / (found | truth).sum())
