"""Finished work on disk, each piece under a digest of what it was made from.

A piece is a folder. It is written under another name and renamed when it is whole, with the sizes and
checksums of its files, so that a process that dies leaves no half of one, and a damaged one is made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
from numpy.typing import NDArray
from pyarrow import parquet
from safetensors.numpy import load_file

from ace3d_fast.tensor_files import save_arrays

SEAL = "seal.json"
CHUNK_BYTES = 2**20

Values = dict[str, Any]  # arrays and tables by name


def digest_of(*parts: object) -> str:
    """A name for what is made from ``parts``: what JSON can write, arrays and tables."""
    text = json.dumps(parts, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def digest_of_arrays(*arrays: NDArray[Any]) -> str:
    """A name for the values, shapes and types of ``arrays``."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.dtype} {array.shape}".encode())
        found.update(repr(array.tolist()).encode() if array.dtype.hasobject else array.tobytes())
    return found.hexdigest()[:32]


def _plain(value: object) -> object:
    """JSON form of arrays, tables and sets."""
    if isinstance(value, np.ndarray):
        return digest_of_arrays(value)
    if isinstance(value, pd.DataFrame):
        rows = np.asarray(pd.util.hash_pandas_object(value, index=False))
        return [list(value.columns), digest_of_arrays(rows)]
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no digest")


class Shelf:
    """Pieces of finished work by kind and digest.

    Parameters
    ----------
    path : Path
        Made when the first piece is put there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def find(self, kind: str, digest: str) -> Path | None:
        """The folder of a piece whose files are as they were written; None where there is none.

        A damaged piece is removed.
        """
        folder = Shelf.folder(self, kind, digest)
        if not folder.is_dir():
            return None
        try:
            sealed: Mapping[str, list[int]] = json.loads((folder / SEAL).read_text(encoding="utf-8"))
            sound = sealed == _facts(folder)
        except (OSError, ValueError):
            sound = False
        if not sound:
            shutil.rmtree(folder, ignore_errors=True)
            return None
        return folder

    @contextmanager
    def add(self, kind: str, digest: str) -> Iterator[Path]:
        """A folder to fill; it becomes the piece at the end of the block, or vanishes if that fails."""
        draft = self.begin(kind, digest)
        try:
            yield draft
            self.finish(draft)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def begin(self, kind: str, digest: str) -> Path:
        """A folder to fill, for `finish`."""
        draft = self.path / kind / f".{digest}.{uuid.uuid4().hex[:8]}"
        draft.mkdir(parents=True)
        return draft

    def drop(self, draft: Path) -> None:
        """Let go of what `begin` gave."""
        shutil.rmtree(draft, ignore_errors=True)

    def finish(self, draft: Path) -> Path:
        """Make what `begin` gave the piece, unless another process was first."""
        (draft / SEAL).write_text(json.dumps(_facts(draft)), encoding="utf-8")
        folder = draft.with_name(draft.name[1:].split(".")[0])
        try:
            draft.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
            shutil.rmtree(draft, ignore_errors=True)
        return folder

    def folder(self, kind: str, digest: str) -> Path:
        """Where a piece is that `find` or `finish` told of."""
        return self.path / kind / digest

    def at_worker(self) -> AbstractContextManager[Shelf]:
        """The same for another process, while the context lasts."""
        return nullcontext(self)

    def values(self, kind: str, digest: str) -> Values | None:
        """What `put` put there; None where there is nothing sound."""
        folder = self.find(kind, digest)
        return None if folder is None else read_values(folder)

    def put(self, kind: str, digest: str, values: Mapping[str, Any]) -> None:
        """Keep arrays and tables."""
        with self.add(kind, digest) as folder:
            write_values(folder, values)

    def recall(self, kind: str, parts: object, make: Callable[[], Values]) -> Values:
        """What ``make`` returns, or returned when it was last called for the same ``parts``."""
        name = digest_of(parts)
        found = self.values(kind, name)
        if found is None:
            found = make()
            self.put(kind, name, found)
        return found

    def clear_drafts(self) -> None:
        """Remove what processes that died left half done."""
        for draft in self.path.glob("*/.*"):
            shutil.rmtree(draft, ignore_errors=True)


def write_values(folder: Path, values: Mapping[str, Any]) -> None:
    """Write tables as Parquet and arrays as safetensors."""
    arrays = {name: value for name, value in values.items() if not isinstance(value, pd.DataFrame)}
    for name, value in values.items():
        if isinstance(value, pd.DataFrame):
            value.to_parquet(folder / f"{name}.parquet", index=False)
    packed = {name: value.copy(order="C") for name, value in arrays.items()}
    save_arrays(packed, folder / "arrays.safetensors")


def read_values(folder: Path) -> Values:
    """Read what `write_values` wrote."""
    tables = {path.stem: read_table(folder, path.stem) for path in sorted(folder.glob("*.parquet"))}
    return {**read_arrays(folder), **tables}


def read_arrays(folder: Path) -> dict[str, NDArray[Any]]:
    """The arrays among what `write_values` wrote."""
    return load_file(folder / "arrays.safetensors")


def read_tables(folders: Sequence[Path], name: str) -> tuple[pd.DataFrame, list[int]]:
    """One of the tables of several, below each other, and the number of rows of each."""
    parts = [parquet.ParquetFile(folder / f"{name}.parquet").read(use_threads=False) for folder in folders]
    return pyarrow.concat_tables(parts).to_pandas(), [part.num_rows for part in parts]


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """One of its tables."""
    return pd.read_parquet(folder / f"{name}.parquet")


def _facts(folder: Path) -> dict[str, list[int]]:
    """Size and CRC-32 of every file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SEAL)
    return {path.relative_to(folder).as_posix(): [path.stat().st_size, _crc(path)] for path in files}


def _crc(path: Path) -> int:
    found = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            found = zlib.crc32(chunk, found)
    return found


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, or where the file system knows no such thing a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
