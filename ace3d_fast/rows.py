"""Some rows of arrays that hold a row for each region, of which there may be millions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class RowsOf:
    """The rows ``rows`` of ``array``, (R, C) float32, which may be a file: read as they are asked for."""

    array: Floats
    rows: Rows

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.rows)

    def __getitem__(self, asked: Rows | slice | NDArray[np.bool_]) -> Floats:
        """Rows by their position among ``rows``."""
        return np.asarray(self.array[self.rows[asked]], dtype=np.float32)


@dataclass(frozen=True)
class KnownRows:
    """An array of which few rows are known: ``values``, (n, C) float32, are those of ``rows``, ascending."""

    rows: Rows
    values: Floats

    def __getitem__(self, asked: Rows) -> Floats:
        """The rows ``asked``, NaN where nothing is known."""
        asked = np.asarray(asked, dtype=np.int64)
        found = np.full((len(asked), self.values.shape[1]), np.nan, dtype=np.float32)
        if len(self.rows):
            place = np.minimum(np.searchsorted(self.rows, asked), len(self.rows) - 1)
            known = self.rows[place] == asked
            found[known] = self.values[place[known]]
        return found

    def joined(self, other: KnownRows) -> KnownRows:
        """These rows and those of ``other``, whose values are taken where both know one."""
        rows = np.union1d(self.rows, other.rows)
        values = self[rows] if self.values.shape[1] else other[rows]
        values[np.searchsorted(rows, other.rows)] = other.values
        return KnownRows(rows, values)


def is_among(values: NDArray[Any], names: Iterable[str]) -> NDArray[np.bool_]:
    """Whether each of ``values`` is one of ``names``; they are looked up, not compared with each."""
    return np.asarray(pd.Index(values, dtype=object).isin(list(names)), dtype=np.bool_)


def draw_rows(num_rows: int, most: int, seed: int) -> Rows:
    """At most ``most`` of ``num_rows`` rows, ascending: all, or a random selection."""
    if num_rows <= most:
        return np.arange(num_rows)
    return np.sort(np.random.default_rng(seed).choice(num_rows, most, replace=False))
