"""Negative controls: what the same procedure says where there is nothing to find."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from ace3d_fast.report.charts import STATUS_COLORS, Chart
from ace3d_fast.report.facts import Fact, rows_of
from ace3d_fast.report.records import RunRecords
from ace3d_fast.words import decimal, interval, is_known, percent, signed

MEASURES = {
    "false_positives": "Null concepts that pass at 0.05",
    "stability": "Other clustering seeds",
    "mu_fidelity": "muFidelity",
    "c_insertion_gap": "Insertion in the layer's space, top beyond random",
    "c_deletion_gap": "Deletion in the layer's space, top beyond random",
    "randomised": "Rank correlation with the network without its weights",
}
SUBJECTS = {
    "effect": "region effect",
    "raw": "raw score",
    "cosine": "cosine of matched centres",
    "ami": "adjusted mutual information of labels",
    "spearman": "rank correlation of slopes",
}
RED, GREEN = STATUS_COLORS["rejected"], STATUS_COLORS["accepted"]
ALIKE = 0.3  # rank correlation from which scores are called alike
COLUMNS = ["Control", "Of", "Value", "95 % interval", "Number"]

Row = Mapping[str, Any]


def control_fact(run: RunRecords) -> Fact:
    """The negative control of the verdict: how many null concepts the deciding test lets pass."""
    for row in _rows(run):
        if row["measure"] == "false_positives" and row["of"] == "effect":
            return Fact(
                "Negative control",
                percent(row["value"]),
                f"of {int(row['num'])} null concepts pass at p ≤ 0.05",
            )
    return Fact("Negative control", "not run", "run --controls puts null concepts to the test")


def control_rows(run: RunRecords) -> list[list[str]]:
    """Every control as a line of `COLUMNS`, with the agreement of pooled and masked features."""
    lines = [
        [
            MEASURES.get(str(row["measure"]), str(row["measure"])),
            SUBJECTS.get(str(row["of"]), str(row["of"]).replace("_", " ")),
            _writer(row)(row["value"]),
            interval(row["low"], row["high"], _writer(row)),
            str(int(row["num"])),
        ]
        for row in _rows(run)
    ]
    halo = run.summary.get("pooled_against_masked") or {}
    for name, of in (("cosine", "cosine of features"), ("spearman", "rank correlation of scores")):
        if is_known(halo.get(name)):
            span = interval(halo.get(f"{name}_low"), halo.get(f"{name}_high"), decimal)
            number = str(int(halo["num_regions"]))
            lines.append(["Pooled against regions shown alone", of, decimal(halo[name]), span, number])
    saturation = run.summary.get("null_saturation")
    if is_known(saturation):
        lines.append(["Random region sets", "TCAV sign of exactly 0 or 1", percent(saturation), "", ""])
    return lines


def randomised_chart(run: RunRecords) -> Chart | None:
    """Draw how the scores change as the network loses its weights from the head down."""
    rows = [row for row in _rows(run) if row["measure"] == "randomised" and is_known(row["value"])]
    if not rows:
        return None
    trace = {
        "type": "bar",
        "x": [escape(str(row["of"]), quote=False) for row in rows],  # Plotly reads HTML in labels
        "y": [round(float(row["value"]), 4) for row in rows],
        "marker": {"color": [RED if row["value"] > ALIKE else GREEN for row in rows]},
        "hovertemplate": "%{x}: %{y:.2f}<extra></extra>",
    }
    layout = {
        "xaxis": {"fixedrange": True, "type": "category", "automargin": True},
        "yaxis": {"title": {"text": "Rank correlation"}, "range": [-1.05, 1.05], "fixedrange": True},
        "margin": {"l": 60, "r": 12, "t": 12, "b": 40},
        "height": 280,
        "showlegend": False,
    }
    finding = (
        "What explains learned weights has to change with them. They are randomised from the head down to "
        f"the named part; scores that stay alike (above {ALIKE}, red) do not speak of what was learned."
    )
    return Chart(
        "randomised", "Without the learned weights", finding, {"data": [trace], "layout": layout}, [], []
    )


def _rows(run: RunRecords) -> list[dict[str, Any]]:
    return [] if run.controls is None else rows_of(run.controls)


def _writer(row: Row) -> Callable[[Any], str]:
    if row["measure"] == "false_positives":
        return percent
    return signed if str(row["measure"]).endswith("_gap") else decimal
