"""A run and its concepts, as objects to look at."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from ace3d_fast.errors import InputError, expected
from ace3d_fast.notebook.figures import plot_chart
from ace3d_fast.notebook.gallery import Gallery
from ace3d_fast.report.cards import draw_examples
from ace3d_fast.report.charts import CURVE_TITLES, curve_chart, score_chart
from ace3d_fast.report.facts import concept_bounds, concept_name, headline, verdict
from ace3d_fast.report.matrix import matrix_chart
from ace3d_fast.report.trust import randomised_chart
from ace3d_fast.signatures import checked
from ace3d_fast.store import RunFolder
from ace3d_fast.words import interval, is_known, probability

if TYPE_CHECKING:
    import plotly.graph_objects as go

TABLE_COLUMNS = ["retention", "cav_accuracy", "p_value", "q_value", "num_videos", "num_regions"]
NUM_WITHOUT_VERDICT = 4  # concepts that are shown of a run that accepted none


@checked
def view_run(run: RunFolder | Path | str) -> RunView:
    """Look at a run in a notebook.

    Parameters
    ----------
    run : RunFolder or path
        What `ace3d_fast.explain` returned, or the folder of a run.

    Returns
    -------
    RunView

    Raises
    ------
    RunFolderError
        No folder of a complete run.

    Examples
    --------
    ::

        view = view_run("runs/tennis")
        view                 # the verdict, and clips of the accepted concepts
        view.table           # a DataFrame, a row for each concept
        view[7].clips()      # looping clips of concept 7
        view.plot_curve("ssc")
    """
    return RunView(run if isinstance(run, RunFolder) else RunFolder.open(run))


class ConceptView:
    """One concept of a run.

    Attributes
    ----------
    concept : int
        Its number.
    run : RunFolder
    """

    def __init__(self, run: RunFolder, concept: int) -> None:
        self.run, self.concept = run, concept

    @property
    def row(self) -> pd.Series:
        """Its row of the table ``concepts``."""
        concepts = self.run.concepts
        return concepts[concepts["concept"] == self.concept].iloc[0]

    @property
    def name(self) -> str:
        """What people call it (``names.json`` of the run), else ``Concept 7``."""
        return self.run.names.get(self.concept) or concept_name(self.concept)

    @property
    def status(self) -> str:
        """``accepted``, ``not_significant``, ``context`` or ``rejected``."""
        return str(self.row["status"])

    @property
    def scores(self) -> pd.DataFrame:
        """Its scores with 95 % intervals, p and q: rows of the table ``scores``."""
        scores = self.run.scores
        return scores[scores["concept"] == self.concept].drop(columns="concept").reset_index(drop=True)

    @property
    def regions(self) -> pd.DataFrame:
        """Its regions, those nearest to its centre first: rows of the table ``regions``."""
        regions = self.run.regions
        return regions[regions["concept"] == self.concept].sort_values("distance", kind="stable")

    def clips(self, num: int = 8, *, side_px: int = 160) -> Gallery:
        """Example clips, looping: a region outlined, everything else muted.

        Parameters
        ----------
        num : int
            Clips at most. The first 8 are spread over videos, others follow by distance from the centre.
        side_px : int
            Longer side of a clip.

        Raises
        ------
        InputError
            ``num`` or ``side_px`` below 1.
        """
        for name, value in (("num", num), ("side_px", side_px)):
            if value < 1:
                raise InputError(expected("clips", name, "of at least 1", value))
        chosen = [int(region) for region in self.row["example_regions"]]
        chosen += [int(region) for region in self.regions["region"] if int(region) not in set(chosen)]
        found = draw_examples(self.run, dict.fromkeys(chosen[:num], side_px))
        return Gallery([found[region] for region in chosen[:num]])

    @property
    def headline(self) -> str:
        """The score that ranks concepts, with its interval, and the verdict."""
        ranks, row = headline(self.run), self.row
        if not is_known(row[ranks.score]):
            return f"{self.status.replace('_', ' ')}: {row['reason']}"
        ends = concept_bounds(self.run, self.concept).get(ranks.score)
        span = f" {interval(*ends, ranks.write)}" if ends else ""
        told = f"{self.status.replace('_', ' ')}, {ranks.unit} {ranks.write(row[ranks.score])}{span}"
        decides = row[f"{ranks.test}_value"]
        return f"{told}, {ranks.test} {probability(decides)}" if is_known(decides) else told

    def __repr__(self) -> str:
        return f"{self.name}: {self.headline}"

    def _repr_html_(self) -> str:
        return f"<p><b>{escape(self.name)}</b>: {escape(self.headline)}</p>{self.clips(4)._repr_html_()}"


class RunView:
    """A run to look at: iterate over it, or index it by the number of a concept.

    Attributes
    ----------
    run : RunFolder
        Its tables are ``run.concepts``, ``run.scores``, ``run.regions`` and ``run.evaluation``.
    """

    def __init__(self, run: RunFolder) -> None:
        self.run = run

    def __iter__(self) -> Iterator[ConceptView]:
        return (self[int(concept)] for concept in self.run.concepts["concept"])

    def __len__(self) -> int:
        return len(self.run.concepts)

    def __getitem__(self, concept: int) -> ConceptView:
        """The concept of that number.

        Raises
        ------
        InputError
            The run has none.
        """
        known = self.run.concepts["concept"].tolist()
        if concept not in known:
            raise InputError(expected("view_run", "concept", f"one of {sorted(known)}", repr(concept)))
        return ConceptView(self.run, int(concept))

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row for each concept, accepted ones first.

        Columns: ``name``, ``status``, the score that ranks (``region_effect``; for ``stce`` ``tcav_sign``),
        ``low``, ``high``, and ``TABLE_COLUMNS``.
        """
        score = headline(self.run).score
        concepts = self.run.concepts
        names = [view.name for view in self]
        ends = [concept_bounds(self.run, c).get(score, (None, None)) for c in concepts["concept"]]
        bounds = pd.DataFrame(ends, columns=["low", "high"], index=concepts.index, dtype=float)
        table = concepts[["concept", "status", score]].join(bounds).join(concepts[TABLE_COLUMNS])
        table.insert(1, "name", names)
        return table.set_index("concept")

    def plot_scores(self) -> go.Figure:
        """Draw the score that ranks the concepts, with 95 % intervals."""
        return plot_chart(score_chart(self.run), "plot_scores", "a concept that was scored")

    def plot_curve(self, curve: str) -> go.Figure:
        """Draw accuracy as concepts are added to an empty clip (``ssc``) or removed (``sdc``).

        Raises
        ------
        InputError
            Another curve, or a run without curves.
        """
        if curve not in CURVE_TITLES:
            raise InputError(expected("plot_curve", "curve", f"one of {tuple(CURVE_TITLES)}", repr(curve)))
        return plot_chart(curve_chart(self.run, curve), "plot_curve", "curves")

    def plot_matrix(self) -> go.Figure:
        """Draw the effect of each concept on each class.

        Raises
        ------
        InputError
            The run's vocabulary is not shared.
        """
        return plot_chart(matrix_chart(self.run), "plot_matrix", "vocabulary='shared'")

    def plot_randomised(self) -> go.Figure:
        """Draw how effects change as the network loses its weights from the head down.

        Raises
        ------
        InputError
            The run was made without ``controls``.
        """
        return plot_chart(randomised_chart(self.run), "plot_randomised", "controls=True")

    def __repr__(self) -> str:
        said = verdict(self.run)
        return "\n".join([f"{said.title}: {said.network} {said.concepts}", *map(repr, self)])

    def _repr_html_(self) -> str:
        said = verdict(self.run)
        tested = [view for view in self if view.status != "rejected"]
        chosen = [view for view in tested if view.status == "accepted"] or tested[:NUM_WITHOUT_VERDICT]
        shown = [view._repr_html_() for view in chosen]
        told = f"<p><b>{escape(said.title)}</b>: {escape(said.network)} {escape(said.concepts)}</p>"
        return told + "".join(shown)
