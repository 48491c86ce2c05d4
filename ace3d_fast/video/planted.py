"""PlantedVid: small videos whose true concepts are known.

Each clip shows three or four round sprites on a textured background. One of them, the primitive of its
class, decides the class; the others are distractors: *off twins*, which share everything with a class's
primitive but what decides (static disc, vertical stripes ...), and shapes that belong to no class. Sprites do
not overlap, and each has an exact mask in every frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ace3d_fast.errors import InputError, expected
from ace3d_fast.types import ClipSampling
from ace3d_fast.video.write import write_video

SIDE = 64
NUM_FRAMES = 16
FPS = 8.0
SAMPLING = ClipSampling(NUM_FRAMES, FPS, SIDE, SIDE)
LANES = 3  # sprites stand in horizontal lanes; a moving disc has one to itself
CLASSES = ("red_checker", "horizontal_stripes", "disc_right", "disc_left", "flicker", "rotating_bar")
TWINS = ("vertical_stripes", "static_disc", "constant_plate", "static_bar")
PURE_DISTRACTORS = ("green_triangle", "blue_ring", "cyan_cross")
DISTRACTORS = TWINS + PURE_DISTRACTORS
PRIMITIVES = (*CLASSES, *DISTRACTORS, "corner_tag")
TAG_PX = 8
TAG_COLORS = ((230, 40, 40), (40, 200, 60), (50, 80, 230), (230, 210, 40), (200, 60, 210), (40, 210, 220))

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Look = NDArray[np.int16]  # (frames that repeat, side, side, 3) of a sprite
Draw = Callable[[np.random.Generator, int, int], Look]


@dataclass(frozen=True, slots=True)
class PlantedClip:
    """A generated clip with its truth.

    Attributes
    ----------
    frames : (T, 64, 64, 3) uint8
    masks : (P, T, 64, 64) bool
        Voxels of each of `PRIMITIVES`; empty for those not shown.
    class_index : int
        Position of the class in `CLASSES`, which is also that of its primitive in `PRIMITIVES`.
    """

    frames: Bytes
    masks: Mask
    class_index: int

    @property
    def causal(self) -> Mask:
        """(P,) bool: whether a primitive decides the class of this clip."""
        return np.asarray(np.arange(len(PRIMITIVES)) == self.class_index)


def make_clip(
    class_index: int,
    rng: np.random.Generator,
    *,
    num_frames: int = NUM_FRAMES,
    tag_agreement: float | None = None,
    drop_causal: bool = False,
    causal_span: tuple[int, int] | None = None,
) -> PlantedClip:
    """Generate a clip of class ``class_index``.

    Parameters
    ----------
    class_index : int
        In ``[0, 6)``.
    rng : numpy.random.Generator
        Decides everything else.
    num_frames : int
        Frames, at 8 per second.
    tag_agreement : float, optional
        If given, a coloured tag stands in the upper left corner: with this probability in the colour of the
        class, else in that of a random class.
    drop_causal : bool
        Leave the class's primitive out.
    causal_span : (int, int), optional
        Show the class's primitive in frames ``[start, stop)`` only.

    Raises
    ------
    InputError
        For a class or a number of frames out of range.
    """
    if not 0 <= class_index < len(CLASSES):
        raise InputError(expected("make_clip", "class_index", f"in [0, {len(CLASSES)})", class_index))
    if num_frames < 2:
        raise InputError(expected("make_clip", "num_frames", "to be at least 2", num_frames))
    frames = np.repeat(_background(rng)[None], num_frames, axis=0)
    masks = np.zeros((len(PRIMITIVES), num_frames, SIDE, SIDE), dtype=np.bool_)
    num_distractors = int(rng.integers(2, 4))
    shown = [CLASSES[class_index], *rng.choice(DISTRACTORS, num_distractors, replace=False).tolist()]
    for name, (top, left, width) in zip(shown, _places(shown, rng), strict=True):
        causal = name == CLASSES[class_index]
        if causal and drop_causal:
            continue
        start, stop = causal_span if causal and causal_span is not None else (0, num_frames)
        radius = int(rng.integers(7, 10))
        xs = _path(name, left, width, radius, num_frames, rng)
        y = top + radius + int(rng.integers(0, SIDE // LANES - 2 * radius))
        look = _LOOKS[name](rng, radius, num_frames)
        mask = masks[PRIMITIVES.index(name)]
        for t in range(max(start, 0), min(stop, num_frames)):
            _paste(frames[t], mask[t], look[t % len(look)], y, int(xs[t]), radius)
    if tag_agreement is not None:
        _tag(frames, masks[-1], class_index if rng.random() < tag_agreement else int(rng.integers(6)))
    grain = rng.integers(-4, 5, frames.shape, dtype=np.int16)
    return PlantedClip(np.clip(frames + grain, 0, 255).astype(np.uint8), masks, class_index)


def write_planted_videos(
    folder: str | Path,
    *,
    videos_per_class: int,
    seed: int,
    clips_per_video: int = 1,
    tag_agreement: float | None = None,
    crf: int = 12,
) -> Path:
    """Write PlantedVid as mp4 files, one subfolder per class, and the truth beside.

    Parameters
    ----------
    folder : str or Path
        Gets ``videos/<class>/<class>_<nnn>.mp4`` and ``truth/<class>/<class>_<nnn>.npz``; the latter holds
        ``masks`` (P, T, 64, 64) bool, ``primitives`` (P,) str and ``causal`` (P,) bool.
    videos_per_class : int
    seed : int
        Same seed, same videos.
    clips_per_video : int
        A video is that many scenes of 16 frames, one after the other; `SAMPLING` reads one scene a clip.
    tag_agreement : float, optional
        As in `make_clip`.
    crf : int
        Quality of the video, see `VideoWriter`.

    Returns
    -------
    Path
        The folder of the videos.

    Raises
    ------
    InputError
        Where a number is not positive.
    """
    if videos_per_class < 1 or clips_per_video < 1:
        fact = f"{videos_per_class} and {clips_per_video}"
        raise InputError(
            expected("write_planted_videos", "videos_per_class, clips_per_video", "to be positive", fact)
        )
    folder = Path(folder)
    for class_index, name in enumerate(CLASSES):
        for number in range(videos_per_class):
            rng = np.random.default_rng([seed, class_index, number])
            clips = [make_clip(class_index, rng, tag_agreement=tag_agreement) for _ in range(clips_per_video)]
            stem = f"{name}/{name}_{number:03d}"
            write_video(
                folder / "videos" / f"{stem}.mp4", np.concatenate([c.frames for c in clips]), FPS, crf=crf
            )
            truth = folder / "truth" / f"{stem}.npz"
            truth.parent.mkdir(parents=True, exist_ok=True)
            masks = np.concatenate([clip.masks for clip in clips], axis=1)
            np.savez_compressed(truth, masks=masks, primitives=np.array(PRIMITIVES), causal=clips[0].causal)
    return folder / "videos"


def read_truth(video: str | Path) -> tuple[Mask, Mask]:
    """(masks (P, T, 64, 64), causal (P,)) of a video that `write_planted_videos` wrote."""
    video = Path(video)
    path = video.parents[2] / "truth" / video.parent.name / f"{video.stem}.npz"
    if not path.is_file():
        raise InputError(expected("read_truth", str(video), "to have its truth beside", f"nothing at {path}"))
    with np.load(path) as truth:
        return truth["masks"], truth["causal"]


def _background(rng: np.random.Generator) -> NDArray[np.int16]:
    """(64, 64, 3): a colour with coarse blotches and fine grain that stay where they are."""
    base = rng.integers(40, 110, 3)
    picture = np.broadcast_to(base, (SIDE, SIDE, 3)).astype(np.float32)
    for cell, strength in ((16, 14.0), (4, 8.0)):
        coarse = rng.normal(0.0, strength, (SIDE // cell, SIDE // cell, 1)).astype(np.float32)
        picture = picture + coarse.repeat(cell, 0).repeat(cell, 1)
    return picture.astype(np.int16)


def _places(shown: list[str], rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """(top, left, width) of a free place for each sprite: a whole lane for a moving disc, else a third."""
    lane_px, cell_px = SIDE // LANES, SIDE // 3
    lanes = [int(lane) for lane in rng.permutation(LANES)]
    movers = [name in ("disc_right", "disc_left") for name in shown]
    whole = [lanes.pop() * lane_px if mover else None for mover in movers]
    cells = [(lane * lane_px, column * cell_px) for lane in lanes for column in range(3)]
    free = iter(rng.permutation(len(cells)).tolist())
    return [(top, 0, SIDE) if top is not None else (*cells[next(free)], cell_px) for top in whole]


def _path(
    name: str, left: int, width: int, radius: int, num_frames: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Column of the sprite's centre in each frame; a moving disc enters again where it left."""
    if name not in ("disc_right", "disc_left"):
        return np.full(num_frames, left + radius + int(rng.integers(0, width - 2 * radius)))
    speed = rng.uniform(1.4, 2.2)
    room = SIDE - 1 - 2 * radius - speed * (NUM_FRAMES - 1)
    x = radius + rng.uniform(0.0, room) + speed * np.arange(num_frames)
    wrapped = np.where(x < SIDE + radius, x, (x + radius) % (SIDE + 2 * radius) - radius)
    columns = np.round(wrapped).astype(np.int64)
    return columns if name == "disc_right" else SIDE - 1 - columns


def _paste(
    frame: NDArray[np.int16], mask: Mask, look: NDArray[np.int16], y: int, x: int, radius: int
) -> None:
    """Draw the round sprite ``look``, (2 radius + 1) squared, with its centre at ``(y, x)``."""
    top, left = max(y - radius, 0), max(x - radius, 0)
    bottom, right = min(y + radius + 1, SIDE), min(x + radius + 1, SIDE)
    if top >= bottom or left >= right:
        return
    part = (slice(top - y + radius, bottom - y + radius), slice(left - x + radius, right - x + radius))
    disc = _disc(radius)[part]
    mask[top:bottom, left:right] = disc
    frame[top:bottom, left:right][disc] = look[part][disc]


def _disc(radius: int) -> Mask:
    y, x = _offsets(radius)
    return np.asarray(y * y + x * x <= (radius + 0.3) ** 2)


def _offsets(radius: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return y, x


def _tag(frames: NDArray[np.int16], mask: Mask, color_index: int) -> None:
    frames[:, :TAG_PX, :TAG_PX] = TAG_COLORS[color_index]
    mask[:, :TAG_PX, :TAG_PX] = True


def _stand(pattern: Mask, light: NDArray[np.int64], dark: NDArray[np.int64]) -> Look:
    """Paint ``pattern`` light, the rest of the sprite dark; near enough for SLIC to keep a sprite whole."""
    return np.asarray(np.where(pattern[..., None], light, dark), dtype=np.int16)


def _color(rng: np.random.Generator, *rgb: int) -> NDArray[np.int64]:
    return np.array(rgb) + rng.integers(-14, 15, 3)


def _checker(rng: np.random.Generator, radius: int, _frames: int) -> Look:
    y, x = _offsets(radius)
    pattern = ((y + radius) // 4 + (x + radius) // 4) % 2 == 0
    red = _color(rng, 225, 35, 35)
    return _stand(pattern, red, red * 3 // 5)[None]


def _stripes(axis: int) -> Draw:
    def look(rng: np.random.Generator, radius: int, _frames: int) -> Look:
        pattern = (_offsets(radius)[axis] + int(rng.integers(0, 6)) + 30) // 3 % 2 == 0
        light = _color(rng, 235, 235, 235)
        return _stand(pattern, light, light * 3 // 5)[None]

    return look


def _plain_disc(rng: np.random.Generator, radius: int, _frames: int) -> Look:
    y, x = _offsets(radius)
    light = _color(rng, 240, 205, 60)
    return _stand(y * y + x * x <= (radius - 2) ** 2, light, light * 4 // 5)[None]


def _flicker(rng: np.random.Generator, radius: int, _frames: int) -> Look:
    full = np.ones_like(_offsets(radius)[0], dtype=np.bool_)
    bright = _color(rng, 235, 110, 230)
    dark, phase = bright * 11 // 20, int(rng.integers(0, 4))
    return np.stack([_stand(full, bright if (t + phase) % 4 < 2 else dark, dark) for t in range(4)])


def _constant_plate(rng: np.random.Generator, radius: int, frames: int) -> Look:
    moment = int(rng.integers(0, 4))
    return _flicker(rng, radius, frames)[moment : moment + 1]


def _bar(turn_degrees: float) -> Draw:
    def look(rng: np.random.Generator, radius: int, frames: int) -> Look:
        y, x = _offsets(radius)
        light = _color(rng, 245, 150, 70)
        start, way = rng.uniform(0, np.pi), rng.choice([-1.0, 1.0])
        turns = start + way * np.deg2rad(turn_degrees) * np.arange(frames if turn_degrees else 1)
        bars = [np.abs(x * np.sin(angle) - y * np.cos(angle)) < 2.6 for angle in turns]
        return np.stack([_stand(bar, light, light * 3 // 5) for bar in bars])

    return look


def _triangle(rng: np.random.Generator, radius: int, _frames: int) -> Look:
    y, x = _offsets(radius)
    light = _color(rng, 60, 220, 80)
    return _stand(2 * np.abs(x) <= y + radius - 2, light, light * 3 // 5)[None]


def _ring(rng: np.random.Generator, radius: int, _frames: int) -> Look:
    light = _color(rng, 70, 90, 235)
    return _stand(np.abs(np.hypot(*_offsets(radius)) - 0.6 * radius) < 2.0, light, light * 3 // 5)[None]


def _cross(rng: np.random.Generator, radius: int, _frames: int) -> Look:
    y, x = _offsets(radius)
    light = _color(rng, 50, 220, 230)
    return _stand(np.minimum(np.abs(x), np.abs(y)) < 2, light, light * 3 // 5)[None]


_LOOKS: dict[str, Draw] = {
    "red_checker": _checker,
    "horizontal_stripes": _stripes(0),
    "vertical_stripes": _stripes(1),
    "disc_right": _plain_disc,
    "disc_left": _plain_disc,
    "static_disc": _plain_disc,
    "flicker": _flicker,
    "constant_plate": _constant_plate,
    "rotating_bar": _bar(22.5),
    "static_bar": _bar(0.0),
    "green_triangle": _triangle,
    "blue_ring": _ring,
    "cyan_cross": _cross,
}
