"""Where a result is written until it is whole, and the lock that keeps a second writer out."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from pathlib import Path
from typing import IO

from safetensors import SafetensorError

from ace3d_fast.errors import RunFolderError, expected
from ace3d_fast.remote_shelf import RemoteShelf
from ace3d_fast.shelf import Shelf
from ace3d_fast.store import RunFolder
from ace3d_fast.text_files import as_text

DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM}


class Workplace:
    """Context in which a run is written; on success it takes the final name.

    Beside ``out`` a hidden folder holds the unfinished run, a shelf for finished pieces of work, and a lock.
    It vanishes on success. After an error or a kill the shelf is left if it holds anything, for the next
    process that writes to ``out``.

    Parameters
    ----------
    out : Path
    shelf : Path or str, optional
        Another folder, or a URL of fsspec, for the pieces, which are then left there on success too.

    Raises
    ------
    RunFolderError
        Another process writes to ``out``; the folder cannot be made; or, at the end of the block, a file
        could not be written.
    """

    def __init__(self, out: Path, *, shelf: Path | str | None = None) -> None:
        self.out = out = out.resolve()  # where a link leads: renaming would replace the link
        self.work = out.parent / f".{out.name}.work"
        self.partial = self.work / "run"
        self._before = self.work / "before"  # what stood at ``out``, until the new run does
        own = self.work / "shelf"
        is_url = isinstance(shelf, str) and "://" in shelf
        self.shelf = RemoteShelf(str(shelf), own) if is_url else Shelf(Path(shelf or own).absolute())
        self._lock: IO[str] | None = None

    def __enter__(self) -> RunFolder:
        for path in (self.out, self.shelf.path):
            text, todo = as_text(path), "choose another folder"
            if text != str(path):
                raise RunFolderError(expected("run", "out", "a path in UTF-8", text, todo))
        try:
            self._lock = lock_folder(self.work)
            self._settle()
            shutil.rmtree(self.partial, ignore_errors=True)
            self.partial.mkdir()
        except OSError as error:
            if self._lock is not None:
                self._lock.close()
            raise RunFolderError(
                expected("run", "out", "a folder that can be made", error, "choose another --out")
            ) from error
        if self.shelf.path.is_relative_to(self.work):
            self.shelf.clear_drafts()
        return RunFolder(self.partial)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            if kind is None:
                if self.out.exists():
                    self.out.rename(self._before)
                self.partial.rename(self.out)
                self._settle()
                shutil.rmtree(self.work, ignore_errors=True)
                return
            shutil.rmtree(self.partial, ignore_errors=True)
            if not any(self.work.glob("shelf/*/[!.]*")):
                shutil.rmtree(self.work, ignore_errors=True)
        finally:
            if self._lock is not None:
                self._lock.close()
        if error is not None and _is_of_the_disk(error):
            todo = "make room or choose another --out, and start again: finished videos are kept"
            raise RunFolderError(expected("run", str(self.out), "to be writable", error, todo)) from error

    def _settle(self) -> None:
        """End a change of runs, wherever a process that died had left it."""
        if not self._before.exists():
            return
        if self.out.exists():
            _keep_additions(RunFolder(self._before), RunFolder(self.out))
            shutil.rmtree(self._before, ignore_errors=True)
        else:
            self._before.rename(self.out)


def _keep_additions(old: RunFolder, new: RunFolder) -> None:
    """Move what was put into the folder of a run, such as explained videos, to one with the same concepts."""
    if not ((old.path / "concepts.parquet").is_file() and (new.path / "concepts.parquet").is_file()):
        return  # segmented or explained videos
    try:
        same = old.key == new.key
    except (OSError, ValueError, KeyError):  # damaged, or of another version
        return
    for entry in sorted(old.path.iterdir()):
        if same and not (new.path / entry.name).exists():
            entry.rename(new.path / entry.name)


def lock_folder(folder: Path) -> IO[str]:
    """Make ``folder`` and lock it for this process until the file is closed or the process ends, however.

    Raises
    ------
    RunFolderError
        Another process holds it.
    """
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = (folder / "lock").open("a+", encoding="utf-8")
        except FileNotFoundError:
            continue  # its last owner has just removed it
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip() or "another process"
            lock.close()
            todo = "wait for it, end it, or choose another --out"
            raise RunFolderError(
                expected(
                    "run", "out", "that no other process writes to", f"{owner} at work in {folder}", todo
                )
            ) from None
        if _is(lock, folder / "lock"):
            break
        lock.close()
    lock.truncate(0)
    lock.write(f"process {os.getpid()} on {os.uname().nodename}")
    lock.flush()
    return lock


def _is_of_the_disk(error: BaseException) -> bool:
    """Whether an error says that a file could not be written."""
    if isinstance(error, SafetensorError):  # it passes on the number in words
        return any(f"os error {number}" in str(error) for number in DISK_ERRORS)
    return isinstance(error, OSError) and error.errno in DISK_ERRORS


def _is(file: IO[str], path: Path) -> bool:
    """Whether ``path`` still names the open ``file``."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
