"""Finished work at a URL: object stores and remote file systems, by fsspec."""

from __future__ import annotations

import shutil
import tempfile
import uuid
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec

from ace3d_fast.errors import InputError, RunFolderError, expected, first_line
from ace3d_fast.shelf import Shelf

OF_DAMAGE = (EOFError, RuntimeError, ValueError, zlib.error)  # what else unpacking other bytes ends in


class RemoteShelf(Shelf):
    """Pieces at a URL, and those that were asked for in a folder of this machine.

    There a piece is one ZIP file. It is put under another name and moved when it is whole, so that every
    machine finds all of it or nothing.

    Parameters
    ----------
    url : str
        Of a folder, such as ``s3://bucket/work``; what fsspec and the package for that store understand.
    path : Path
        For the copies.
    keep : bool
        Keep copies of pieces that were made here.

    Raises
    ------
    InputError
        A kind of URL that is not known, or whose package is not installed.
    """

    def __init__(self, url: str, path: Path, *, keep: bool = True) -> None:
        super().__init__(path)
        self.url, self._keep = url, keep
        try:
            self._files, root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            todo = "give a folder, or install the package for that store"
            raise InputError(
                expected("run", "work_dir", "a folder or a URL known to fsspec", f"{url}: {error}", todo)
            ) from error
        self._root = root.rstrip("/")

    def find(self, kind: str, digest: str) -> Path | None:
        """As `Shelf.find`; fetched where it is not here yet. A damaged one is removed there too."""
        return super().find(kind, digest) or self._fetch(kind, digest)

    def finish(self, draft: Path) -> Path:
        """As `Shelf.finish`, and send it."""
        folder = super().finish(draft)
        self._send(folder)
        if not self._keep:
            shutil.rmtree(folder, ignore_errors=True)
        return folder

    def folder(self, kind: str, digest: str) -> Path:
        """As `Shelf.folder`, fetched.

        Raises
        ------
        RunFolderError
            It has vanished.
        """
        found = self.find(kind, digest)
        if found is None:
            todo = "start again: what is missing is made again"
            raise RunFolderError(expected("run", f"{self.url}/{kind}/{digest}.zip", "there", "nothing", todo))
        return found

    @contextmanager
    def at_worker(self) -> Iterator[Shelf]:
        """The same for a process that may be on another machine, and keeps nothing there."""
        with tempfile.TemporaryDirectory(prefix="ace3d_shelf_") as folder:
            yield RemoteShelf(self.url, Path(folder), keep=False)

    def _send(self, folder: Path) -> None:
        kind, digest = folder.parent.name, folder.name
        draft = f"{self._root}/{kind}/.{digest}.{uuid.uuid4().hex[:8]}.zip"
        with self._told(), tempfile.TemporaryDirectory(dir=self.path) as scratch:
            archive = Path(scratch) / "piece.zip"
            with zipfile.ZipFile(archive, "w") as pack:  # stored: arrays and Parquet hardly shrink
                for file in sorted(path for path in folder.rglob("*") if path.is_file()):
                    pack.write(file, file.relative_to(folder).as_posix())
            self._files.makedirs(f"{self._root}/{kind}", exist_ok=True)
            self._files.put_file(str(archive), draft)
            self._files.mv(draft, self._address(kind, digest))

    def _fetch(self, kind: str, digest: str) -> Path | None:
        self.path.mkdir(parents=True, exist_ok=True)
        with self._told(), tempfile.TemporaryDirectory(dir=self.path) as scratch:
            archive = Path(scratch) / "piece.zip"
            try:
                self._files.get_file(self._address(kind, digest), str(archive))
            except FileNotFoundError:
                return None
            self._unpack(archive, kind, digest)
            found = super().find(kind, digest)
            if found is None:
                self._files.rm_file(self._address(kind, digest))
            return found

    def _unpack(self, archive: Path, kind: str, digest: str) -> None:
        """Make the piece in ``archive`` one of this machine, unless it is damaged or is here by now.

        What keeps this machine from writing it says nothing of the piece there, and is raised.
        """
        draft = self.begin(kind, digest)
        folder = self.path / kind / digest
        try:
            with zipfile.ZipFile(archive) as pack:
                pack.extractall(draft)
            draft.rename(folder)
        except (zipfile.BadZipFile, *OF_DAMAGE):
            pass
        except OSError:
            if not folder.is_dir():
                raise
        finally:
            self.drop(draft)

    def _address(self, kind: str, digest: str) -> str:
        return f"{self._root}/{kind}/{digest}.zip"

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of the store, each of which has kinds of its own, in one line."""
        try:
            yield
        except Exception as error:
            fact = first_line(error)
            todo = "look at the address and your rights, and start again: finished videos are kept"
            raise RunFolderError(expected("run", self.url, "to be reachable", fact, todo)) from error
