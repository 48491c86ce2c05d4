"""A timeline of bounded size: where it is full, neighbouring columns become one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAX_COLUMNS = 1200


class Strip:
    """Means over time of some rows of numbers.

    Parameters
    ----------
    num_rows : int
    max_columns : int
        Even; a column holds one clip until so many are full, then two, four and so on.
    """

    def __init__(self, num_rows: int, max_columns: int = MAX_COLUMNS) -> None:
        self.clips_per_column = 1
        self._sums = np.zeros((num_rows, max_columns))
        self._counts = np.zeros((num_rows, max_columns))
        self._ends = np.zeros(max_columns)
        self._num_clips = 0

    def add(self, values: NDArray[np.float32], end_seconds: float) -> None:
        """Append the values (num_rows,) of the next clip; NaN is left out of the means."""
        if self._num_clips == self.clips_per_column * len(self._ends):
            for grid in (self._sums, self._counts):
                half = grid.reshape(len(grid), -1, 2).sum(axis=2)
                grid[:] = 0
                grid[:, : half.shape[1]] = half
            self._ends[: len(self._ends) // 2] = self._ends[1::2].copy()
            self.clips_per_column *= 2
        column = self._num_clips // self.clips_per_column
        known = np.isfinite(values)
        self._sums[known, column] += values[known]
        self._counts[known, column] += 1
        self._ends[column] = end_seconds
        self._num_clips += 1

    @property
    def ends_seconds(self) -> NDArray[np.float64]:
        """(columns,): where each column ends in the video; it begins where the one before ends."""
        return self._ends[: self._num_columns]

    @property
    def means(self) -> NDArray[np.float64]:
        """(num_rows, columns): NaN where nothing was known."""
        counts = self._counts[:, : self._num_columns]
        return np.where(counts > 0, self._sums[:, : self._num_columns] / np.maximum(counts, 1), np.nan)

    @property
    def _num_columns(self) -> int:
        return -(-self._num_clips // self.clips_per_column)
