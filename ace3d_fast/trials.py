"""Trials of one explanation: null concepts, other seeds, randomised networks; all controls in a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import nn

from ace3d_fast.controls import fidelity_rows, latent_rows
from ace3d_fast.described import Described
from ace3d_fast.learn.clusters import fit_clusters
from ace3d_fast.learn.scores import Score, score_effect, score_raw
from ace3d_fast.learn.significance import bootstrap_mean, bootstrap_spearman
from ace3d_fast.learn.splits import Split
from ace3d_fast.learn.stability import match_directions
from ace3d_fast.models.network import Network
from ace3d_fast.models.probe import Probe, margins
from ace3d_fast.rows import draw_rows, is_among
from ace3d_fast.stages.concepts import MAX_CLUSTERED_ROWS
from ace3d_fast.stages.effects import ForwardPlan, RegionResponses
from ace3d_fast.steps import Steps, Tested

NULL_SIZE = 16
LEVEL = 0.05
NUM_NULLS = 60
NUM_SEEDS = 5
NUM_CLIPS = 6
NUM_SUBSETS = 100
NUM_RANDOMISED = 3
NUM_RANDOMISED_REGIONS = 60
CONTROL_COLUMNS = ["measure", "of", "value", "low", "high", "num"]

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


def null_tests(
    steps: Steps,
    described: Described,
    split: Split,
    plan: ForwardPlan,
    responses: RegionResponses,
    *,
    num_nulls: int,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, list[Rows]]:
    """Put null concepts through the tests: `NULL_SIZE` regions each, of any size and place.

    Parameters
    ----------
    steps, described, split, plan, responses
        Of one class.
    num_nulls : int
    rng : numpy.random.Generator
        Draws four to eight videos for each null concept, and its regions in them.

    Returns
    -------
    (DataFrame, list of (n,) int64)
        ``p_effect``, of the region effect of regions of videos that score, and ``p_raw``, of the raw score of
        regions of videos that train; and these latter regions. NaN where there is nothing to compare with: no
        region that was removed, no counterexample.
    """
    regions = described.regions
    video, size = regions["video"].to_numpy(), regions["num_voxels"].to_numpy()
    effect = {"region_effect": responses.effects(steps.class_index)["region_effect"]}
    gradients = steps.gradients(described, steps.options.target_class, split.score)
    pool = np.flatnonzero(is_among(video, split.train))
    repeats = {"num_bootstrap": 1, "num_permutations": steps.options.scores.num_permutations}
    found, drawn = [], []
    for draw in range(num_nulls):
        scored, trained = _draw(plan.removed, video, rng), _draw(pool, video, rng)
        effects = score_effect(effect, video, size, scored, plan.removed, seed=draw, **repeats)
        raw = Score(float("nan"))
        if len(plan.negatives):
            raw, _ = score_raw(
                described.features, size, trained, pool, plan.negatives, gradients, seed=draw, **repeats
            )
        found.append((effects["region_effect"].p_value, raw.p_value))
        drawn.append(trained)
    return pd.DataFrame(found, columns=["p_effect", "p_raw"]), drawn


def stability_rows(
    steps: Steps, described: Described, tested: Tested, split: Split, *, num_seeds: int
) -> pd.DataFrame:
    """For each pair of clustering seeds: matched cosine of centres, AMI, and Spearman of their slopes.

    Centres are paired by `match_directions`; a slope is a centre's product with the class's mean gradient.
    Of many regions as many are clustered as for the concepts themselves.
    """
    from sklearn.metrics import adjusted_mutual_info_score

    rows = np.flatnonzero(is_among(described.regions["video"].to_numpy(), split.discover))
    some = rows[draw_rows(len(rows), MAX_CLUSTERED_ROWS, steps.options.seed)]
    x = described.features[some].astype(np.float64)
    gradient = steps.gradients(described, steps.options.target_class, split.score).mean.mean(axis=0)
    fits = [fit_clusters(x, len(tested.concepts), seed=seed) for seed in range(num_seeds)]
    found = []
    for a, b in combinations(fits, 2):
        cosine, order = match_directions(a.centers, b.centers)
        rank = spearmanr(a.centers @ gradient, b.centers[order] @ gradient).statistic
        ami = adjusted_mutual_info_score(a.labels, b.labels)
        found.append({"cosine": float(cosine.mean()), "ami": float(ami), "spearman": float(rank)})
    return pd.DataFrame(found, columns=["cosine", "ami", "spearman"])


def randomised_insertions(
    steps: Steps, described: Described, rows: Rows, class_indices: Sequence[int], *, seed: int
) -> Iterator[tuple[str, Floats]]:
    """Insertion effects of regions, by the network as it is and as it is randomised from the head down.

    Parameters
    ----------
    steps, described
    rows : (n,) int64
        Regions.
    class_indices : sequence of int
    seed : int
        Draws the weights.

    Yields
    ------
    (str, (n, classes) float64)
        ``""`` and the margin of each region shown alone, minus that of the fill; then the part randomised
        last and the same of the network without its weights from there up. The network gets its weights back
        in the end.
    """
    module = steps.network.module
    original = {name: value.clone() for name, value in module.state_dict().items()}
    yield "", _insertions(steps, steps.network, described, rows, class_indices)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for name, part in reversed(_parts(module)):
                for layer in part.modules():
                    if hasattr(layer, "reset_parameters"):
                        layer.reset_parameters()  # type: ignore[operator]
                yield name, _insertions(steps, _rebuilt(steps.network), described, rows, class_indices)
    finally:
        module.load_state_dict(original)


def control_table(
    steps: Steps,
    described: Described,
    tested: Tested,
    split: Split,
    plan: ForwardPlan,
    responses: RegionResponses,
) -> pd.DataFrame:
    """All controls of one explanation.

    Returns
    -------
    DataFrame
        Columns `CONTROL_COLUMNS`: what was measured, of what, the mean with its 95 % interval, and of how
        many values: null concepts, pairs of seeds, videos, or regions. ``randomised``: partial Spearman of
        regions' insertion effects with those of a network that is randomised, given their size.
    """
    rng = np.random.default_rng(steps.options.seed)
    nulls, _ = null_tests(steps, described, split, plan, responses, num_nulls=NUM_NULLS, rng=rng)
    rows = []

    def add(measure: str, of: str, values: pd.Series) -> None:
        found = bootstrap_mean([[value] for value in values], num_draws=1000, seed=steps.options.seed)
        rows.append([measure, of, *found, int(values.notna().sum())])

    for name in ("effect", "raw"):
        p = nulls[f"p_{name}"]
        add("false_positives", name, (p <= LEVEL).astype(float).where(p.notna()))
    stable = stability_rows(steps, described, tested, split, num_seeds=NUM_SEEDS)
    for agreement in ("cosine", "ami", "spearman"):
        add("stability", agreement, stable[agreement])
    fidelity = fidelity_rows(steps, described, split, num_clips=NUM_CLIPS, num_subsets=NUM_SUBSETS)
    for attribution, part in fidelity.groupby("attribution", sort=False):
        add("mu_fidelity", str(attribution), part["mu_fidelity"])
    curves = latent_rows(steps, described, tested, split, num_clips=NUM_CLIPS)
    wide = curves.pivot_table(index=["video", "curve", "k"], columns="order", values="accuracy").reset_index()
    for (curve, k), part in wide.groupby(["curve", "k"]):
        gap = part["top"] - part["random"]
        add(f"c_{curve}_gap", f"k={k}", gap if curve == "insertion" else -gap)
    rows += _randomised_rows(steps, described, plan)
    return pd.DataFrame(rows, columns=CONTROL_COLUMNS)


def count_trial_forwards(module: nn.Module, num_clips: int, num_regions: int) -> int:
    """Masked forwards of `control_table`.

    Parameters
    ----------
    module : torch.nn.Module
    num_clips : int
        Clips of the videos that score.
    num_regions : int
        Of a clip, at the finest resolution.
    """
    shown = NUM_RANDOMISED_REGIONS + min(num_clips, NUM_RANDOMISED_REGIONS)
    randomised = NUM_RANDOMISED * (1 + len(_parts(module))) * shown
    return randomised + min(num_clips, NUM_CLIPS) * (NUM_SUBSETS + num_regions + 1)


def _randomised_rows(steps: Steps, described: Described, plan: ForwardPlan) -> list[list[object]]:
    """Do effects of regions, apart from what their size explains, outlive the weights?

    The ranks of a few concepts agree by chance, and a network without a single learned weight answers more
    to a large region than to a small one: single regions are ranked, given their size. A set of random
    weights is one draw, so several are averaged.
    """
    regions = described.regions
    rng = np.random.default_rng(steps.options.seed)
    rows = np.sort(rng.choice(plan.removed, min(NUM_RANDOMISED_REGIONS, len(plan.removed)), replace=False))
    video, size = regions["video"].to_numpy()[rows], regions["num_voxels"].to_numpy()[rows]
    by_video = [np.flatnonzero(video == name) for name in sorted(set(video))]
    found: dict[str, list[Floats]] = {}
    for seed in range(NUM_RANDOMISED):
        before: Floats = np.zeros(0)
        for last, effects in randomised_insertions(
            steps, described, rows, [steps.class_index], seed=steps.options.seed + seed
        ):
            if not last:
                before = effects[:, 0]
                continue
            triples = np.stack([before, effects[:, 0], size])
            draws = {"num_draws": 200, "seed": seed}
            interval = bootstrap_spearman([triples[:, here] for here in by_video], **draws)
            found.setdefault(last, []).append(np.array(interval))
    return [["randomised", last, *np.mean(ends, axis=0), len(rows)] for last, ends in found.items()]


def _draw(pool: Rows, video: NDArray[np.object_], rng: np.random.Generator) -> Rows:
    names = np.unique(video[pool])
    some = rng.choice(names, size=min(len(names), int(rng.integers(4, 9))), replace=False)
    there = pool[np.isin(video[pool], some)]
    return np.sort(rng.choice(there, size=min(NULL_SIZE, len(there)), replace=False))


def _parts(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """Parts of ``module`` that hold weights; the parts of parts where a part holds most of them."""
    parts = []
    for name, child in module.named_children():
        own = sum(p.numel() for p in child.parameters())
        if own > 0.5 * sum(p.numel() for p in module.parameters()) and list(child.children()):
            inner = [(f"{name}.{below}", part) for below, part in child.named_children()]
            parts += [(below, part) for below, part in inner if any(True for _ in part.parameters())]
        elif own:
            parts.append((name, child))
    return parts


def _rebuilt(network: Network) -> Network:
    """``network`` anew: the layout of its weights is chosen when it is made."""
    return Network(
        network.module,
        network.layer,
        network.normalization,
        network.class_names,
        device=str(network.device),
        precision=network.precision,
        target=network.target,
    )


def _insertions(
    steps: Steps, network: Network, described: Described, rows: Rows, class_indices: Sequence[int]
) -> Floats:
    """Margins (n, classes) of regions shown alone, minus those of the fill."""
    probe: Probe = replace(steps.probe(), network=network)
    regions = described.regions.iloc[rows]
    found = np.full((len(rows), len(class_indices)), np.nan)
    clip_ids = regions["clip_id"].to_numpy()
    for clip_id in np.unique(clip_ids):
        here = np.flatnonzero(clip_ids == clip_id)
        first = regions.iloc[here[0]]
        clip = steps.run.read_clip(str(first["video"]), int(first["clip"]))
        shown = [[], *([int(i)] for i in regions["index"].to_numpy()[here])]
        values = margins(probe.within(clip, shown), list(class_indices))
        found[here] = values[1:] - values[0]
    return found
