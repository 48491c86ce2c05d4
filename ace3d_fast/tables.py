"""The tables of a run folder, put together from the records of the stages."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ace3d_fast.stages.scores import MOTION_SCORES, SCORES, Scored
from ace3d_fast.types import ConceptCav

REGION_COLUMNS = [
    "region",
    "video",
    "label",
    "group",
    "clip_id",
    "clip",
    "start_seconds",
    "resolution",
    "index",
    "num_voxels",
    "t0",
    "t1",
    "y0",
    "y1",
    "x0",
    "x1",
    "concept",
    "distance",
    "effect_deletion",
    "effect_insertion",
    "retention",
    "sensitivity",
]
CONCEPT_COLUMNS = [
    "concept",
    "status",
    "reason",
    "num_regions",
    "num_clips",
    "num_videos",
    "largest_video_share",
    "recurrence",
    "cav_accuracy",
    "cav_accuracy_p",
    "retention",
    "region_effect",
    "effect_deletion",
    "effect_insertion",
    "raw_score",
    "raw_times_retention",
    "tcav_sign",
    "tcav_magnitude",
    "motion_dependence",
    "drop_frozen",
    "drop_shuffled",
    "drop_reversed",
    "p_value",
    "q_value",
    "example_regions",
]


def concept_table(
    kept: pd.DataFrame,
    cavs: Mapping[int, ConceptCav],
    retentions: Mapping[int, float],
    scored: Scored,
    regions: pd.DataFrame,
    *,
    min_retention: float,
    num_examples: int = 8,
) -> pd.DataFrame:
    """A row per concept with its counts, scores and example regions; not judged yet.

    Examples are regions nearest to the concept's centre; those that stand alone come first.
    """
    table = kept.copy()
    concepts = table["concept"].tolist()
    nan = float("nan")
    table["cav_accuracy"] = [cavs[c].cav.accuracy if c in cavs else nan for c in concepts]
    table["cav_accuracy_p"] = [cavs[c].cav.accuracy_p if c in cavs else nan for c in concepts]
    table["retention"] = [retentions.get(c, nan) for c in concepts]
    for score in SCORES:
        table[score] = [scored.scores[c][score].value if c in cavs else nan for c in concepts]
    table[list(MOTION_SCORES)] = nan
    table["example_regions"] = [_examples(regions, c, num_examples, min_retention) for c in concepts]
    return table


def score_table(scored: Scored, judged: pd.DataFrame, class_name: str) -> pd.DataFrame:
    """A row per concept and score, with interval, p and, for the score that was tested, q."""
    q_values = dict(zip(judged["concept"], judged["q_value"], strict=True))
    rows = []
    for concept, scores in sorted(scored.scores.items()):
        for name, score in scores.items():
            q = q_values[concept] if name == scored.tested else float("nan")
            rows.append((concept, class_name, name, score.value, score.low, score.high, score.p_value, q))
    columns = ["concept", "class_name", "score", "value", "low", "high", "p_value", "q_value"]
    return pd.DataFrame(rows, columns=columns).astype({"concept": np.int32})


def add_motion(
    concepts: pd.DataFrame, scores: pd.DataFrame, motion: pd.DataFrame, class_name: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of concepts and of scores with what `ace3d_fast.stages.motion` measured."""
    wide = motion.pivot_table(index="concept", columns="score", values="value", dropna=False)
    by_concept = {name: concepts["concept"].map(wide[name]) for name in MOTION_SCORES if name in wide}
    untested = motion.assign(class_name=class_name, p_value=float("nan"), q_value=float("nan"))
    more = untested[scores.columns].astype({"concept": np.int32})
    joined = pd.concat([scores, more], ignore_index=True) if len(more) else scores
    return concepts.assign(**by_concept), joined


def region_table(
    regions: pd.DataFrame,
    region_gradients: NDArray[np.float32],
    cavs: Mapping[int, ConceptCav],
    effects: Mapping[str, NDArray[np.float32]],
) -> pd.DataFrame:
    """The region table with effects and, for members of tested concepts, ``sensitivity``.

    ``sensitivity`` is the directional derivative inside the region: ``sum_p M_r(p) dA(p) · v``.
    """
    concept = regions["concept"].to_numpy()
    sensitivity = np.full(len(regions), np.nan, dtype=np.float32)
    for name, cav in cavs.items():
        rows = concept == name
        sensitivity[rows] = region_gradients[rows] @ cav.cav.mean_direction
    blank = np.full(len(regions), np.nan, dtype=np.float32)
    return regions.assign(
        region=np.arange(len(regions), dtype=np.int32),
        effect_deletion=effects.get("effect_deletion", blank),
        effect_insertion=effects.get("effect_insertion", blank),
        sensitivity=sensitivity,
    )[REGION_COLUMNS]


def _examples(regions: pd.DataFrame, concept: int, most: int, min_retention: float) -> list[int]:
    """Rows nearest to the concept's centre, drawn in turn from each video, one a clip while they last."""
    mine = regions[regions["concept"] == concept]
    mine = mine.assign(halo=~(mine["retention"] >= min_retention)).sort_values(
        ["halo", "distance"], kind="stable"
    )
    again = mine.groupby(["halo", "clip_id"]).cumcount()
    turn = mine.assign(again=again).groupby(["halo", "video"]).cumcount()
    order = np.lexsort([mine["distance"], turn, again, mine["halo"]])
    return [int(row) for row in mine.index[order][:most]]
