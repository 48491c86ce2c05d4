"""Finished work at a URL: the same files, whole pieces or none, and one line where the store fails."""

from __future__ import annotations

import errno
import pickle
import tempfile
import uuid
import zipfile
from pathlib import Path

import fsspec
import numpy as np
import pytest
from fast_run import fast_run

from ace3d_fast.errors import InputError, RunFolderError
from ace3d_fast.remote_shelf import RemoteShelf
from ace3d_fast.stages import clips
from ace3d_fast.workplace import Workplace

STORE = fsspec.filesystem("memory")


@pytest.fixture
def url():
    name = f"/{uuid.uuid4().hex}"
    yield f"memory:/{name}/work"
    STORE.rm(name, recursive=True)


def names(url: str) -> list[str]:
    return sorted(path.split("/work/")[1] for path in STORE.find(url.removeprefix("memory:/")))


def put(url: str, folder: Path, values: np.ndarray) -> RemoteShelf:
    shelf = RemoteShelf(url, folder)
    shelf.put("kind", "one", {"values": values})
    return shelf


def test_another_machine_finds_a_piece(url, tmp_path):
    put(url, tmp_path / "a", np.arange(5))
    assert names(url) == ["kind/one.zip"]
    other = pickle.loads(pickle.dumps(RemoteShelf(url, tmp_path / "b")))
    assert other.values("kind", "one")["values"].tolist() == [0, 1, 2, 3, 4]
    assert other.folder("kind", "one") == tmp_path / "b" / "kind" / "one"
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["kind"]  # no scratch is left
    assert other.find("kind", "two") is None


def test_a_worker_keeps_nothing(url, tmp_path):
    shelf = RemoteShelf(url, tmp_path / "a")
    with shelf.at_worker() as worker:
        worker.put("kind", "one", {"values": np.arange(3)})
        assert not worker.path.is_relative_to(tmp_path)
        assert list((worker.path / "kind").iterdir()) == []
    assert not worker.path.exists()
    assert shelf.values("kind", "one")["values"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("damage", ["cut", "no_zip", "other_bytes", "other_method", "outside"])
def test_a_damaged_piece_is_none_and_goes(url, tmp_path, damage):
    put(url, tmp_path / "a", np.arange(500))
    path = f"{url.removeprefix('memory:/')}/kind/one.zip"
    data = STORE.cat_file(path)
    if damage == "other_bytes":
        at = data.index(np.arange(500).tobytes()[:64])
        data = data[:at] + b"\1" + data[at + 1 :]
    elif damage == "other_method":
        at = data.rindex(b"PK\1\2") + 10  # of the last entry in the directory at the end
        data = data[:at] + b"\x63\0" + data[at + 2 :]
    elif damage == "outside":
        archive = tmp_path / "bad.zip"
        with zipfile.ZipFile(archive, "w") as pack:
            pack.writestr("../../escaped", "x")
        data = archive.read_bytes()
    else:
        data = data[: len(data) // 2] if damage == "cut" else b"no zip at all"
    STORE.pipe_file(path, data)
    other = RemoteShelf(url, tmp_path / "b")
    assert other.find("kind", "one") is None
    assert names(url) == []
    assert not list(tmp_path.rglob("escaped"))
    with pytest.raises(RunFolderError, match=r"kind/one.zip there, got nothing; start again"):
        other.folder("kind", "one")


def test_a_full_disk_here_leaves_the_piece_there(url, tmp_path, monkeypatch):
    put(url, tmp_path / "a", np.arange(5))

    def full(self, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "extractall", full)
        with pytest.raises(RunFolderError, match="No space left on device"):
            RemoteShelf(url, tmp_path / "b").find("kind", "one")
    assert names(url) == ["kind/one.zip"]
    assert not [path for path in (tmp_path / "b").rglob("*") if path.is_file()]
    assert RemoteShelf(url, tmp_path / "b").values("kind", "one")["values"].tolist() == [0, 1, 2, 3, 4]


def test_half_of_a_piece_is_not_taken(url, tmp_path, monkeypatch):
    def broken_off(self, source, target, **_):
        raise ConnectionError("the line is dead\nand more")

    monkeypatch.setattr(type(STORE), "mv", broken_off)
    with pytest.raises(
        RunFolderError, match=r"work to be reachable, got the line is dead; look at the address"
    ):
        put(url, tmp_path / "a", np.arange(5))
    assert RemoteShelf(url, tmp_path / "b").find("kind", "one") is None


def test_a_url_that_nobody_knows_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"work_dir a folder or a URL known to fsspec, got nosuch://x: .*install"
    ):
        Workplace(tmp_path / "run", shelf="nosuch://x")


def test_a_run_at_a_url_writes_the_same_files_and_is_taken_up(
    planted, few_videos, tmp_path, url, monkeypatch
):
    undisturbed = fast_run(planted, few_videos, tmp_path / "own")
    assert fast_run(planted, few_videos, tmp_path / "a", work_dir=url) == undisturbed
    kept = names(url)
    assert sum(name.startswith("videos/") for name in kept) == 20
    STORE.rm_file(f"{url.removeprefix('memory:/')}/{kept[-1]}")  # a video
    read_whole, read = clips.read_clips, []
    monkeypatch.setattr(
        clips, "read_clips", lambda video, *a, **k: read.append(video.id) or read_whole(video, *a, **k)
    )
    assert fast_run(planted, few_videos, tmp_path / "b", work_dir=url) == undisturbed
    assert len(read) == 1
    assert names(url) == kept
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "own"]


def test_workers_send_to_a_url_and_leave_nothing_here(planted, few_videos, tmp_path, monkeypatch):
    undisturbed = fast_run(planted, few_videos, tmp_path / "own")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr(tempfile, "tempdir", None)
    at = f"file://{tmp_path}/there"
    assert fast_run(planted, few_videos, tmp_path / "a", workers=2, work_dir=at) == undisturbed
    assert len(list((tmp_path / "there" / "videos").glob("[!.]*.zip"))) == 20
    assert not list((tmp_path / "there" / "videos").glob(".*"))
    assert not list(scratch.iterdir())
