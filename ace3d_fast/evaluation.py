"""The steps after the verdicts: which regions stand alone, and what the network does without the concepts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ace3d_fast.described import Described
from ace3d_fast.learn.splits import Split
from ace3d_fast.models.probe import Fill
from ace3d_fast.shelf import Values
from ace3d_fast.stages.effects import ForwardPlan, RegionResponses
from ace3d_fast.stages.evaluation import evaluate_concepts
from ace3d_fast.stages.motion import measure_motion
from ace3d_fast.steps import Steps, Tested, headline
from ace3d_fast.tables import add_motion


def evaluate_run(
    steps: Steps,
    described: Described,
    tested: Tested,
    split: Split,
    plan: ForwardPlan,
    responses: RegionResponses | None,
) -> pd.DataFrame:
    """Draw the SSC and SDC curves of the tested concepts, ranked by the headline score."""
    options = steps.options
    clips = evaluated_clips(described, split, options.evaluation.clips_per_video)
    clips = some_clips(clips, options.evaluation.max_clips, options.seed)
    steps.progress.start("add and remove concepts", len(clips) * len(options.evaluation.fills))
    with steps.watch.time("evaluation"):
        accepted = tested.concepts.loc[tested.concepts["status"] == "accepted", "concept"].tolist()
        if responses is not None:
            verify_members(steps, described, plan, responses, accepted, clips["clip_id"].tolist())
        ranking = ranked_concepts(tested, headline(options))
        regions = without_halos(described.regions, accepted, options.scores.min_retention)

        def draw(fill: Fill) -> Values:
            curves = evaluate_concepts(
                ranking,
                regions,
                clips,
                steps.probe(fill=fill),
                steps.run.read_clip,
                steps.class_index,
                options.evaluation,
                seed=options.seed,
                progress=steps.progress,
            )
            return {"curves": curves.table(options.evaluation.num_bootstrap, options.seed)}

        rows = regions.loc[regions["clip_id"].isin(clips["clip_id"]), ["clip_id", "index", "concept"]]
        given: list[Any] = [
            [described.digests[name] for name in clips["video"].unique()],
            clips["clip"].to_numpy(),
        ]
        given += [ranking, rows, steps.class_index, asdict(options.evaluation), options.seed]
        curves: list[pd.DataFrame] = [
            steps.recall("evaluation", [fill, given], partial(draw, fill))["curves"]
            for fill in options.evaluation.fills
        ]
    steps.progress.finish()
    return pd.concat(curves, ignore_index=True)


def measure_run_motion(
    steps: Steps, described: Described, tested: Tested, plan: ForwardPlan, responses: RegionResponses
) -> None:
    """Tell motion from appearance, for the concepts that pass the gates; adds to the tables of ``tested``."""
    options, regions = steps.options, described.regions
    passed = tested.concepts["status"].isin(["accepted", "not_significant"])
    members = {}
    for name in tested.concepts.loc[passed, "concept"].tolist():
        rows = np.intersect1d(plan.members[name], plan.removed)
        rows = rows[regions["retention"].to_numpy()[rows] >= options.scores.min_retention]
        turn = regions.iloc[rows].groupby("video").cumcount().to_numpy()
        members[int(name)] = rows[np.argsort(turn, kind="stable")]  # from each video in turn
    with steps.stage("motion", "freeze and shuffle regions"):
        motion = measure_motion(
            members,
            regions,
            steps.probe(),
            steps.run.read_clip,
            steps.class_index,
            described.logits,
            responses.effects(steps.class_index)["effect_deletion"],
            num_members=options.scores.num_motion_members,
            num_bootstrap=options.evaluation.num_bootstrap,
            seed=options.seed,
        )
    tested.concepts, tested.scores = add_motion(tested.concepts, tested.scores, motion, options.target_class)


def ranked_concepts(tested: Tested, score: str) -> list[int]:
    """The tested concepts, the one with the highest ``score`` first."""
    found: list[int] = tested.concepts.dropna(subset=[score]).sort_values(score)["concept"].tolist()
    return found[::-1]


def evaluated_clips(described: Described, split: Split, per_video: int) -> pd.DataFrame:
    """Up to ``per_video`` clips of each video that scores, evenly spaced over it."""
    clips = described.clips
    scoring = clips[clips["video"].isin(split.score)]
    order = scoring.groupby("video").cumcount()
    size = scoring.groupby("video")["clip"].transform("size")
    return scoring[(order * per_video // size) != ((order - 1) * per_video // size)]


def some_clips(clips: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """At most ``most`` of ``clips``, in their order: of more, a random one of each video in turn."""
    if len(clips) <= most:
        return clips
    shuffled = clips.iloc[np.random.default_rng(seed).permutation(len(clips))]
    turn = shuffled.groupby("video").cumcount().to_numpy()
    return shuffled.iloc[np.argsort(turn, kind="stable")[:most]].sort_index()


def verify_members(
    steps: Steps,
    described: Described,
    plan: ForwardPlan,
    responses: RegionResponses,
    concepts: Sequence[int],
    clip_ids: Sequence[int],
) -> None:
    """Forward alone the regions of ``concepts`` in some clips, where not done yet; note which stand."""
    regions = described.regions
    unknown = regions["retention"].isna() & regions["clip_id"].isin(clip_ids)
    rows = np.flatnonzero(unknown & regions["concept"].isin(concepts))
    if not len(rows):
        return
    more = steps.measure(described, ForwardPlan({}, rows, rows[:0], rows[:0]))
    if more is None:
        return
    alone = responses.features.joined(more.features)
    for name in concepts:
        mine = rows[regions["concept"].to_numpy()[rows] == name]
        steps.note_retention(described, alone, plan, name, mine)


def without_halos(regions: pd.DataFrame, concepts: Sequence[int], min_retention: float) -> pd.DataFrame:
    """Take those members of ``concepts`` that keep too little of the feature alone out of their concept."""
    halo = regions["concept"].isin(concepts) & (regions["retention"] < min_retention)
    return regions.assign(concept=regions["concept"].where(~halo, -1))
