"""What a report needs from a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import pandas as pd
from numpy.typing import NDArray

from ace3d_fast.types import SegmentedClip


class RunRecords(Protocol):
    """The records of one run; the tables have the columns that README documents."""

    @property
    def config(self) -> dict[str, Any]:
        """Options of the run, as `ace3d_fast.config.RunOptions.to_dict` writes them."""

    @property
    def summary(self) -> dict[str, Any]:
        """Counts, accuracy, warnings, skipped videos and versions."""

    @property
    def timings(self) -> dict[str, Any]:
        """Seconds for each stage, and counts."""

    @property
    def regions(self) -> pd.DataFrame:
        """One row for each region."""

    @property
    def concepts(self) -> pd.DataFrame:
        """One row for each concept, accepted ones first."""

    @property
    def scores(self) -> pd.DataFrame:
        """One row for each concept, class and score, with a 95 % interval."""

    @property
    def evaluation(self) -> pd.DataFrame:
        """One row for each curve, order and number of concepts."""

    @property
    def matrix(self) -> pd.DataFrame | None:
        """One row for each concept and class, where the vocabulary is shared."""

    @property
    def controls(self) -> pd.DataFrame | None:
        """One row for each trial of the explanation, where they were asked for."""

    @property
    def cavs(self) -> dict[str, NDArray[Any]]:
        """Directions of each tested concept: ``concept_<nn>`` (sets, C)."""

    @property
    def key(self) -> str:
        """Tells this run from others."""

    @property
    def names(self) -> dict[int, str]:
        """What people call the concepts."""

    @property
    def report_path(self) -> Path:
        """Where the report goes."""

    def read_clip(self, video: str, index: int) -> SegmentedClip:
        """Clip ``index`` of ``video`` with its supervoxels."""
