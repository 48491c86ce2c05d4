"""From rows of what was measured to figures with intervals, and the bars they are held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ace3d_fast.learn.significance import bootstrap_mean, paired_bootstrap

Tables = Mapping[str, pd.DataFrame]
NUM_DRAWS = 10_000


@dataclass(frozen=True)
class Figure:
    """One line of the benchmark's table.

    Attributes
    ----------
    name : str
        What was measured.
    method : str
        Of whom.
    value, low, high : float
        The figure and its 95 % interval.
    bar : str
        What it has to reach; empty where it is printed for comparison.
    met : bool or None
    unit : str
        What was counted, and how many.
    """

    name: str
    method: str
    value: float
    low: float
    high: float
    bar: str = ""
    met: bool | None = None
    unit: str = ""


def at_least(bar: float) -> tuple[str, Callable[[float], bool]]:
    """A bar that a figure has to reach."""
    return f"≥ {bar:g}", lambda value: value >= bar


def at_most(bar: float) -> tuple[str, Callable[[float], bool]]:
    """A bar that a figure must not exceed."""
    return f"≤ {bar:g}", lambda value: value <= bar


def above(bar: float) -> tuple[str, Callable[[float], bool]]:
    """A bar that a figure has to pass."""
    return f"> {bar:g}", lambda value: value > bar


Bar = tuple[str, Callable[[float], bool]]


def figure(
    name: str, method: str, values: pd.Series, networks: pd.Series, bar: Bar | None = None, unit: str = ""
) -> Figure:
    """The mean over networks of each one's mean, with a bootstrap interval over networks.

    Of a single network the interval is over what was counted.
    """
    groups = [part.to_numpy(np.float64) for _, part in values.groupby(networks.to_numpy())]
    if len(groups) == 1:
        groups = [value[None] for value in groups[0]]
    found = bootstrap_mean(groups, num_draws=NUM_DRAWS, seed=0)
    counted = f"{int(values.notna().sum())} {unit}".strip()
    return _held(name, method, found.mean, found.low, found.high, bar, counted)


def aurocs(table: pd.DataFrame, score: str, by: list[str]) -> pd.DataFrame:
    """Area under the curve of ``score`` for causal against other rows, for each group that has both."""
    from sklearn.metrics import roc_auc_score

    rows = []
    for key, part in table.dropna(subset=[score]).groupby(by):
        if part["causal"].nunique() == 2:
            rows.append((key[0], float(roc_auc_score(part["causal"], part[score]))))
    return pd.DataFrame(rows, columns=["seed", "auroc"])


def auroc_figure(
    name: str, method: str, table: pd.DataFrame, score: str, by: list[str], bar: Bar | None = None
) -> Figure:
    """Mean area under the curve over groups, with an interval over networks."""
    found = aurocs(table, score, by)
    unit = "classes" if len(by) > 1 else "networks"
    return figure(name, method, found["auroc"], found["seed"], bar, unit)


def gap_figures(curves: pd.DataFrame, fill: str) -> list[Figure]:
    """SSC and SDC: how much better the top order is than the random and the area-matched one."""
    found = []
    for curve, sign in (("ssc", 1.0), ("sdc", -1.0)):
        for k in (1, 2):
            part = curves[(curves["fill"] == fill) & (curves["curve"] == curve) & (curves["k"] == k)]
            for order in ("random", "area_matched", "least"):
                gap = sign * (part["top"] - part[order]).to_numpy(np.float64)
                if not len(gap):
                    continue
                bounds = paired_bootstrap(gap, num_draws=NUM_DRAWS, seed=0)
                mean, low, high = float(bounds.mean), float(bounds.low), float(bounds.high)
                words = ("top", order) if sign > 0 else (order, "top")
                name = f"{curve.upper()}, {words[0]} minus {words[1]}, k = {k}, fill {fill}".replace("_", "-")
                bar, met = "", None
                if order == "random":
                    bar, met = "≥ 0.2, interval above 0", mean >= 0.2 and low > 0
                elif order == "area_matched":
                    bar, met = "> 0", mean > 0
                found.append(Figure(name, "calibrated", mean, low, high, bar, met, f"{len(gap)} videos"))
    return found


def _held(name: str, method: str, value: Any, low: Any, high: Any, bar: Bar | None, unit: str) -> Figure:
    words, check = bar if bar is not None else ("", None)
    met = bool(check(float(value))) if check is not None and np.isfinite(value) else None
    return Figure(name, method, float(value), float(low), float(high), words, met, unit)
