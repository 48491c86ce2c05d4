"""What the user names → the videos of a run."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ace3d_fast.errors import InputError, expected
from ace3d_fast.text_files import as_text
from ace3d_fast.types import Video

RANDOM = "random_discovery"  # label of videos of no class, after a folder of 3D ACE's published code
RANDOM_FOLDER = re.compile(r"random_discovery|random\d+_\d+")
EXTENSIONS = (
    *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".m2ts", ".mts"),
    *(".wmv", ".asf", ".flv", ".f4v", ".3gp", ".ogv", ".vob", ".gif"),
)

LISTS = (".tsv", ".txt", ".lst", ".list", ".json", ".jsonl", ".xls", ".xlsx", ".ods", ".parquet")  # of no use


def list_videos(paths: Sequence[str | Path], *, follow_links: bool = True) -> list[Video]:
    """List the videos that ``paths`` name.

    Parameters
    ----------
    paths : sequence of str or Path
        Each a folder with one subfolder per class; one of 3D ACE, with ``random_discovery`` and
        ``random500_<i>`` beside the classes; a folder of videos, whose name is their class; a CSV file of
        rows ``path,label[,group]`` (header optional, paths relative to the file); or a video file,
        whose folder is its class.
    follow_links : bool
        Take files of a folder that are links to what lies outside it.

    Returns
    -------
    list of Video
        In the order of ``paths``, sorted by name within a folder. Identifiers are unique; a video without
        a group is its own group. Bytes of a name that are no UTF-8 are ``\\xff`` in identifier and class. A
        file that is named twice with one class is listed once. Videos of the random folders have the label
        ``RANDOM``; copies, of each other or of a class's video, are left out.

    Raises
    ------
    InputError
        Where a path is missing, holds no video, one file is given two classes, or a link leads out of its
        folder and is not to be followed.
    """
    if not paths:
        raise InputError(
            expected("list_videos", "videos", "to name a folder, CSV or file", "nothing", "give at least one")
        )
    videos: list[Video] = []
    labels: dict[Path, str] = {}
    taken: set[str] = set()
    for path in map(Path, paths):
        for video in _list_one(path):
            file = video.path.resolve()
            if not follow_links and path.is_dir() and not file.is_relative_to(path.resolve()):
                todo = "pass --follow-links if you trust the folder"
                fact = f"a link to {file}"
                raise InputError(expected("list_videos", str(video.path), f"to lie in {path}", fact, todo))
            if file in labels:
                if labels[file] != video.label:
                    raise InputError(
                        expected(
                            "list_videos",
                            str(video.path),
                            "to have one class",
                            f"{labels[file]!r} and {video.label!r}",
                            "list it once",
                        )
                    )
                continue
            labels[file] = video.label
            videos.append(_with_unique_id(video, path, taken))
            taken.add(videos[-1].id)
    return videos


def choose_videos(videos: Sequence[Video], target_class: str, *, shared: bool = False) -> list[Video]:
    """The videos a run needs: beside random ones, those of other classes only for a ``shared`` vocabulary."""
    if shared or all(video.label != RANDOM for video in videos):
        return list(videos)
    return [video for video in videos if video.label in (target_class, RANDOM)]


def class_names(videos: Sequence[Video]) -> list[str]:
    """The classes of ``videos``, sorted; random videos have none."""
    return sorted({video.label for video in videos} - {RANDOM})


def _list_one(path: Path) -> Iterator[Video]:
    if path.is_dir():
        return _list_folder(path)
    if not path.exists():
        raise InputError(
            expected(
                "list_videos",
                str(path),
                "to be a folder, a CSV file or a video",
                "nothing there",
                "check the path",
            )
        )
    if path.suffix.lower() == ".csv":
        return _list_csv(path)
    if path.suffix.lower() in LISTS or not path.is_file():
        fact = f"a file of the kind {path.suffix}" if path.is_file() else "a pipe or device"
        todo = "save a list of videos as a .csv file"
        raise InputError(
            expected("list_videos", str(path), "to be a folder, a CSV file or a video", fact, todo)
        )
    return iter([_video(path, f"{path.absolute().parent.name}/{path.name}", path.absolute().parent.name)])


def _list_folder(folder: Path) -> Iterator[Video]:
    classes = [sub for sub in sorted(folder.iterdir()) if sub.is_dir() and not sub.name.startswith(".")]
    found = [(sub.name, file) for sub in classes if not _is_random(sub) for file in _files(sub)]
    drawn = [file for sub in classes if _is_random(sub) for file in _files(sub)]
    found += [(RANDOM, file) for file in _without_copies(drawn, [file for _, file in found])]
    if not found:
        found = [(folder.absolute().name, file) for file in _files(folder)]
    if not found:
        looked = f"looked for {' '.join('*' + e for e in EXTENSIONS[:6])} and the like in {folder}/<class>/"
        raise InputError(
            expected("list_videos", str(folder), "to hold videos in class subfolders", "none", looked)
        )
    for label, file in found:
        yield _video(file, file.relative_to(folder).as_posix(), label)


def _is_random(folder: Path) -> bool:
    return RANDOM_FOLDER.fullmatch(folder.name) is not None


def _without_copies(drawn: Sequence[Path], others: Sequence[Path]) -> Iterator[Path]:
    """Those of ``drawn`` whose content is neither that of ``others`` nor of one before."""
    num_bytes = {file: file.stat().st_size for file in (*others, *drawn)}
    shared = {size for size, times in Counter(num_bytes.values()).items() if times > 1}
    seen = {_digest(file) for file in others if drawn and num_bytes[file] in shared}
    for file in drawn:
        if num_bytes[file] in shared:
            content = _digest(file)
            if content in seen:
                continue
            seen.add(content)
        yield file


def _digest(file: Path) -> str:
    found = hashlib.sha256()
    with file.open("rb") as content:
        while part := content.read(2**20):
            found.update(part)
    return found.hexdigest()


def _files(folder: Path) -> list[Path]:
    return [
        file
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in EXTENSIONS and file.is_file() and not file.name.startswith(".")
    ]


def _list_csv(table: Path) -> Iterator[Video]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as lines:
            rows = [(number, row) for number, row in enumerate(csv.reader(lines), 1) if any(row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            expected(
                "list_videos", str(table), "to be a CSV file in UTF-8", f"{error}", "save it as CSV in UTF-8"
            )
        ) from error
    has_header = bool(rows) and [cell.strip().lower() for cell in rows[0][1][:2]] == ["path", "label"]
    first = rows[0][0] if rows else 0
    rows = rows[has_header:]
    if not rows:
        raise InputError(
            expected(
                "list_videos",
                str(table),
                "to hold rows path,label[,group]",
                "none",
                "write a video and its class a line",
            )
        )
    for number, row in rows:
        cells = [cell.strip() for cell in row]
        where = f"row {number} of {table}"
        if len(cells) not in (2, 3) or not cells[0] or not cells[1]:
            todo = "separate its cells by commas, and put names that hold one in quotes"
            raise InputError(
                expected("list_videos", where, "to be path,label[,group]", repr(",".join(row)), todo)
            )
        file = table.parent / cells[0]
        if not file.is_file():
            todo = "paths are relative to the CSV file"
            if number == first and not has_header:
                todo += ", and a header is path,label[,group]"
            raise InputError(
                expected("list_videos", where, "to name a video file", f"{file}: nothing there", todo)
            )
        group = cells[2] if len(cells) == 3 and cells[2] else ""
        yield _video(file, Path(cells[0]).as_posix(), cells[1], group)


def _video(path: Path, name: str, label: str, group: str = "") -> Video:
    name, label = as_text(name), as_text(label)
    return Video(name, path, label, group or name)


def _with_unique_id(video: Video, source: Path, taken: set[str]) -> Video:
    """Put the name of its source, then a number, to an identifier that is in use."""
    name, number = video.id, 2
    if name in taken:
        name = stem = f"{source.absolute().name}/{video.id}"
        while name in taken:
            name, number = f"{stem}#{number}", number + 1
    return replace(video, id=name, group=name if video.group == video.id else video.group)
