"""One self-contained HTML file out of the records of a run."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import plotly.offline
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ace3d_fast.report.cards import concept_cards
from ace3d_fast.report.charts import curve_chart, score_chart
from ace3d_fast.report.facts import config_facts, headline, timing_facts, verdict, version_facts
from ace3d_fast.report.records import RunRecords

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
    path = run.report_path
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(render_report(run), encoding="utf-8")
    partial.replace(path)
    return path


def render_report(run: RunRecords) -> str:
    """The report as HTML."""
    cards = concept_cards(run)
    charts = [chart for chart in (curve_chart(run, "ssc"), curve_chart(run, "sdc")) if chart]
    scores = score_chart(run)
    figures = {chart.name: chart.figure for chart in [*charts, scores] if chart}
    scripts = [_plotly()] if figures else []
    scripts.append((FOLDER / "report.js").read_text(encoding="utf-8"))
    page = (
        _environment()
        .get_template("report.html")
        .render(
            verdict=verdict(run),
            headline=headline(run),
            summary=run.summary,
            config=run.config,
            cards=cards,
            sections=[
                (name, title, [card for card in cards if card.status == name]) for name, title in SECTIONS
            ],
            charts=charts,
            scores=scores,
            figures=_script_json(figures),
            options=config_facts(run),
            versions=version_facts(run),
            timings=timing_facts(run),
            style=Markup((FOLDER / "report.css").read_text(encoding="utf-8")),
            scripts=[Markup(script) for script in scripts],
            script_hashes=[_hash(script) for script in scripts],
        )
    )
    return page + "\n"


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@lru_cache(maxsize=1)
def _plotly() -> str:
    return str(plotly.offline.get_plotlyjs())


def _script_json(value: Any) -> Markup:
    """JSON that no ``</script>`` inside a string can end."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def _hash(script: str) -> str:
    """The script as a source of a content security policy, so that no other script runs."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")
