"""Tables that are written while their rows come."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq


class TableWriter:
    """Writes ``name``.parquet, and ``name``.csv if asked for, block by block; memory is that of one block.

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

    def __enter__(self) -> TableWriter:
        return self

    def write(self, rows: pd.DataFrame) -> None:
        """Append rows; those of the first call set the columns and their types."""
        is_first = self._writer is None
        if self._writer is None:
            table = pa.Table.from_pandas(rows, preserve_index=False)
            self._writer = pq.ParquetWriter(self._parquet, table.schema)
        else:
            table = pa.Table.from_pandas(rows, schema=self._writer.schema, preserve_index=False)
        self._writer.write_table(table)
        if self._csv is not None:
            rows.to_csv(self._csv, mode="w" if is_first else "a", header=is_first, index=False)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()
