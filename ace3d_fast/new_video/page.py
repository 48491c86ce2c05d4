"""``explain.html``: the timeline of a video beside a player of its overlay, in one file."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ace3d_fast.new_video.learned import LearnedConcepts
from ace3d_fast.new_video.overlay import Color, concept_colors
from ace3d_fast.new_video.totals import Totals
from ace3d_fast.report.shell import write_page
from ace3d_fast.words import count, percent, seconds, signed

FOLDER = Path(__file__).parent
MAX_EMBEDDED_BYTES = 20_000_000  # a larger overlay stays a file beside the page
EFFECT_NAMES = {
    "logit_drop": "logit lost when it is removed",
    "logit_estimate": "estimated effect on the logit",
}


@dataclass(frozen=True)
class Row:
    """One concept in the page's table."""

    concept: int
    name: str
    status: str
    color: str
    present: str
    mean_effect: str
    moments: list[tuple[float, str, str]]


def write_explain_page(folder: Path, video: str, learned: LearnedConcepts, totals: Totals) -> Path:
    """Write ``explain.html`` into ``folder``, which holds ``overlay.mp4``."""
    colors = concept_colors([concept.concept for concept in totals.concepts])
    rows = [
        Row(
            concept.concept,
            learned.name(concept.concept),
            concept.status,
            _css(colors[concept.concept]),
            f"{clock(concept.seconds)} ({percent(concept.seconds / max(totals.end_seconds, 1e-9))})",
            signed(concept.mean_effect),
            [(start, clock(start), signed(effect)) for start, effect in concept.moments],
        )
        for concept in totals.concepts
    ]
    overlay = folder / "overlay.mp4"
    is_embedded = overlay.stat().st_size <= MAX_EMBEDDED_BYTES
    source = "overlay.mp4"
    if is_embedded:
        source = "data:video/mp4;base64," + base64.b64encode(overlay.read_bytes()).decode("ascii")
    predicted = sorted(totals.predicted_seconds.items(), key=lambda item: -item[1])
    target = learned.options.target_class
    return write_page(
        folder / "explain.html",
        FOLDER / "explain.html",
        styles=[FOLDER / "explain.css"],
        scripts=[FOLDER / "explain.js"],
        data={"figures": {"timeline": timeline_figure(totals, learned)}},
        with_plotly=True,
        video=video,
        target=target,
        options=learned.options,
        rows=rows,
        source=source,
        is_embedded=is_embedded,
        length=seconds(totals.end_seconds),
        num_clips=count(totals.num_clips, "clip"),
        probability=mean_probability(totals),
        predicted=[(name, percent(spent / max(totals.end_seconds, 1e-9))) for name, spent in predicted[:3]],
        strongest=strongest(totals, learned),
        effect=EFFECT_NAMES[totals.effect],
        is_measured=totals.effect == "logit_drop",
        clips_per_column=totals.effects.clips_per_column,
        height=_height(totals),
    )


def clock(value: float) -> str:
    """``75.2`` as ``1:15.2``; hours where there are any."""
    tenths = round(value * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02d}" if hours else str(minutes)
    return f"{start}:{rest / 10:04.1f}"


def _css(color: Color) -> str:
    return f"rgb({color[0]}, {color[1]}, {color[2]})"


def mean_probability(totals: Totals) -> str:
    """Of the class, over the whole video, in words."""
    ends = totals.probability.ends_seconds
    lengths = np.diff(ends, prepend=0.0)
    return percent((totals.probability.means[0] * lengths).sum() / max(float(lengths.sum()), 1e-9))


def strongest(totals: Totals, learned: LearnedConcepts) -> str:
    """The accepted concept with the largest effect at one moment, in words."""
    found = [
        (concept.moments[0][1], concept)
        for concept in totals.concepts
        if concept.status == "accepted" and concept.moments and concept.moments[0][1] > 0
    ]
    if "accepted" not in learned.statuses.values():
        return "The run accepted no concept: what is shown of its others may be chance."
    if not found:
        return "No accepted concept of the run raises the logit anywhere in this video."
    value, concept = max(found, key=lambda pair: pair[0])
    verb = "costs" if totals.effect == "logit_drop" else "is estimated to cost"
    return (
        f"The strongest accepted concept is {learned.name(concept.concept)}: removing it {verb} "
        f"{value:.2f} of the logit in the clip at {clock(concept.moments[0][0])}."
    )


def _height(totals: Totals) -> int:
    return 190 + 26 * len(totals.concepts)


def timeline_figure(totals: Totals, learned: LearnedConcepts) -> dict[str, Any]:
    """Heat strips, one for each concept, below the probability of the class.

    Colours reach at least to the largest region effect of the run: little stays pale.
    """
    effects, areas = totals.effects.means, totals.areas.means
    sizes = np.abs([*effects.flat, *learned.table["region_effect"].to_numpy(dtype=float)])
    limit = float(np.nanmax(sizes, initial=1e-9))
    edges = [0.0, *np.round(totals.effects.ends_seconds, 3).tolist()]
    probability = _plain(totals.probability.means)[0]
    target = _plotly_text(learned.options.target_class)
    names = [_plotly_text(learned.name(concept.concept)) for concept in totals.concepts]
    heat = {
        "type": "heatmap",
        "x": edges,
        "y": names,
        "z": _plain(effects),
        "customdata": _plain(areas),
        "zmin": -limit,
        "zmax": limit,
        "colorscale": [[0, "#2166ac"], [0.5, "rgba(150,150,150,0.12)"], [1, "#c2410c"]],
        "ygap": 3,
        "hoverongaps": False,
        "hovertemplate": (
            "%{y}, %{x:.1f} s<br>" + EFFECT_NAMES[totals.effect] + " %{z:+.2f}<br>"
            "covers %{customdata:.0%} of the clip<extra></extra>"
        ),
        "colorbar": {"title": {"text": "logit"}, "thickness": 12, "len": 0.7, "y": 0.35},
    }
    line = {
        "type": "scatter",
        "mode": "lines",
        "x": edges,
        "y": [*probability, probability[-1]],
        "yaxis": "y2",
        "line": {"color": "#2b7de0", "width": 2, "shape": "hv"},
        "hovertemplate": f"probability of {target} %{{y:.0%}}, %{{x:.1f}} s<extra></extra>",
        "showlegend": False,
    }
    layout = {
        "height": _height(totals),
        "margin": {"l": 20, "r": 10, "t": 12, "b": 48},
        "xaxis": {"title": {"text": "seconds"}, "range": [0, edges[-1]], "fixedrange": True, "anchor": "y"},
        "yaxis": {
            "domain": [0, 0.72],
            "automargin": True,
            "autorange": "reversed",
            "fixedrange": True,
            "type": "category",
        },
        "yaxis2": {
            "domain": [0.78, 1],
            "range": [-0.04, 1.04],
            "tickformat": ".0%",
            "tickvals": [0, 0.5, 1],
            "fixedrange": True,
            "automargin": True,
        },
    }
    return {"data": [heat, line], "layout": layout}


def _plain(values: Any) -> list[list[float | None]]:
    return [[None if v != v else round(float(v), 5) for v in row] for row in values]


def _plotly_text(text: str) -> str:
    """Plotly reads a few HTML tags and ``%{}``: a label has neither."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("%{", "% {")
