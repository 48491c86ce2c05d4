"""scores → verdicts: which concepts hold, and why the others do not."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ace3d_fast.config import CavOptions, ScoreOptions
from ace3d_fast.learn.significance import benjamini_hochberg
from ace3d_fast.words import percent

STATUSES = ("accepted", "not_significant", "context", "rejected")


def judge_concepts(
    table: pd.DataFrame, tests: Mapping[int, float], scores: ScoreOptions, cavs: CavOptions
) -> pd.DataFrame:
    """Give every concept a ``status`` and a ``reason``, and the tested ones a ``q_value``.

    Gates in order: the keep rule (column ``kept``), the retention gate, the accuracy of the CAV, and
    significance (Benjamini-Hochberg over all concepts tested).

    Parameters
    ----------
    table : DataFrame
        A row per concept with ``concept``, ``kept``, ``reason``, ``retention``, ``cav_accuracy`` and
        ``cav_accuracy_p``.
    tests : dict of int to float
        p-value of each tested concept.
    scores : ScoreOptions
    cavs : CavOptions

    Returns
    -------
    DataFrame
        ``table`` without ``kept`` and with ``status``, ``reason``, ``p_value`` and ``q_value``.
    """
    p = table["concept"].map(tests).to_numpy(np.float64)
    q = p if scores.test == "paired_t" else benjamini_hochberg(p)
    verdicts = [
        _judge(row, tests, float(value), scores, cavs)
        for row, value in zip(table.to_dict("records"), q, strict=True)
    ]
    judged = table.drop(columns=["kept", "reason"])
    judged.insert(1, "status", [status for status, _ in verdicts])
    judged.insert(2, "reason", [reason for _, reason in verdicts])
    return judged.assign(p_value=p, q_value=q)


def sort_concepts(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """Order concepts by status, then by the score ``by``, highest first, then by number."""
    rank = table["status"].map({status: i for i, status in enumerate(STATUSES)})
    keys = [
        table["concept"].to_numpy(np.float64),
        -table[by].fillna(-np.inf).to_numpy(np.float64),
        rank.to_numpy(np.float64),
    ]
    return table.iloc[np.lexsort(keys)].reset_index(drop=True)


def _judge(
    row: Mapping[Any, Any], tested: Container[int], q: float, scores: ScoreOptions, cavs: CavOptions
) -> tuple[str, str]:
    if not row["kept"]:
        return "rejected", str(row["reason"])
    if row["concept"] not in tested:
        return "rejected", "no member in the videos that fit its direction"
    retention = float(row["retention"])
    if scores.retention_gate and not retention >= scores.min_retention:
        left = percent(retention) if retention > 0 else "nothing"
        needed = f"needs {percent(scores.min_retention)}"
        return "context", f"{left} of its feature is left when its regions stand alone, {needed}"
    accuracy, accuracy_p = float(row["cav_accuracy"]), float(row["cav_accuracy_p"])
    if scores.test == "permutation" and math.isnan(accuracy):
        return "rejected", "its members come from a single video, so its CAV cannot be checked on another"
    if scores.test == "permutation" and not accuracy_p <= cavs.max_accuracy_p:
        fact = f"CAV accuracy {accuracy:.2f} on held-out videos is no better than chance"
        return "rejected", f"{fact} (p = {accuracy_p:.3f})"
    if math.isnan(q):
        return "rejected", "no member in the videos that score"
    limit, name = (scores.max_p, "p") if scores.test == "paired_t" else (scores.max_q, "q")
    if q > limit:
        return "not_significant", f"{name} = {q:.3f}, above {limit:g}"
    return "accepted", ""
