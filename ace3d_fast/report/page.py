"""One self-contained HTML file out of the records of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ace3d_fast.report.cards import concept_cards
from ace3d_fast.report.charts import curve_chart, score_chart
from ace3d_fast.report.facts import config_facts, headline, timing_facts, verdict, version_facts
from ace3d_fast.report.records import RunRecords
from ace3d_fast.report.shell import render_page, write_page

FOLDER = Path(__file__).parent
SECTIONS = (
    ("accepted", "Accepted concepts"),
    ("not_significant", "Not significant"),
    ("context", "Context"),
    ("rejected", "Rejected"),
)


def write_report(run: RunRecords) -> Path:
    """Write ``report.html`` into a run's folder.

    The file holds everything it shows: it opens offline and asks no server for anything. The same
    records give the same file.

    Parameters
    ----------
    run : RunRecords
        A run folder, opened by `ace3d_fast.store.RunFolder.open`.

    Returns
    -------
    Path
        The file.
    """
    return write_page(run.report_path, **_contents(run))


def render_report(run: RunRecords) -> str:
    """The report as HTML."""
    return render_page(**_contents(run))


def _contents(run: RunRecords) -> dict[str, Any]:
    cards = concept_cards(run)
    charts = [chart for chart in (curve_chart(run, "ssc"), curve_chart(run, "sdc")) if chart]
    scores = score_chart(run)
    figures = {chart.name: chart.figure for chart in [*charts, scores] if chart}
    return {
        "template": FOLDER / "report.html",
        "scripts": [FOLDER / "report.js"],
        "data": {"figures": figures},
        "with_plotly": bool(figures),
        "verdict": verdict(run),
        "headline": headline(run),
        "summary": run.summary,
        "config": run.config,
        "cards": cards,
        "sections": [
            (name, title, [card for card in cards if card.status == name]) for name, title in SECTIONS
        ],
        "charts": charts,
        "scores": scores,
        "options": config_facts(run),
        "versions": version_facts(run),
        "timings": timing_facts(run),
    }
