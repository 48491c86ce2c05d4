"""Stability over seeds, pooled against masked features, randomised networks, and shortcuts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr

from ace3d_fast import trials
from ace3d_fast.learn.significance import mean_pairwise_cosine
from ace3d_fast.models.planted import planted_accuracy, train_planted_network
from ace3d_fast.planted_benchmark.case import Case, ClassCase, measure_case
from ace3d_fast.planted_benchmark.settings import Settings
from ace3d_fast.video.planted import CLASSES, PRIMITIVES, write_planted_videos

NUM_SANITY_MEMBERS = 6

Rows = NDArray[np.int64]


def stability_rows(case: Case) -> pd.DataFrame:
    """For each class and pair of clustering seeds: matched cosine of directions, AMI, Spearman of scores."""
    parts = [
        trials.stability_rows(
            own.steps, own.described, own.tested, own.split, num_seeds=case.settings.cluster_seeds
        ).assign(seed=case.seed, class_name=own.name)
        for own in case
    ]
    return pd.concat(parts, ignore_index=True)


def pooled_rows(case: Case) -> pd.DataFrame:
    """Raw score of each concept from pooled and from masked features, and whether it passes the gate.

    ``vocabulary`` is ``class``, each concept scored for its own class, or ``shared``, each for all classes.
    """
    rows = []
    for own in case:
        negatives = own.plan.negatives
        kept = own.tested.concepts.dropna(subset=["region_effect"]).set_index("concept")["retention"]
        for name, retention in kept.items():
            members = own.plan.members[int(str(name))]
            rows.append([own.name, "class", *_raw_scores(case, own, members, negatives), retention])
    plan, concept = case.shared_plan, case.shared.regions["concept"].to_numpy()
    kept = case.matrix.groupby("concept")["retention"].first()
    for own in case:
        for name, retention in kept.items():
            others = plan.alone[concept[plan.alone] != name]
            members = plan.members[int(str(name))]
            rows.append([own.name, "shared", *_raw_scores(case, own, members, others), retention])
    columns = ["class_name", "vocabulary", "pooled", "masked", "retention"]
    found = pd.DataFrame(rows, columns=columns)
    return found.assign(seed=case.seed, stands=found["retention"] >= case.steps.options.scores.min_retention)


def _raw_scores(case: Case, own: ClassCase, members: Rows, negatives: Rows) -> list[float]:
    gradient = own.steps.gradients(own.described, own.name, own.split.score).mean.mean(axis=0)
    return [
        float((values[members].mean(axis=0) - values[negatives].mean(axis=0)) @ gradient)
        for values in (case.base.features, case.responses.features)
    ]


def saturation_rows(case: Case) -> pd.DataFrame:
    """For each class the cosine between clips' gradients, and the share of null sets signed 0 or 1."""
    rows = []
    for own in case:
        mine = (own.described.clips["label"] == own.name).to_numpy()
        rows.append(
            {
                "seed": case.seed,
                "class_name": own.name,
                "gradient_cosine": mean_pairwise_cosine(own.described.gradients[mine]),
                "null_saturation": own.tested.facts["null_saturation"],
            }
        )
    return pd.DataFrame(rows)


def sanity_rows(case: Case) -> pd.DataFrame:
    """Spearman of the region effects with those of other networks and other labels.

    The network is randomised from the head down, part after part; ``labels`` scores every concept for the
    class that follows its own.
    """
    rows = [{"seed": case.seed, "randomised": "labels", "spearman": _other_labels(case)}]
    members = [
        (own.steps.class_index, own.plan.members[c][:NUM_SANITY_MEMBERS])
        for own in case
        for c in own.tested.concepts.dropna(subset=["region_effect"])["concept"]
    ]
    regions = np.unique(np.concatenate([here for _, here in members]))
    before: NDArray[np.float64] = np.zeros(0)
    for name, effects in trials.randomised_insertions(
        case.steps, case.base, regions, range(len(CLASSES)), seed=case.steps.options.seed
    ):
        means = np.array([effects[np.searchsorted(regions, here), k].mean() for k, here in members])
        if name:
            rank = float(spearmanr(before, means).statistic)
            rows.append({"seed": case.seed, "randomised": name, "spearman": rank})
        else:
            before = means
    return pd.DataFrame(rows)


def _other_labels(case: Case) -> float:
    pairs = []
    for own in case:
        index = own.steps.class_index
        mine, other = (
            case.responses.effects(i)["region_effect"] for i in (index, (index + 1) % len(CLASSES))
        )
        for c in own.tested.concepts.dropna(subset=["region_effect"])["concept"]:
            rows = np.intersect1d(own.plan.members[c], own.plan.removed)
            pairs.append((float(mine[rows].mean()), float(other[rows].mean())))
    return float(spearmanr(*np.array(pairs).T).statistic)


def tag_rows(seed: int, settings: Settings, folder: Path, *, used: bool) -> pd.DataFrame:
    """Is a corner tag reported where the network uses it, and only there?

    Parameters
    ----------
    seed : int
    settings : Settings
    folder : Path
    used : bool
        Train on clips whose tag tells the class, 30 % of them without the class's own primitive; else on
        clips with a random tag. Either network is explained on videos in which 90 % of the tags agree.

    Returns
    -------
    DataFrame
        For each class the rank of the best concept that shows the tag, whether it was accepted, and its
        effect; and the network's accuracy on these videos and on others with random tags.
    """
    agreement = 1.0 if used else 0.0
    net = train_planted_network(
        seed, num_steps=settings.num_steps, tag_agreement=agreement, drop_causal=0.3 * agreement
    )
    sizes = {"videos_per_class": settings.videos_per_class, "seed": seed}
    more = {"clips_per_video": settings.clips_per_video}
    videos = write_planted_videos(folder, **sizes, **more, tag_agreement=0.9)
    random_tags = write_planted_videos(folder / "random", **sizes, tag_agreement=0.0)
    case = measure_case(seed, settings, folder, net, videos)
    random_accuracy = planted_accuracy(net, random_tags)
    rows = []
    for own in case:
        concept = own.described.regions["concept"].to_numpy()
        table = own.tested.concepts.dropna(subset=["region_effect"])
        ranked = table.sort_values("region_effect", ascending=False, ignore_index=True)
        shows = [
            case.primitive_of(np.flatnonzero(concept == c)) == PRIMITIVES.index("corner_tag")
            for c in ranked["concept"]
        ]
        best = ranked[shows].head(1)
        bounds = own.tested.scores[own.tested.scores["score"] == "region_effect"].set_index("concept")
        of_best = bounds.reindex(best["concept"])
        rows.append(
            {
                "seed": seed,
                "class_name": own.name,
                "used": used,
                "accuracy": case.accuracy,
                "accuracy_random_tag": random_accuracy,
                "rank": float(best.index[0]) + 1 if len(best) else np.nan,
                "accepted": bool((best["status"] == "accepted").any()),
                "effect": float(best["region_effect"].sum()) if len(best) else np.nan,
                "low": float(of_best["low"].iloc[0]) if len(best) else np.nan,
                "high": float(of_best["high"].iloc[0]) if len(best) else np.nan,
            }
        )
    return pd.DataFrame(rows)
