"""Tables that are written while their rows come."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

GROUP_ROWS = 20_000  # written at a time: what Parquet notes of each group stays in memory


class TableWriter:
    """Writes ``name``.parquet, and ``name``.csv if asked for; memory does not grow with the table.

    Parameters
    ----------
    folder : Path
    name : str
    csv : bool
    """

    def __init__(self, folder: Path, name: str, *, csv: bool = False) -> None:
        self._parquet = folder / f"{name}.parquet"
        self._csv = folder / f"{name}.csv" if csv else None
        self._writer: Any = None
        self._waiting: list[pd.DataFrame] = []

    def __enter__(self) -> TableWriter:
        return self

    def write(self, rows: pd.DataFrame) -> None:
        """Append rows; those of the first call set the columns and their types."""
        self._waiting.append(rows)
        if sum(map(len, self._waiting)) >= GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        rows = pd.concat(self._waiting, ignore_index=True)
        self._waiting = []
        is_first = self._writer is None
        schema = None if is_first else self._writer.schema
        table = pa.Table.from_pandas(rows, schema=schema, preserve_index=False)
        if is_first:
            self._writer = pq.ParquetWriter(self._parquet, table.schema)
        self._writer.write_table(table)
        if self._csv is not None:
            rows.to_csv(self._csv, mode="w" if is_first else "a", header=is_first, index=False)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            if self._writer is not None:
                self._writer.close()
