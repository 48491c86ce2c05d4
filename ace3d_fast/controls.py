"""Controls of one explanation: other scorers, muFidelity, Sobol indices, curves in the layer's space."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ace3d_fast.described import Described
from ace3d_fast.evaluation import evaluated_clips, ranked_concepts, without_halos
from ace3d_fast.learn.significance import bootstrap_mean, bootstrap_spearman
from ace3d_fast.learn.splits import Split
from ace3d_fast.models.attributions import SLOPES, clip_slopes, region_attributions
from ace3d_fast.rows import is_among
from ace3d_fast.stages.effects import ForwardPlan, RegionResponses
from ace3d_fast.stages.fidelity import concept_sobol, latent_curves, region_fidelity
from ace3d_fast.steps import Steps, Tested
from ace3d_fast.types import SegmentedClip

NUM_RANDOM_ORDERS = 5
SAMPLE_SHARE = 0.05
MIN_SAMPLE = 20
MAX_SAMPLE = 400
NUM_DRAWS = 1000
Floats = NDArray[np.float64]


def scorer_rows(
    steps: Steps, described: Described, tested: Tested, split: Split, plan: ForwardPlan
) -> pd.DataFrame:
    """Score every tested concept by other slopes than the gradient's, times retention.

    Returns
    -------
    DataFrame
        Columns ``concept``, ``scorer`` and ``value``. ``margin`` and ``integrated_gradients`` are slopes
        of `clip_slopes`, summed over the clip, along the difference between the concept's features and the
        counterexamples'; ``gradient_x_activation`` is what the concept's regions contribute. Means over
        one clip of each video that scores.
    """
    regions = described.regions
    clips = evaluated_clips(described, split, 1)
    slopes: dict[str, list[Floats]] = defaultdict(list)
    contributed = np.full(len(regions), np.nan)
    for row, clip in zip(clips.to_dict("records"), _load(steps, clips), strict=True):
        network, frames = steps.network, clip.clip.network_frames
        for name, slope in clip_slopes(network, frames, steps.class_index)[1].items():
            slopes[name].append(slope.double().sum((1, 2, 3)).numpy())
        here = np.flatnonzero((regions["clip_id"] == row["clip_id"]).to_numpy())
        found = region_attributions(network, clip, steps.class_index)["gradient_x_activation"].numpy()
        contributed[here] = found[regions["index"].to_numpy()[here]]
    mean = {name: np.mean(parts, axis=0) for name, parts in slopes.items()}
    concept, video = regions["concept"].to_numpy(), regions["video"].to_numpy()
    trained = is_among(video, split.train)
    base = described.features[plan.negatives].astype(np.float64).mean(axis=0)
    rows = []
    for name, kept in _tested(tested)[["concept", "retention"]].itertuples(index=False):
        members = described.features[trained & (concept == name)].astype(np.float64)
        values = {s: float((members.mean(axis=0) - base) @ mean[s]) for s in SLOPES if s != "gradient"}
        mine = contributed[(concept == name) & np.isfinite(contributed)]
        values["gradient_x_activation"] = float(mine.mean()) if len(mine) else np.nan
        rows += [{"concept": name, "scorer": s, "value": value * kept} for s, value in values.items()]
    return pd.DataFrame(rows, columns=["concept", "scorer", "value"])


def fidelity_rows(
    steps: Steps, described: Described, split: Split, *, num_clips: int, num_subsets: int
) -> pd.DataFrame:
    """`region_fidelity` of ``num_clips`` videos that score: ``video``, ``attribution``, ``mu_fidelity``."""
    clips = evaluated_clips(described, split, 1)[:num_clips]
    rows = []
    for row, clip in zip(clips.to_dict("records"), _load(steps, clips), strict=True):
        found = region_fidelity(
            clip, steps.probe(), steps.class_index, num_subsets=num_subsets, seed=steps.options.seed
        )
        rows += [{"video": row["video"], "attribution": n, "mu_fidelity": v} for n, v in found.items()]
    return pd.DataFrame(rows)


def sobol_rows(
    steps: Steps, described: Described, tested: Tested, split: Split, *, num_clips: int, num_draws: int
) -> pd.DataFrame:
    """Mean total Sobol index of every tested concept, over ``num_clips`` videos: ``concept``, ``sobol``."""
    names = _tested(tested)["concept"].tolist()
    accepted = tested.concepts.loc[tested.concepts["status"] == "accepted", "concept"].tolist()
    regions = without_halos(described.regions, accepted, steps.options.scores.min_retention)
    clips = evaluated_clips(described, split, 1)[:num_clips]
    found = []
    for row, clip in zip(clips.to_dict("records"), _load(steps, clips), strict=True):
        here = regions[regions["clip_id"] == row["clip_id"]]
        members = [here.loc[here["concept"] == name, "index"].tolist() for name in names]
        found.append(
            concept_sobol(
                clip,
                steps.probe(),
                steps.class_index,
                members,
                num_draws=num_draws,
                seed=steps.options.seed,
            )
        )
    mean = pd.DataFrame(found, columns=names).mean() if found else pd.Series(dtype=float)
    return pd.DataFrame({"concept": names, "sobol": mean.reindex(names).to_numpy()})


def latent_rows(
    steps: Steps, described: Described, tested: Tested, split: Split, *, num_clips: int
) -> pd.DataFrame:
    """C-insertion and C-deletion of up to ``num_clips`` videos that score.

    Returns
    -------
    DataFrame
        ``video``, ``curve``, ``order`` (``top``, ``least``, or ``random``: the mean of five), ``k`` and
        ``accuracy``.
    """
    ranking = ranked_concepts(tested, "region_effect")
    rng = np.random.default_rng(steps.options.seed)
    most = min(len(ranking), steps.options.evaluation.max_concepts)
    direction = {c: tested.cavs[f"concept_{c:02d}"].astype(np.float64).mean(axis=0) for c in ranking}
    orders = {"top": ranking, "least": ranking[::-1]}
    orders |= {f"random {i}": rng.permutation(ranking).tolist() for i in range(NUM_RANDOM_ORDERS)}
    stacks = {name: np.stack([direction[c] for c in order[:most]]) for name, order in orders.items() if most}
    clips = evaluated_clips(described, split, 1)[: num_clips if stacks else 0]
    rows = []
    for row, clip in zip(clips.to_dict("records"), _load(steps, clips), strict=True):
        found = latent_curves(steps.network, clip.clip.network_frames, stacks, steps.class_index)
        for (curve, order, k), right in found.items():
            rows.append([row["video"], curve, order.split()[0], k, float(right)])
    columns = ["video", "curve", "order", "k"]
    return pd.DataFrame(rows, columns=[*columns, "accuracy"]).groupby(columns, as_index=False).mean()


def sampled_regions(steps: Steps, described: Described) -> ForwardPlan:
    """A plan that forwards alone 5 % of the explained classes' regions, at random: 20 to 400."""
    mine = np.flatnonzero(described.regions["label"].isin(list(steps.classes)))
    size = min(len(mine), max(MIN_SAMPLE, min(MAX_SAMPLE, round(SAMPLE_SHARE * len(mine)))))
    rows = np.sort(np.random.default_rng(steps.options.seed).choice(mine, size, replace=False))
    return ForwardPlan({}, rows, rows[:0], rows[:0])


def pooled_against_masked(
    steps: Steps, described: Described, responses: RegionResponses, rows: NDArray[np.int64], split: Split
) -> dict[str, float]:
    """How far features pooled from whole clips are those of the regions themselves.

    Returns
    -------
    dict of str to float
        ``num_regions``; ``cosine`` between the pooled feature, centred per clip, and that of the region alone
        minus the fill's, mean over videos, with ``cosine_low`` and ``cosine_high``; ``spearman`` of both
        features' products with the class's mean gradient, with ``spearman_low`` and ``spearman_high``. 95 %
        bootstraps over videos; NaN where fewer than two videos hold ``rows``.
    """
    gradient = steps.gradients(described, steps.options.target_class, split.score).mean.mean(axis=0)
    pooled, masked = (x[rows].astype(np.float64) for x in (described.features, responses.features))
    norms = np.linalg.norm(pooled, axis=1) * np.linalg.norm(masked, axis=1)
    cosine = (pooled * masked).sum(axis=1) / np.maximum(norms, 1e-12)
    video = described.regions["video"].to_numpy()[rows]
    by_video = [np.flatnonzero(video == name) for name in sorted(set(video))]
    draws = {"num_draws": NUM_DRAWS, "seed": steps.options.seed}
    mean, low, high = bootstrap_mean([cosine[here] for here in by_video], **draws)
    scores = np.stack([pooled @ gradient, masked @ gradient])
    rank, rank_low, rank_high = bootstrap_spearman([scores[:, here] for here in by_video], **draws)
    return {
        "num_regions": len(rows),
        "cosine": mean,
        "cosine_low": low,
        "cosine_high": high,
        "spearman": rank,
        "spearman_low": rank_low,
        "spearman_high": rank_high,
    }


def _tested(tested: Tested) -> pd.DataFrame:
    return tested.concepts.dropna(subset=["region_effect"])


def _load(steps: Steps, clips: pd.DataFrame) -> list[SegmentedClip]:
    names = zip(clips["video"], clips["clip"], strict=True)
    return [steps.run.read_clip(str(video), int(clip)) for video, clip in names]
