"""The report's charts as Plotly figures, which a notebook displays by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ace3d_fast.errors import InputError, expected
from ace3d_fast.new_video import VideoExplanation
from ace3d_fast.new_video.page import timeline_figure
from ace3d_fast.report.charts import Chart

if TYPE_CHECKING:
    import plotly.graph_objects as go


def plot_timeline(explanation: VideoExplanation) -> go.Figure:
    """Draw when each concept is in a video that `explain_video` read, and how much it moves the logit.

    Parameters
    ----------
    explanation : VideoExplanation

    Returns
    -------
    plotly.graph_objects.Figure
        Heat strips over time, a row for each concept, below the probability of the run's class.
    """
    return make_figure(timeline_figure(explanation.totals, explanation.learned))


def plot_chart(chart: Chart | None, where: str, missing: str) -> go.Figure:
    """The figure of ``chart``, under its title.

    Raises
    ------
    InputError
        There is no chart, since the run lacks what ``missing`` says.
    """
    if chart is None:
        raise InputError(expected(where, "run", f"with {missing}", "one without"))
    layout = {"title": {"text": chart.title, "x": 0, "xref": "paper", "yref": "container", "y": 0.98}}
    margin = chart.figure["layout"].get("margin", {})
    layout["margin"] = {**margin, "t": margin.get("t", 0) + 40}
    return make_figure({**chart.figure, "layout": {**chart.figure["layout"], **layout}})


def make_figure(figure: dict[str, Any]) -> go.Figure:
    """A figure of the report in the colours of a notebook."""
    import plotly.graph_objects as go

    return go.Figure({**figure, "layout": {"template": "plotly_white", **figure["layout"]}})
