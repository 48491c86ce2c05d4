"""Other scorers, muFidelity, Sobol indices and curves in the layer's space, beside the truth."""

from __future__ import annotations

import pandas as pd

from ace3d_fast import controls
from ace3d_fast.planted_benchmark.case import Case, ClassCase


def scorer_rows(case: Case) -> pd.DataFrame:
    """A row per tested concept and scorer: is it causal, and its score times retention."""
    parts = []
    for own in case:
        found = controls.scorer_rows(own.steps, own.described, own.tested, own.split, own.plan)
        parts.append(_with_truth(case, own, found))
    return pd.concat(parts, ignore_index=True)


def sobol_rows(case: Case) -> pd.DataFrame:
    """A row per tested concept: is it causal, and its total Sobol index."""
    parts = []
    for own in case:
        found = controls.sobol_rows(
            own.steps,
            own.described,
            own.tested,
            own.split,
            num_clips=case.settings.sobol_clips,
            num_draws=case.settings.sobol_draws,
        )
        parts.append(_with_truth(case, own, found))
    return pd.concat(parts, ignore_index=True)


def fidelity_rows(case: Case) -> pd.DataFrame:
    """A row per evaluated video and way to attribute: its muFidelity."""
    parts = [
        controls.fidelity_rows(
            own.steps,
            own.described,
            own.split,
            num_clips=case.settings.fidelity_clips,
            num_subsets=case.settings.fidelity_subsets,
        ).assign(seed=case.seed, class_name=own.name)
        for own in case
    ]
    return pd.concat(parts, ignore_index=True)


def latent_rows(case: Case) -> pd.DataFrame:
    """A row per evaluated video, latent curve and k: accuracy by order."""
    parts = []
    for own in case:
        found = controls.latent_rows(
            own.steps, own.described, own.tested, own.split, num_clips=case.settings.evaluated_videos
        )
        wide = found.pivot_table(index=["video", "curve", "k"], columns="order", values="accuracy")
        parts.append(wide.reset_index().assign(seed=case.seed, class_name=own.name))
    return pd.concat(parts, ignore_index=True)


def _with_truth(case: Case, own: ClassCase, found: pd.DataFrame) -> pd.DataFrame:
    causal = {c: case.shows(own, c) == own.name for c in found["concept"].unique()}
    return found.assign(seed=case.seed, class_name=own.name, causal=found["concept"].map(causal))
