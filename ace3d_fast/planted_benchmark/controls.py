"""Stability over seeds, pooled against masked features, randomised networks, and shortcuts."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import nn

from ace3d_fast.learn.clusters import fit_clusters
from ace3d_fast.learn.significance import mean_pairwise_cosine
from ace3d_fast.learn.stability import match_directions
from ace3d_fast.models.planted import planted_accuracy, train_planted_network
from ace3d_fast.models.probe import margins
from ace3d_fast.planted_benchmark.case import Case, ClassCase, build_network, measure_case
from ace3d_fast.planted_benchmark.settings import Settings
from ace3d_fast.video.planted import CLASSES, PRIMITIVES, write_planted_videos

NUM_SANITY_MEMBERS = 6

Rows = NDArray[np.int64]


def stability_rows(case: Case) -> pd.DataFrame:
    """For each class and pair of clustering seeds: matched cosine of directions, AMI, Spearman of scores."""
    from sklearn.metrics import adjusted_mutual_info_score

    rows = []
    for own in case:
        discover = own.described.regions["video"].isin(own.split.discover).to_numpy()
        x = own.described.features[discover].astype(np.float64)
        gradient = own.steps.gradients(own.described, own.name, own.split.score).mean.mean(axis=0)
        k = len(own.tested.concepts)
        fits = [fit_clusters(x, k, seed=seed) for seed in range(case.settings.cluster_seeds)]
        for a, b in combinations(fits, 2):
            cosine, order = match_directions(a.centers, b.centers)
            scores = a.centers @ gradient, b.centers[order] @ gradient
            rows.append(
                {
                    "seed": case.seed,
                    "class_name": own.name,
                    "cosine": float(cosine.mean()),
                    "ami": float(adjusted_mutual_info_score(a.labels, b.labels)),
                    "spearman": float(spearmanr(*scores).statistic),
                }
            )
    return pd.DataFrame(rows)


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
    module = case.network.module
    original = {name: value.clone() for name, value in module.state_dict().items()}
    members = {
        (own.name, int(c)): own.plan.members[c][:NUM_SANITY_MEMBERS]
        for own in case
        for c in own.tested.concepts.dropna(subset=["region_effect"])["concept"]
    }
    before = _insertions(case, members)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(case.seed)
            for name in ("head", "conv5", "conv4", "conv3", "conv2", "conv1"):
                _randomise(module.get_submodule(name))
                after = _insertions(replace(case, network=build_network(module)), members)
                rows.append(
                    {
                        "seed": case.seed,
                        "randomised": name,
                        "spearman": float(spearmanr(before, after).statistic),
                    }
                )
    finally:
        module.load_state_dict(original)
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


def _insertions(case: Case, members: dict[tuple[str, int], np.ndarray]) -> np.ndarray:
    """Mean margin of regions shown alone, minus that of the fill, for each concept."""
    probe = replace(case.steps.probe(), network=case.network)
    regions, found = case.base.regions, []
    for (class_name, _), rows in members.items():
        values = []
        for _, region in regions.iloc[rows].iterrows():
            clip = case.steps.run.read_clip(str(region["video"]), int(region["clip"]))
            logits = probe.alone(clip, [[], [int(region["index"])]]).logits
            blank, alone = margins(logits, [CLASSES.index(class_name)])[:, 0]
            values.append(alone - blank)
        found.append(float(np.mean(values)))
    return np.array(found)


def _randomise(part: nn.Module) -> None:
    for module in part.modules():
        if isinstance(module, nn.Conv3d | nn.Linear | nn.BatchNorm3d):
            module.reset_parameters()


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
