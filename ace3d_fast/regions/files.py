"""Formats of label files, one file per video.

``.npz``
    Array ``labels``, (T, H, W) or (S, T, H, W) integers: the region of each voxel; negative is background.
    ``fps``, optional: frames of the labels per second; by default they are the video's own.
``.mkv``, ``.mp4``
    A grey, lossless video whose pixels are regions; 0 is background. Its frame rate is its own.
``.json``
    ``{"width", "height", "objects": [{"frames": {"0": SHAPE, ...}}, ...]}`` with optional ``fps`` and
    ``num_frames``. Each object is a region, absent in frames it does not name. A SHAPE is
    ``{"box": [x, y, width, height]}``, ``{"rle": {"size": [h, w], "counts": ...}}`` (COCO, plain or
    compressed), or ``{"keypoints": [[x, y], ...]}``. Keypoints, null or with a third number 0 where unseen,
    are joined by ``"bones": [[0, 1], ...]`` to capsules of ``"radius_px"``, both beside ``objects``; each
    bone is a region. Objects that overlap stand in maps of their own.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from ace3d_fast.errors import InputError, expected, first_line
from ace3d_fast.regions.shapes import Mask, box_mask, capsule_mask, decode_rle

SUFFIXES = (".npz", ".json", ".mkv", ".mp4")
MAX_REGION = 2**31 - 1
Labels = NDArray[np.int32]
Places = tuple[NDArray[np.intp], NDArray[np.intp]]  # rows and columns of a frame


class LabelFile(NamedTuple):
    """An open label file.

    Attributes
    ----------
    size : (int, int)
        Height and width of its frames.
    fps : float or None
        None: the video's.
    num_frames : int or None
        None: as many as the video.
    read : callable
        From ascending frame numbers, which may repeat, and `Places`, (S, frames, rows, columns) int32.
    """

    size: tuple[int, int]
    fps: float | None
    num_frames: int | None
    read: Callable[[Sequence[int], Places], Labels]


def open_labels(path: Path) -> LabelFile:
    """Open a label file by its suffix.

    Raises
    ------
    InputError
        Where it is malformed, in one line that names the file.
    """
    try:
        return {".npz": _open_npz, ".json": _open_json}.get(path.suffix, _open_video)(path)
    except InputError:
        raise
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        zipfile.BadZipFile,
        av.FFmpegError,
    ) as error:
        raise _malformed(path, error) from error


def _malformed(path: Path, error: Exception | str) -> InputError:
    fact = error if isinstance(error, str) else _reason(error)
    return InputError(
        expected("regions", str(path), "to be a label file", fact, "see README for the formats")
    )


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"none of the name {error}"
    return first_line(error)


def _rate(value: Any) -> float | None:
    if value is None:
        return None
    fps = float(value)
    if not 0 < fps < float("inf"):
        raise ValueError(f"fps {fps}")
    return fps


def _open_npz(path: Path) -> LabelFile:
    with np.load(path, allow_pickle=False) as arrays:
        labels = arrays["labels"]
        fps = _rate(arrays["fps"]) if "fps" in arrays else None
    if labels.dtype.kind not in "iu" or labels.ndim not in (3, 4) or 0 in labels.shape:
        raise ValueError(f"labels of shape {labels.shape} and type {labels.dtype}")
    if labels.max() > MAX_REGION:
        raise ValueError(f"region {labels.max()}, above {MAX_REGION}")
    if labels.dtype.kind == "i":
        labels = np.maximum(labels, -1)
    maps = labels if labels.ndim == 4 else labels[None]

    def read(frames: Sequence[int], places: Places) -> Labels:
        rows, columns = places
        return np.stack([maps[:, t][:, rows][:, :, columns] for t in frames], axis=1).astype(np.int32)

    height, width = maps.shape[2:]
    return LabelFile((height, width), fps, maps.shape[1], read)


def _open_video(path: Path) -> LabelFile:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if not str(stream.format.name).startswith("gray"):
            raise ValueError(f"a video in {stream.format.name}, not in grey")
        size, fps = (stream.height, stream.width), float(stream.average_rate)
        num_frames = sum(packet.size > 0 for packet in container.demux(stream))

    def read(frames: Sequence[int], places: Places) -> Labels:
        wanted = set(frames)
        rows, columns = places
        with av.open(str(path)) as container:
            decoded = enumerate(container.decode(video=0))
            found = {t: _grey(frame)[rows][:, columns] for t, frame in decoded if t in wanted}
        if len(found) < len(wanted):
            raise _malformed(path, f"a video that decodes to {len(found)} of {len(wanted)} frames")
        return np.stack([found[t] for t in frames])[None] - 1

    return LabelFile(size, fps, num_frames, read)


def _grey(frame: Any) -> Labels:
    return np.asarray(frame.to_ndarray(), dtype=np.int32)


def _open_json(path: Path) -> LabelFile:
    about = json.loads(path.read_text(encoding="utf-8"))
    size = (int(about["height"]), int(about["width"]))
    num_frames = None if about.get("num_frames") is None else int(about["num_frames"])
    regions = [region for thing in about["objects"] for region in _regions(thing["frames"], about)]

    def read(frames: Sequence[int], places: Places) -> Labels:
        try:
            return _pack((_draw(region, size, frames, places) for region in regions), len(frames), places)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise _malformed(path, error) from error

    return LabelFile(size, _rate(about.get("fps")), num_frames, read)


Region = dict[int, Callable[[tuple[int, int]], Mask | None]]  # what draws it in each frame


def _regions(frames: dict[str, Any], about: dict[str, Any]) -> Iterator[Region]:
    """The region of an object, or one for each of its bones."""
    shapes = {int(t): shape for t, shape in frames.items()}
    if any("keypoints" in shape for shape in shapes.values()):
        radius = float(about["radius_px"])
        for a, b in about["bones"]:
            yield {t: _bone(shape["keypoints"], int(a), int(b), radius) for t, shape in shapes.items()}
    else:
        yield {t: _outline(shape) for t, shape in shapes.items()}


def _outline(shape: dict[str, Any]) -> Callable[[tuple[int, int]], Mask | None]:
    if "box" in shape:
        return lambda size: box_mask(shape["box"], size)
    rle = shape["rle"]
    return lambda size: decode_rle(rle)


def _bone(points: Sequence[Any], a: int, b: int, radius: float) -> Callable[[tuple[int, int]], Mask | None]:
    ends = [points[a], points[b]]
    if any(end is None or (len(end) > 2 and not end[2]) for end in ends):
        return lambda size: None
    return lambda size: capsule_mask(ends[0], ends[1], radius, size)


def _draw(region: Region, size: tuple[int, int], frames: Sequence[int], places: Places) -> Mask:
    """(frames, rows, columns) bool."""
    rows, columns = places
    drawn = np.zeros((len(frames), len(rows), len(columns)), dtype=np.bool_)
    for i, t in enumerate(frames):
        mask = region[t](size) if t in region else None
        if mask is None:
            continue
        if mask.shape != size:
            raise ValueError(f"a mask of {mask.shape} in frames of {size}")
        drawn[i] = mask[rows][:, columns]
    return drawn


def _pack(masks: Iterable[Mask], num_frames: int, places: Places) -> Labels:
    """Number the regions, each in the first map in which it covers no other."""
    maps: list[Labels] = [np.full((num_frames, *map(len, places)), -1, dtype=np.int32)]
    for number, mask in enumerate(masks):
        free = next((labels for labels in maps if not (labels[mask] >= 0).any()), None)
        if free is None:
            free = np.full_like(maps[0], -1)
            maps.append(free)
        free[mask] = number
    return np.stack(maps)
