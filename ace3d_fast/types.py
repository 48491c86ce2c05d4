"""The records that flow from stage to stage.

Tables (regions, concepts, scores, evaluation) are pandas DataFrames whose columns are documented
in README; the records below carry what is no table.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ace3d_fast.errors import InputError, expected

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, slots=True)
class Video:
    """A video file of the input, with its class.

    Attributes
    ----------
    id : str
        Unique and stable name: the path relative to the input, with forward slashes.
    path : Path
        The file.
    label : str
        The class.
    group : str
        Source of the footage; videos of one group never stand on both sides of a split.
    """

    id: str
    path: Path
    label: str
    group: str


@dataclass(frozen=True, slots=True)
class VideoLimits:
    """What a video may hold at most: a file of a few bytes can announce pictures that no memory holds.

    Attributes
    ----------
    max_frame_pixels : int
        Of one frame, as stored and as resized.
    max_hours : float
        Of playing time.
    """

    max_frame_pixels: int = 2**26
    max_hours: float = 24.0

    def __post_init__(self) -> None:
        if self.max_frame_pixels < 1:
            raise InputError(expected("sampling", "max frame pixels", "of at least 1", self.max_frame_pixels))
        if not self.max_hours > 0:
            raise InputError(expected("sampling", "max hours", "above 0", self.max_hours))


@dataclass(frozen=True, slots=True)
class ClipSampling:
    """How clips are cut out of a video for a network.

    A clip spans ``num_frames / fps`` seconds. It is decoded at ``segment_fps``, an integer multiple
    (``stride``) of ``fps``, so that supervoxels see motion that the network's own frames skip.

    Attributes
    ----------
    num_frames : int
        Frames the network sees.
    fps : float
        Rate of these frames, in frames per second.
    resize_px : int
        Length of the short side after resizing; the aspect ratio is kept.
    crop_px : int
        Side of the square cut from the centre.
    target_segment_fps : float
        Least rate at which supervoxels are wanted.
    max_frame_pixels, max_hours
        As of `VideoLimits`.
    """

    num_frames: int
    fps: float
    resize_px: int
    crop_px: int
    target_segment_fps: float = 7.5
    max_frame_pixels: int = VideoLimits().max_frame_pixels
    max_hours: float = VideoLimits().max_hours

    def __post_init__(self) -> None:
        VideoLimits(self.max_frame_pixels, self.max_hours)  # checks them
        if self.num_frames < 1:
            raise InputError(expected("sampling", "clip frames", "of at least 1", self.num_frames))
        if not 0 < self.fps < float("inf"):
            raise InputError(expected("sampling", "clip fps", "above 0", self.fps))
        if self.crop_px < 1 or self.resize_px < self.crop_px:
            fact = f"size {self.crop_px} of resize {self.resize_px}"
            raise InputError(
                expected("sampling", "size", "between 1 and resize", fact, "set --size to at most --resize")
            )

    @property
    def stride(self) -> int:
        """Segmentation frames for each frame the network sees."""
        return max(1, round(self.target_segment_fps / self.fps))

    @property
    def limits(self) -> VideoLimits:
        """What a video may hold."""
        return VideoLimits(self.max_frame_pixels, self.max_hours)

    @property
    def segment_fps(self) -> float:
        """Rate of the frames that are cut into supervoxels."""
        return self.fps * self.stride

    @property
    def num_segment_frames(self) -> int:
        """Frames of a clip at that rate."""
        return self.num_frames * self.stride

    @property
    def span_seconds(self) -> float:
        """Time that a clip covers."""
        return self.num_frames / self.fps


def _numbers(values: tuple[float, ...]) -> str:
    """Numbers as ``--mean`` takes them."""
    written = [f"{value:g}" for value in values]
    return written[0] if len(set(written)) == 1 else ",".join(written)


LEAST_STD = 1e-6  # of pixels from 0 to 1, which it divides: what follows are floats of 32 bits


@dataclass(frozen=True, slots=True)
class Normalization:
    """Scaling of pixels for a network: ``(x / 255 - mean) / std`` for each colour channel."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __post_init__(self) -> None:
        if not all(map(isfinite, self.mean)):
            raise InputError(expected("normalization", "mean", "finite", _numbers(self.mean)))
        if not all(LEAST_STD <= value < inf for value in self.std):
            wanted = f"finite and at least {LEAST_STD:g}"
            raise InputError(expected("normalization", "std", wanted, _numbers(self.std)))


@dataclass(frozen=True, slots=True)
class Clip:
    """A stretch of a video at the segmentation rate.

    Attributes
    ----------
    video : Video
    index : int
        Position among the clips of the video.
    start_seconds : float
        Time of the first frame in the video.
    frames : (stride * T, H, W, 3) uint8
        RGB; the network sees every ``stride``-th frame.
    stride : int
    num_repeated : int
        Frames at the end that repeat the last one of a video which ends within the clip.
    """

    video: Video
    index: int
    start_seconds: float
    frames: Tensor
    stride: int = 1
    num_repeated: int = 0

    @property
    def network_frames(self) -> Tensor:
        """(T, H, W, 3) uint8: the frames the network sees."""
        return self.frames[:: self.stride]


@dataclass(frozen=True, slots=True)
class SegmentedClip:
    """A clip with its supervoxels.

    Attributes
    ----------
    clip : Clip
    labels : (S, stride * T, H, W) int32
        One map per resolution, frames as in ``clip.frames``. A value is the index of a region within
        the clip, counted over all resolutions; -1 is background (regions that were dropped).
    num_regions : int
    """

    clip: Clip
    labels: Tensor
    num_regions: int

    @property
    def network_labels(self) -> Tensor:
        """(S, T, H, W) int32: the labels at the frames the network sees."""
        return self.labels[:, :: self.clip.stride]

    def thinned(self) -> SegmentedClip:
        """The same clip with nothing but the frames the network sees."""
        clip = self.clip
        thin = Clip(clip.video, clip.index, clip.start_seconds, clip.network_frames.contiguous(), 1)
        return SegmentedClip(thin, self.network_labels.contiguous(), self.num_regions)


@dataclass(frozen=True, slots=True)
class Cav:
    """Concept activation vectors of one concept.

    Attributes
    ----------
    directions : (num_random_sets, C) float32
        Unit normal for each set of counterexamples, pointing to the concept.
    biases : (num_random_sets,) float32
        Offset: ``x @ direction + bias > 0`` is the concept's side.
    accuracy : float
        Balanced accuracy on held-out videos, mean over the sets.
    accuracy_p : float
        Share of label permutations with an accuracy as high.
    """

    directions: NDArray[np.float32]
    biases: NDArray[np.float32]
    accuracy: float
    accuracy_p: float

    @property
    def mean_direction(self) -> NDArray[np.float32]:
        """(C,) float32: the unit mean of ``directions``."""
        mean = self.directions.mean(axis=0)
        unit: NDArray[np.float32] = (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)
        return unit


@dataclass(frozen=True, slots=True)
class ConceptCav:
    """A concept's directions.

    Attributes
    ----------
    cav : Cav
    without_group : dict of str to (C,) float32
        Unit direction fitted without each group of videos; empty where disjoint videos score.
    """

    cav: Cav
    without_group: dict[str, NDArray[np.float32]]

    def directions(self, group: str) -> NDArray[np.float32]:
        """(R, C) float32: the directions that may score a video of ``group``."""
        if not self.without_group:
            return self.cav.directions
        return self.without_group.get(group, self.cav.mean_direction)[None]


@dataclass(frozen=True, slots=True)
class ClipFeatures:
    """What the network says of one clip, region by region.

    Attributes
    ----------
    features : (R, C) float32
        One feature vector per region.
    logits : (K,) float32
        Output for the whole clip.
    gradient : (C,) float32
        Gradient of the explained class's logit, summed over the grid; zeros where not asked for.
    region_gradients : (R, C) float32
        The part of ``gradient`` inside each region: ``sum_p M_r(p) dA(p)``; NaN for patch features.
    """

    features: NDArray[np.float32]
    logits: NDArray[np.float32]
    gradient: NDArray[np.float32]
    region_gradients: NDArray[np.float32]


class Progress(Protocol):
    """What a long-running function tells about its advance; a stage may begin and end within another."""

    def start(self, stage: str, total: int | None) -> None:
        """Begin ``stage``, of ``total`` steps where that is known."""

    def advance(self, steps: int = 1) -> None:
        """Count ``steps`` of the current stage as done."""

    def finish(self) -> None:
        """End the current stage."""


class SilentProgress:
    """A `Progress` that says nothing."""

    def start(self, stage: str, total: int | None) -> None:
        """Say nothing of a stage's begin."""

    def advance(self, steps: int = 1) -> None:
        """Say nothing of its steps."""

    def finish(self) -> None:
        """Say nothing of its end."""
