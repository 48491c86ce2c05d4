"""The steps of a vocabulary shared across classes: cluster once, score every class."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from ace3d_fast.described import Described
from ace3d_fast.learn.splits import Split
from ace3d_fast.stages.cavs import fit_concept_cavs, retention
from ace3d_fast.stages.concepts import Concepts
from ace3d_fast.stages.effects import ForwardPlan, RegionResponses, plan_forwards
from ace3d_fast.stages.matrix import SharedConcept, score_matrix
from ace3d_fast.steps import Steps


def plan_vocabulary(
    steps: Steps, described: Described, found: Concepts, splits: Mapping[str, Split]
) -> ForwardPlan:
    """Choose the regions of all explained classes that are forwarded alone or removed.

    A concept's regions are spread over the videos of all classes. No counterexamples are chosen: the
    regions of other concepts serve.
    """
    options = steps.options
    return plan_forwards(
        described.regions,
        found.kept,
        train=_union(splits, "train"),
        score=_union(splits, "score"),
        per_concept=options.scores.forwards_per_concept,
        num_negatives=0,
        target_class=options.target_class,
        seed=options.seed,
    )


def score_vocabulary(
    steps: Steps,
    described: Described,
    plan: ForwardPlan,
    responses: RegionResponses,
    splits: Mapping[str, Split],
) -> pd.DataFrame:
    """Fit every concept's direction, and score it for every explained class."""
    options, regions = steps.options, described.regions
    concept = regions["concept"].to_numpy()
    concepts = {}
    with steps.watch.time("cavs"):
        for name, members in plan.members.items():
            others = plan.alone[concept[plan.alone] != name]
            fitted = fit_concept_cavs(
                responses.features,
                regions,
                {name: members},
                others,
                options.cavs,
                train=_union(splits, "train"),
                leave_one_out=any(split.leave_one_out for split in splits.values()),
                seed=options.seed,
            )
            left = retention(
                described.features,
                responses.features,
                members,
                others,
                num_members=options.scores.num_retention_members,
                distance=regions["distance"].to_numpy(),
            )
            if name in fitted:
                concepts[name] = SharedConcept(members, others, fitted[name], left)
    with steps.watch.time("significance"):
        return score_matrix(
            concepts,
            regions,
            described.features,
            {label: responses.effects(index) for label, index in steps.classes.items()},
            plan.removed,
            {label: steps.gradients(described, label, split.score) for label, split in splits.items()},
            options,
        )


def _union(splits: Mapping[str, Split], role: str) -> frozenset[str]:
    return frozenset().union(*(getattr(split, role) for split in splits.values()))
