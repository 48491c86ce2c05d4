"""One self-contained HTML file out of the records of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ace3d_fast.report.cards import concept_cards, frames_per_second
from ace3d_fast.report.charts import curve_chart, score_chart
from ace3d_fast.report.facts import (
    config_facts,
    headline,
    status_counts,
    timing_facts,
    verdict,
    version_facts,
)
from ace3d_fast.report.matrix import class_verdicts, matrix_chart
from ace3d_fast.report.players import MAX_PLAYER_BYTES, make_players
from ace3d_fast.report.records import RunRecords
from ace3d_fast.report.shell import render_page, write_page
from ace3d_fast.report.trust import COLUMNS as CONTROL_COLUMNS
from ace3d_fast.report.trust import control_fact, control_rows, randomised_chart

FOLDER = Path(__file__).parent
SCRIPTS = ("clips.js", "names.js", "filters.js", "player.js")
NUM_TEASERS = 4
STATUSES = {
    "accepted": "Their presence moves the decision of the network more than that of other regions does.",
    "not_significant": "Passed every gate; but other regions of these videos have effects as large.",
    "context": "What the network sees here lies in the surroundings: shown alone, too little is left.",
    "rejected": "Did not pass a gate; each card says which.",
}
# For teasers and the overlay of the player; told apart in light and dark, and by most colour-blind readers.
COLORS = (
    "#e69f00", "#56b4e9", "#00b388", "#f0e442", "#4f7fe0", "#ef6a32", "#d685b8", "#9be564",
    "#b07cf0", "#ff8fa0", "#3fd0d4", "#c8a26b",
)  # fmt: skip


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


def render_report(
    run: RunRecords, *, max_player_bytes: int = MAX_PLAYER_BYTES, save_names_to: str = ""
) -> str:
    """The report as HTML.

    Parameters
    ----------
    run : RunRecords
    max_player_bytes : int
        Wanted size of the pictures of all videos together.
    save_names_to : str
        Address, relative to the page, that takes the names a reader types; by default none does.
    """
    contents = _contents(run, max_player_bytes)
    contents["data"]["page"]["save_to"] = save_names_to
    return render_page(**contents, connects=bool(save_names_to))


def _contents(run: RunRecords, max_player_bytes: int = MAX_PLAYER_BYTES) -> dict[str, Any]:
    said, cards = verdict(run), concept_cards(run)
    players = make_players(run, fps=frames_per_second(run), max_bytes=max_player_bytes)
    curves = [chart for chart in (curve_chart(run, "ssc"), curve_chart(run, "sdc")) if chart]
    charts = {"scores": score_chart(run), "matrix": matrix_chart(run), "randomised": randomised_chart(run)}
    figures = {chart.name: chart.figure for chart in [*curves, *charts.values()] if chart}
    if players:
        figures["strip"] = players[0].data["figure"]
    colors = {card.concept: COLORS[place % len(COLORS)] for place, card in enumerate(cards)}
    page = {
        "run": run.key,
        "names": {str(card.concept): card.given_name for card in cards if card.given_name},
        "colors": {str(concept): color for concept, color in colors.items()},
    }
    return {
        "template": FOLDER / "report.html",
        "scripts": [FOLDER / name for name in SCRIPTS],
        "data": {"figures": figures, "page": page, "players": [player.data for player in players]},
        "with_plotly": bool(figures),
        "verdict": said,
        "tiles": [*said.facts[:3], control_fact(run), *said.facts[3:]],
        "classes": class_verdicts(run),
        "headline": headline(run),
        "summary": run.summary,
        "config": run.config,
        "cards": cards,
        "colors": colors,
        "teasers": [card for card in cards if card.examples][:NUM_TEASERS],
        "statuses": {name: (words, status_counts(run).get(name, 0)) for name, words in STATUSES.items()},
        "curves": curves,
        "charts": charts,
        "players": players,
        "playable": {player.video for player in players},
        "num_videos_left_out": int(run.summary["num_target_videos"]) - len(players),
        "matrix_px": 160 + 76 * len(run.summary.get("classes", {})),
        "has_controls": run.controls is not None,
        "controls": control_rows(run),
        "control_columns": CONTROL_COLUMNS,
        "options": config_facts(run),
        "versions": version_facts(run),
        "timings": timing_facts(run),
    }
