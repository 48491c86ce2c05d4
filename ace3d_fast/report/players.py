"""Videos that can be played and searched: frames, supervoxels, and each concept over time."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from ace3d_fast.report.facts import concept_name
from ace3d_fast.report.records import RunRecords
from ace3d_fast.types import SegmentedClip

MAX_PLAYER_BYTES = 2_200_000
MAX_FRAMES = 32  # of a clip; of more, every n-th
QUALITIES = ((192, 62), (160, 45), (112, 35))  # longer side in pixels, quality; the first that fits
MAX_CLIPS = 64  # of a video
NUM_SAMPLED = 4  # videos that tell whether all of them fit
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Player:
    """A video with what the page needs to play it.

    Attributes
    ----------
    video, file : str
        Its id, and the name of its file.
    data : dict
        ``clips`` with their frames as one picture and a picture of region numbers for each resolution;
        ``figure``, the concepts over time.
    num_bytes : int
        Size of the pictures.
    num_clips_left_out : int
    """

    video: str
    file: str
    data: dict[str, Any]
    num_bytes: int
    num_clips_left_out: int


def make_players(run: RunRecords, *, fps: float, max_bytes: int = MAX_PLAYER_BYTES) -> list[Player]:
    """Players of the videos of the explained class, in the order of the run.

    Parameters
    ----------
    run : RunRecords
    fps : float
        Frames per second of the stored clips.
    max_bytes : int
        Wanted size of all pictures together. Where even small ones do not fit, the last videos are left out.
    """
    mine = run.regions[run.regions["label"] == run.summary["target_class"]]
    rows = {str(video): part for video, part in mine.groupby("video", sort=False, observed=True)}
    concepts = _shown(run)
    if not concepts:
        return []
    sample = list(rows)[:: -(-len(rows) // NUM_SAMPLED) or 1]
    makers = [partial(_player, run, concepts, fps, side, quality) for side, quality in QUALITIES]
    players: list[Player] = []
    for make in makers:
        made = {video: make(video, rows[video]) for video in sample}
        wanted = sum(player.num_bytes for player in made.values()) / max(1, len(sample)) * len(rows)
        if wanted > max_bytes and make is not makers[-1]:
            continue
        players, total = [], 0
        for video, part in rows.items():
            player = made.get(video) or make(video, part)
            total += player.num_bytes
            if total > max_bytes:
                break
            players.append(player)
        if len(players) == len(rows):
            break
    return players


def _shown(run: RunRecords) -> list[int]:
    """Concepts that were judged; all clusters where none was."""
    judged = run.concepts[run.concepts["status"] != "rejected"]
    return [int(concept) for concept in (run.concepts if judged.empty else judged)["concept"]]


def _player(
    run: RunRecords,
    concepts: Sequence[int],
    fps: float,
    side: int,
    quality: int,
    video: str,
    rows: pd.DataFrame,
) -> Player:
    numbers = sorted(int(clip) for clip in rows["clip"].unique())
    clips, covered, num_bytes = [], [], 0
    for number in numbers[:MAX_CLIPS]:
        segmented = run.read_clip(video, number)
        step = -(-len(segmented.clip.frames) // MAX_FRAMES)
        mine = rows[rows["clip"] == number]
        concept_of = np.full(segmented.num_regions, -1, np.int64)
        concept_of[mine["index"].to_numpy()] = mine["concept"].to_numpy()
        frames, maps, table = _pictures(segmented, concept_of, step=step, side=side, quality=quality)
        num_bytes += len(frames) + sum(map(len, maps))
        covered.append(_coverage(segmented, concept_of, concepts, step))
        clips.append(
            {
                "start": round(segmented.clip.start_seconds, 3),
                "step": round(step / fps, 4),
                "num_frames": covered[-1].shape[1],
                "frames": _uri(frames),
                "maps": [_uri(data) for data in maps],
                "concepts": table,
            }
        )
    data = {
        "video": video,
        "clips": clips,
        "figure": _strip(concepts, clips, np.concatenate(covered, axis=1)),
    }
    return Player(video, PurePosixPath(video).name, data, num_bytes, max(0, len(numbers) - MAX_CLIPS))


def _pictures(
    segmented: SegmentedClip, concept_of: NDArray[np.int64], *, step: int, side: int, quality: int
) -> tuple[bytes, list[bytes], list[list[int]]]:
    """Frames below each other; for each resolution the regions' numbers, in red and green; their concepts.

    Regions are numbered from 1 within each resolution; 0 is background.
    """
    frames = segmented.clip.frames[::step].numpy()
    height, width = frames.shape[1:3]
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    shrunk = [Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC) for frame in frames]
    maps, table = [], []
    for labels in segmented.labels[:, ::step].numpy():
        regions = np.unique(labels[labels >= 0])
        numbers = np.where(labels >= 0, np.searchsorted(regions, labels) + 1, 0)
        bytes_of = np.stack([numbers & 255, numbers >> 8, np.zeros_like(numbers)], axis=-1).astype(np.uint8)
        small = [Image.fromarray(part).resize(size, Image.Resampling.NEAREST) for part in bytes_of]
        maps.append(_encode(small, lossless=True))
        table.append([-1, *concept_of[regions].tolist()])
    return _encode(shrunk, quality=quality), maps, table


def _coverage(
    segmented: SegmentedClip, concept_of: NDArray[np.int64], concepts: Sequence[int], step: int
) -> NDArray[np.float64]:
    """(concepts, frames): the share of the picture that the regions of each concept cover."""
    labels = segmented.labels[:, ::step].numpy()
    member = np.append(concept_of, -1)[labels]  # label -1 finds the last entry
    return np.stack([(member == concept).any(axis=0).mean(axis=(1, 2)) for concept in concepts])


def _strip(
    concepts: Sequence[int], clips: Sequence[dict[str, Any]], covered: NDArray[np.float64]
) -> dict[str, Any]:
    """A heat strip for each concept: how much of the picture it covers, over time."""
    times = [clip["start"] + i * clip["step"] for clip in clips for i in range(clip["num_frames"])]
    trace = {
        "type": "heatmap",
        "x": [round(time, 3) for time in times],
        "y": [concept_name(concept) for concept in concepts],
        "z": [[round(float(value), 3) for value in line] for line in covered],
        "colorscale": "Viridis",
        "zmin": 0,
        "zmax": round(max(0.05, float(covered.max())), 3),
        "ygap": 3,
        "hovertemplate": "%{y} at %{x:.1f} s: %{z:.0%} of the picture<extra></extra>",
        "colorbar": {"thickness": 10, "tickformat": ".0%", "outlinewidth": 0, "len": 1},
    }
    layout = {
        "xaxis": {"title": {"text": "Seconds"}, "fixedrange": True, "showgrid": False, "zeroline": False},
        "yaxis": {
            "autorange": "reversed",
            "fixedrange": True,
            "type": "category",
            "automargin": True,
            "showgrid": False,
        },
        "margin": {"l": 20, "r": 8, "t": 8, "b": 44},
        "height": 90 + 30 * len(concepts),
        "meta": {"concepts": list(concepts)},
    }
    return {"data": [trace], "layout": layout}


def _encode(pictures: Sequence[Image.Image], *, quality: int = 100, lossless: bool = False) -> bytes:
    """The pictures below each other, as WebP."""
    stack = Image.fromarray(np.concatenate([np.asarray(picture) for picture in pictures]))
    file = io.BytesIO()
    # more effort takes 9 times as long for maps and half as long again for frames, and saves no byte
    stack.save(file, "WEBP", quality=quality, lossless=lossless, exact=True, method=0 if lossless else 1)
    return file.getvalue()


def _uri(data: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(data).decode("ascii")
