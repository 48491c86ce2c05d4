"""A run's folder on disk: safetensors for tensors, Parquet for tables, JSON for the rest.

A run is written beside its final place and renamed when it is whole, so a folder with the final name
always holds a complete run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file

from ace3d_fast.errors import InputError, RunFolderError, expected
from ace3d_fast.names import read_names
from ace3d_fast.shelf import link_or_copy
from ace3d_fast.tensor_files import save_arrays, save_tensors
from ace3d_fast.text_files import write_text
from ace3d_fast.types import Clip, SegmentedClip, Video

SHARD_CLIPS = 16
MAX_CHANGES, MAX_CHARACTERS = 3, 60  # told of a folder that was made with other options
TABLES = ("regions", "concepts", "scores", "evaluation")  # every run has these


class RunFolder:
    """Reads, and while a run is on its way writes, one run.

    Parameters
    ----------
    path : Path or str
        A folder that holds ``config.json`` and the run's other files.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @classmethod
    def open(cls, path: Path | str) -> RunFolder:
        """Open a complete run.

        Raises
        ------
        RunFolderError
            ``path`` is no folder of a complete run.
        """
        run = cls(path)
        names = ["config.json", "summary.json", *(f"{table}.parquet" for table in TABLES)]
        missing = [name for name in names if not (run.path / name).is_file()]
        if missing:
            fact = f"{run.path} without {missing[0]}"
            raise RunFolderError(
                expected(
                    "open",
                    "run folder",
                    "of a complete run",
                    fact,
                    "give a folder that `ace3d-fast run` wrote",
                )
            )
        return run

    # Reading ----------------------------------------------------------------------------------

    @cached_property
    def config(self) -> dict[str, Any]:
        """The options of the run (``config.json``)."""
        return self._read_json("config.json")

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Facts about the run as a whole (``summary.json``)."""
        return self._read_json("summary.json")

    @cached_property
    def timings(self) -> dict[str, Any]:
        """Seconds per stage (``timings.json``)."""
        return self._read_json("timings.json")

    @cached_property
    def regions(self) -> pd.DataFrame:
        """One row per region (``regions.parquet``)."""
        return self._read_table("regions")

    @cached_property
    def concepts(self) -> pd.DataFrame:
        """One row per concept (``concepts.parquet``)."""
        return self._read_table("concepts")

    @cached_property
    def scores(self) -> pd.DataFrame:
        """One row per concept, class and score (``scores.parquet``)."""
        return self._read_table("scores")

    @cached_property
    def evaluation(self) -> pd.DataFrame:
        """One row per curve, order and k (``evaluation.parquet``)."""
        return self._read_table("evaluation")

    @cached_property
    def controls(self) -> pd.DataFrame | None:
        """One row per trial of the explanation (``controls.parquet``); None where none was asked for."""
        return self._read_table("controls") if (self.path / "controls.parquet").is_file() else None

    @cached_property
    def matrix(self) -> pd.DataFrame | None:
        """One row per concept and class (``matrix.parquet``); None without a shared vocabulary."""
        return self._read_table("matrix") if (self.path / "matrix.parquet").is_file() else None

    @cached_property
    def cavs(self) -> dict[str, NDArray[Any]]:
        """Concept activation vectors by name (``cavs.safetensors``)."""
        return load_file(self.path / "cavs.safetensors")

    @cached_property
    def centers(self) -> dict[str, NDArray[Any]]:
        """``centers`` (num_clusters, C) of all clusters, and their ``reach`` (num_clusters,), both float64.

        Raises
        ------
        RunFolderError
            The run was written before runs kept them.
        """
        path = self.path / "centers.safetensors"
        try:
            return load_file(path)
        except (OSError, SafetensorError) as error:
            todo = "write the run again with this version"
            raise RunFolderError(
                expected("run folder", path.name, "in it", f"{path}: {error}", todo)
            ) from error

    @cached_property
    def key(self) -> str:
        """Short digest of what was asked and what was found: equal for a run that is repeated."""
        found = self.concepts[["concept", "num_regions", "num_clips"]].to_numpy().tolist()
        told = json.dumps([self.config, found], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    @property
    def names(self) -> dict[int, str]:
        """What people call the concepts (``names.json``).

        Raises
        ------
        InputError
            The file is no file of names, or holds those of another run.
        """
        return read_names(self.path, self.key)

    @property
    def report_path(self) -> Path:
        """Where the report is, or will be."""
        return self.path / "report.html"

    @cached_property
    def videos(self) -> dict[str, Video]:
        """The videos of the run by id, in the order of the input."""
        rows = self._read_json("clips/videos.json")["videos"]
        return {row["id"]: Video(row["id"], Path(row["path"]), row["label"], row["group"]) for row in rows}

    def _shard(self, video: str, index: int) -> Path:
        return self.path / "clips" / f"{_shard_name(video)}-{index // SHARD_CLIPS:05d}.safetensors"

    def read_clip(self, video: str, index: int) -> SegmentedClip:
        """Clip ``index`` of ``video`` with its supervoxels.

        Raises
        ------
        InputError
            The run has no such video or clip.
        RunFolderError
            It cannot be read.
        """
        if video not in self.videos:
            todo = f"it has {', '.join(islice(self.videos, 3))} and others: see its videos"
            raise InputError(expected("read_clip", "video", "one of the run", repr(video), todo))
        path = self._shard(video, index)
        try:
            with safe_open(path, framework="pt") as shard:
                if f"frames.{index}" not in shard.keys():  # noqa: SIM118
                    raise FileNotFoundError
                frames = shard.get_tensor(f"frames.{index}")
                labels = shard.get_tensor(f"labels.{index}").to(torch.int32)
                about = json.loads(shard.metadata()["clips"])[str(index)]
        except FileNotFoundError as error:
            todo = "its table of regions names those with regions; if a file was lost, write the run again"
            fact = f"{index} of {video}"
            raise InputError(expected("read_clip", "a clip", "that the run holds", fact, todo)) from error
        except (OSError, SafetensorError) as error:
            fact = f"{path}: {error}"
            raise RunFolderError(
                expected("read_clip", "a clip shard", "readable", fact, "write the run again")
            ) from error
        clip = Clip(self.videos[video], index, about["start_seconds"], frames, about["stride"])
        return SegmentedClip(clip, labels, about["num_regions"])

    def read_clips(self, video: str) -> list[SegmentedClip]:
        """The clips of ``video`` in which regions were kept."""
        indices = self.regions.loc[self.regions["video"] == video, "clip"].unique()
        return [self.read_clip(video, int(index)) for index in sorted(indices)]

    # Writing ----------------------------------------------------------------------------------

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Write ``value`` to the file ``name``."""
        text = json.dumps(value, indent=2, ensure_ascii=False, default=_plain)
        write_text(self.path / name, text + "\n")

    def write_table(self, table: str, rows: pd.DataFrame) -> None:
        """Write ``table``.parquet."""
        rows.to_parquet(self.path / f"{table}.parquet", index=False)

    def write_cavs(self, cavs: Mapping[str, NDArray[Any]]) -> None:
        """Write ``cavs.safetensors``."""
        ordered = {name: np.ascontiguousarray(cavs[name]) for name in sorted(cavs)}
        save_arrays(ordered, self.path / "cavs.safetensors")

    def write_centers(self, centers: NDArray[np.float64], reach: NDArray[np.float64]) -> None:
        """Write ``centers.safetensors``."""
        save_arrays({"centers": centers, "reach": reach}, self.path / "centers.safetensors")

    def write_videos(self, videos: Sequence[Video]) -> None:
        """List the videos whose clips are stored."""
        rows = [{"id": v.id, "path": str(v.path), "label": v.label, "group": v.group} for v in videos]
        (self.path / "clips").mkdir(exist_ok=True)
        self.write_json("clips/videos.json", {"videos": rows})

    def write_clips(self, clips: Sequence[SegmentedClip]) -> None:
        """Store the next clips of a video, ``SHARD_CLIPS`` of them but for its last; read by `read_clip`."""
        tensors, about = {}, {}
        for clip in clips:
            index = clip.clip.index
            narrow = torch.int16 if clip.num_regions < 2**15 else torch.int32
            tensors[f"frames.{index}"] = clip.clip.frames.contiguous()
            tensors[f"labels.{index}"] = clip.labels.to(narrow).contiguous()
            about[index] = {
                "start_seconds": clip.clip.start_seconds,
                "stride": clip.clip.stride,
                "num_regions": clip.num_regions,
            }
        first = clips[0].clip
        (self.path / "clips").mkdir(exist_ok=True)
        save_tensors(tensors, self._shard(first.video.id, first.index), metadata={"clips": json.dumps(about)})

    def adopt_clips(self, other: RunFolder) -> None:
        """Take the clips of ``other``, on one file system without copying them."""
        (self.path / "clips").mkdir(exist_ok=True)
        for source in (other.path / "clips").glob("*.safetensors"):
            target = self.path / "clips" / source.name
            target.unlink(missing_ok=True)
            link_or_copy(source, target)

    # Internals --------------------------------------------------------------------------------

    def _read_json(self, name: str) -> dict[str, Any]:
        try:
            value: dict[str, Any] = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as error:
            fact = f"{self.path / name}: {error}"
            raise RunFolderError(
                expected("run folder", name, "readable", fact, "write the run again")
            ) from error
        return value

    def _read_table(self, table: str) -> pd.DataFrame:
        return pd.read_parquet(self.path / f"{table}.parquet")


def check_out(out: Path | str, config: Mapping[str, Any], *, where: str = "run") -> Path:
    """Check that a run of ``config`` may be written to ``out``: a new or empty folder, or the same run.

    ``where`` names the command in messages.

    Raises
    ------
    RunFolderError
        ``out`` is a file, a mount point or the working folder, holds something else, or a run of another
        configuration.
    """
    path = Path(out)
    place = path.resolve()
    if place.is_mount() or Path.cwd().is_relative_to(place):  # it is renamed in the end
        kind = "a mount point" if place.is_mount() else "the working folder"
        todo = "name a folder inside it"
        raise RunFolderError(expected(where, "out", "a folder that can be replaced", f"{kind}: {path}", todo))
    if path.is_dir() and any(path.iterdir()):
        if not (path / "config.json").is_file():
            fact = f"{path} with other files in it"
            raise RunFolderError(
                expected(where, "out", "a new or empty folder", fact, "choose another --out")
            )
        old = RunFolder(path).config
        new = json.loads(json.dumps(config, default=_plain))
        changed = _changes(old, new)
        if changed:
            rest = f" and {len(changed) - MAX_CHANGES} more" if len(changed) > MAX_CHANGES else ""
            fact = f"{path}, made with {', '.join(changed[:MAX_CHANGES])}{rest}"
            todo = "choose another --out or remove that folder"
            raise RunFolderError(
                expected(where, "out", "a new folder, or one of the same options", fact, todo)
            )
    elif path.exists() and not path.is_dir():
        raise RunFolderError(expected(where, "out", "a folder", f"the file {path}", "choose another --out"))
    return path


def _changes(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The options that differ: ``sampling.fps 2.5 (now 7.5)``."""
    found = []
    for name in sorted({*old, *new}):
        was, now = old.get(name), new.get(name)
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            found += _changes(was, now, f"{prefix}{name}.")
        elif was != now:
            found.append(f"{prefix}{name} {_brief(was)} (now {_brief(now)})")
    return found


def _brief(value: object) -> str:
    """A value in a sentence."""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    return text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 1]}\N{HORIZONTAL ELLIPSIS}"


def _shard_name(video: str) -> str:
    return hashlib.sha256(video.encode()).hexdigest()[:16]


def _plain(value: object) -> object:
    """JSON form of NumPy scalars, paths and tuples."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
