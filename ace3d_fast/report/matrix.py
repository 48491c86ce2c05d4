"""The concept × class matrix as a heat map, and what each class has to say."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from ace3d_fast.report.charts import Chart
from ace3d_fast.report.facts import concept_name, rows_of
from ace3d_fast.report.records import RunRecords
from ace3d_fast.words import count, decimal, interval, is_known, percent, probability, signed

AGAINST_TO_FOR = [[0, "#b2182b"], [0.25, "#f4a582"], [0.5, "#f7f7f7"], [0.75, "#92c5de"], [1, "#2166ac"]]
COLUMNS = ["Concept", "Class", "Region effect", "95 % interval", "Retention", "q", "Status"]


@dataclass(frozen=True)
class ClassVerdict:
    """One class of a shared vocabulary in a line."""

    name: str
    accuracy: str
    clips: str
    accepted: str
    q_value: str
    best: int | None
    best_effect: str


def matrix_chart(run: RunRecords) -> Chart | None:
    """Draw the effect of every concept on every class; None where the vocabulary is not shared."""
    rows = (
        [] if run.matrix is None else [row for row in rows_of(run.matrix) if is_known(row["region_effect"])]
    )
    if not rows:
        return None
    classes = sorted({str(row["class_name"]) for row in rows})
    concepts = [int(concept) for concept in run.concepts["concept"]]
    concepts = [concept for concept in concepts if concept in {int(row["concept"]) for row in rows}]
    cells = {(int(row["concept"]), str(row["class_name"])): row for row in rows}
    grid = [[cells.get((concept, name)) for name in classes] for concept in concepts]
    reach = max(abs(float(row["region_effect"])) for row in rows) or 1.0
    trace = {
        "type": "heatmap",
        "x": [escape(name, quote=False) for name in classes],  # Plotly reads HTML in labels
        "y": [concept_name(concept) for concept in concepts],
        "z": [
            [None if cell is None else round(float(cell["region_effect"]), 4) for cell in line]
            for line in grid
        ],
        "text": [["" if cell is None else _cell_text(cell) for cell in line] for line in grid],
        "customdata": [[f"concept-{concept}"] * len(classes) for concept in concepts],
        "texttemplate": "%{text}",
        "hovertemplate": "%{y}, %{x}: %{z:+.2f}<extra></extra>",
        "colorscale": AGAINST_TO_FOR,
        "zmin": -reach,
        "zmax": reach,
        "xgap": 2,
        "ygap": 2,
        "colorbar": {"title": {"text": "Effect"}, "thickness": 12, "outlinewidth": 0},
    }
    layout = {
        "xaxis": {
            "side": "top",
            "fixedrange": True,
            "type": "category",
            "automargin": True,
            "showgrid": False,
        },
        "yaxis": {
            "autorange": "reversed",
            "fixedrange": True,
            "type": "category",
            "automargin": True,
            "showgrid": False,
        },
        "margin": {"l": 20, "r": 12, "t": 60, "b": 16},
        "height": 120 + 34 * len(concepts),
        "meta": {"concepts": concepts},
    }
    accepted = [row for row in rows if row["status"] == "accepted"]
    shared = {int(row["concept"]) for row in accepted}
    finding = (
        f"{count(len(accepted), 'cell')} of {len(rows)} accepted, from {count(len(shared), 'concept')}. "
        "An asterisk marks them. Blue speaks for the class, red against it."
    )
    table = [
        [
            concept_name(row["concept"]),
            str(row["class_name"]),
            signed(row["region_effect"]),
            interval(row["low"], row["high"]),
            decimal(row["retention"]),
            probability(row["q_value"]),
            str(row["status"]).replace("_", " "),
        ]
        for row in rows
    ]
    figure = {"data": [trace], "layout": layout}
    return Chart("matrix", "Concepts and classes", finding, figure, COLUMNS, table)


def class_verdicts(run: RunRecords) -> list[ClassVerdict]:
    """A line for each class of a shared vocabulary, the explained one first; empty without one."""
    if run.matrix is None:
        return []
    target = run.summary["target_class"]
    known = run.summary.get("classes", {})
    lines = []
    for name in sorted(
        {str(value) for value in run.matrix["class_name"]}, key=lambda name: (name != target, name)
    ):
        rows = [row for row in rows_of(run.matrix) if row["class_name"] == name]
        accepted = [row for row in rows if row["status"] == "accepted"]
        lowest = min((float(row["q_value"]) for row in rows if is_known(row["q_value"])), default=None)
        best = max(accepted, key=lambda row: float(row["region_effect"]), default=None)
        about = known.get(name, {})
        lines.append(
            ClassVerdict(
                name,
                percent(about.get("accuracy")),
                count(about["num_clips"], "clip") if "num_clips" in about else "",
                f"{len(accepted)} of {len(rows)}",
                probability(lowest),
                None if best is None else int(best["concept"]),
                "" if best is None else signed(best["region_effect"]),
            )
        )
    return lines


def _cell_text(cell: dict[str, object]) -> str:
    return signed(cell["region_effect"], 1) + ("*" if cell["status"] == "accepted" else "")
