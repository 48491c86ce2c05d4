"""Plotly figures of a run, and what they say in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ace3d_fast.report.facts import concept_bounds, concept_name, headline, rows_of
from ace3d_fast.report.records import RunRecords
from ace3d_fast.words import MISSING, count, decimal, interval, is_known, signed

ORDERS = {"top": "Top", "random": "Random", "least": "Least", "area_matched": "Area-matched"}
ORDER_COLORS = {"top": "#2b7de0", "random": "#8a8f98", "least": "#d9822b", "area_matched": "#8f6fd6"}
STATUS_COLORS = {
    "accepted": "#1f9d63",
    "not_significant": "#8a8f98",
    "context": "#c98a1b",
    "rejected": "#cf4f4f",
}
CURVE_TITLES = {"ssc": "SSC: adding concepts", "sdc": "SDC: removing concepts"}
CURVE_AXES = {"ssc": "Concepts added to an empty clip", "sdc": "Concepts removed from the clip"}
CURVE_COLUMNS = [
    "k",
    "Order",
    "Accuracy",
    "95 % interval",
    "Probability",
    "Logit",
    "Against random",
    "Against area-matched",
]

Row = Mapping[str, Any]
Figure = dict[str, Any]


@dataclass(frozen=True)
class Chart:
    """A figure with what it says in words, and its numbers as a table."""

    name: str
    title: str
    finding: str
    figure: Figure
    columns: list[str]
    rows: list[list[str]]


def curve_chart(run: RunRecords, curve: str) -> Chart | None:
    """Draw SSC (``curve`` ssc) or SDC (sdc): accuracy against k, one line an order."""
    rows = [row for row in rows_of(run.evaluation) if row["curve"] == curve and row["fill"] == "mean"]
    if not rows:
        return None
    traces: list[Figure] = []
    for order in ORDERS:
        line = sorted((row for row in rows if row["order"] == order), key=lambda row: int(row["k"]))
        traces.extend(_line_with_band(order, line))
    layout = {
        "xaxis": {"title": {"text": CURVE_AXES[curve]}, "dtick": 1, "fixedrange": True, "zeroline": False},
        "yaxis": {
            "title": {"text": "Accuracy"},
            "tickformat": ".0%",
            "range": [-0.04, 1.04],
            "fixedrange": True,
            "zeroline": False,
        },
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "margin": {"l": 60, "r": 12, "t": 36, "b": 48},
        "height": 340,
        "hovermode": "x unified",
    }
    figure = {"data": traces, "layout": layout}
    return Chart(curve, CURVE_TITLES[curve], _finding(rows, curve), figure, CURVE_COLUMNS, _curve_rows(rows))


def _line_with_band(order: str, rows: Sequence[Row]) -> list[Figure]:
    if not rows:
        return []
    color, is_top = ORDER_COLORS[order], order == "top"
    x = [int(row["k"]) for row in rows]
    low, high = ([_number(row[side]) for row in rows] for side in ("low", "high"))
    line: Figure = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": ORDERS[order],
        "legendgroup": order,
        "x": x,
        "y": [_number(row["accuracy"]) for row in rows],
        "line": {"color": color, "width": 3 if is_top else 2, "dash": "solid" if is_top else "dot"},
        "marker": {"size": 8 if is_top else 5},
        "hovertemplate": "%{y:.0%}",
    }
    if order == "least" or None in low or None in high:
        return [line]
    edge: Figure = {"type": "scatter", "mode": "lines", "x": x, "line": {"width": 0}, "hoverinfo": "skip"}
    edge |= {"showlegend": False, "legendgroup": order}
    return [{**edge, "y": low}, {**edge, "y": high, "fill": "tonexty", "fillcolor": f"{color}38"}, line]


def score_chart(run: RunRecords) -> Chart | None:
    """Draw the score that ranks the concepts, with its interval."""
    ranks = headline(run)
    concepts = [row for row in rows_of(run.concepts) if is_known(row[ranks.score])]
    if not concepts:
        return None
    traces = []
    for status, color in STATUS_COLORS.items():
        rows = [row for row in concepts if row["status"] == status]
        if not rows:
            continue
        ends = [_ends(run, row, ranks.score) for row in rows]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": status.replace("_", " "),
                "x": [_number(row[ranks.score]) for row in rows],
                "y": [concept_name(row["concept"]) for row in rows],
                "customdata": [f"concept-{row['concept']}" for row in rows],
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "arrayminus": [under for under, _ in ends],
                    "array": [over for _, over in ends],
                    "thickness": 2,
                },
                "marker": {"size": 11, "color": color},
                "hovertemplate": "%{y}: %{x:.2f}<extra></extra>",
            }
        )
    layout = {
        "xaxis": {"title": {"text": ranks.label}, "fixedrange": True, "zeroline": True},
        "yaxis": {
            "autorange": "reversed",
            "fixedrange": True,
            "type": "category",
            "automargin": True,
            "categoryorder": "array",
            "categoryarray": [concept_name(row["concept"]) for row in concepts],
        },
        "legend": {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
        "margin": {"l": 20, "r": 12, "t": 36, "b": 48},
        "height": 110 + 30 * len(concepts),
        "meta": {"concepts": [int(row["concept"]) for row in concepts]},
    }
    figure = {"data": traces, "layout": layout}
    return Chart("scores", f"{ranks.label} of each concept", "", figure, [], [])


def _ends(run: RunRecords, row: Row, score: str) -> tuple[float, float]:
    """How far the interval reaches below and above the score."""
    value = float(row[score])
    low, high = concept_bounds(run, row["concept"]).get(score, (value, value))
    return round(max(0.0, value - low), 6), round(max(0.0, high - value), 6)


def _finding(rows: Sequence[Row], curve: str) -> str:
    """Where the top order is furthest from the random one, and how it does against the same area."""
    top = [row for row in rows if row["order"] == "top" and row["k"] > 0 and is_known(row["gap"])]
    if not top:
        return ""
    most = max(row["k"] for row in top)
    best = max(top, key=lambda row: (row["k"] < most, float(row["gap"])))  # with all concepts, orders agree
    verb, brings = ("Adding", "brings") if curve == "ssc" else ("Removing", "costs")
    return (
        f"{verb} the top {count(best['k'], 'concept')} {brings} {_gap(best, 'gap')} accuracy beyond a random "
        f"order, and {_gap(best, 'gap_area')} beyond other regions of the same area "
        f"({count(best['num_videos'], 'video')}).{_judgement(best)}"
    )


def _judgement(row: Row) -> str:
    versus = {"gap_low": "against the random order", "gap_area_low": "against the same area"}
    undecided = [words for name, words in versus.items() if not (is_known(row[name]) and row[name] > 0)]
    return f" The difference {' and '.join(undecided)} may be chance." if undecided else ""


def _curve_rows(rows: Sequence[Row]) -> list[list[str]]:
    ordered = sorted(rows, key=lambda row: (list(ORDERS).index(row["order"]), int(row["k"])))
    return [
        [
            str(int(row["k"])),
            ORDERS[row["order"]],
            decimal(row["accuracy"]),
            f"{decimal(row['low'])} to {decimal(row['high'])}",
            decimal(row["probability"]),
            signed(row["logit"]),
            MISSING if row["k"] == 0 or row["order"] == "random" else _gap(row, "gap"),
            MISSING if row["k"] == 0 or row["order"] == "area_matched" else _gap(row, "gap_area"),
        ]
        for row in ordered
    ]


def _gap(row: Row, name: str) -> str:
    return f"{signed(row[name])} {interval(row[f'{name}_low'], row[f'{name}_high'])}".strip()


def _number(value: Any) -> float | None:
    return round(float(value), 6) if is_known(value) else None
