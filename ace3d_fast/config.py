"""Options of a run, stage by stage, and the two presets."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from ace3d_fast.errors import InputError, expected
from ace3d_fast.types import ClipSampling, Normalization, Precision

Engine = Literal["local", "ray"]
Preset = Literal["calibrated", "stce"]
Backend = Literal["native", "reference"]
FeatureMode = Literal["pooled", "patch"]
CavMethod = Literal["fast", "lda", "sgd"]
ClusterMethod = Literal["kmeans", "agglomerative", "hdbscan", "nmf"]
Vocabulary = Literal["class", "shared"]
KeepRule = Literal["calibrated", "published"]
Quality = Literal["standard", "high"]

MAX_SEED = 2**31  # scikit-learn takes 32 bits


@dataclass(frozen=True)
class SegmentOptions:
    """Supervoxels: SLIC, size filter, duplicates (arXiv 2206.05275, section 3.1).

    ``frame_distance_px``: two frames count as so many pixels apart; more makes supervoxels shorter. A video
    of things that move ``v`` pixels a second, at ``fps``, suggests ``v / fps``. ``quality``: "high" follows
    boundaries better for up to twice the time. ``regions``: other regions than supervoxels, as
    `ace3d_fast.regions.source.open_source` names them; the size filter and the duplicates are the same.
    """

    num_regions: tuple[int, ...] = (15, 50, 80)
    compactness: float = 20.0
    sigma: float = 1.0
    frame_distance_px: float = 1.0
    min_volume_share: float = 0.001
    max_jaccard: float = 0.5
    quality: Quality = "standard"
    regions: str = "supervoxels"

    def __post_init__(self) -> None:
        if not self.num_regions or min(self.num_regions) < 1:
            raise InputError(expected("segment", "num_regions", "of at least 1 each", self.num_regions))
        if not 0 < self.frame_distance_px < float("inf"):
            raise InputError(
                expected("segment", "frame_distance_px", "to be positive", self.frame_distance_px)
            )
        if self.quality not in get_args(Quality):
            raise InputError(expected("segment", "quality", f"one of {get_args(Quality)}", self.quality))

    @property
    def spacing_px(self) -> tuple[float, float, float]:
        """Distance between voxels along T, H and W."""
        return self.frame_distance_px, 1.0, 1.0


@dataclass(frozen=True)
class FeatureOptions:
    """Region features. ``center`` subtracts the area-weighted mean of a clip's regions."""

    mode: FeatureMode = "pooled"
    center: bool = True
    patch_fill: int = 117
    batch_clips: int = 4
    window_stride: int = 1


@dataclass(frozen=True)
class ConceptOptions:
    """Clustering. ``num_clusters`` None: chosen among ``candidates`` so that most clusters recur.

    ``vocabulary`` ``shared``: the regions of all classes are clustered together, and every class is scored.
    """

    method: ClusterMethod = "kmeans"
    vocabulary: Vocabulary = "class"
    num_clusters: int | None = None
    candidates: tuple[int, ...] = (5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40)
    keep_rule: KeepRule = "calibrated"
    min_regions: int = 10
    min_clips: int = 5
    min_video_share: float = 0.35
    min_videos: int = 3
    max_video_share: float = 0.6

    def __post_init__(self) -> None:
        if self.num_clusters is not None and self.num_clusters < 2:
            raise InputError(expected("concepts", "num_clusters", "of at least 2", self.num_clusters))


@dataclass(frozen=True)
class CavOptions:
    """Concept activation vectors against ``num_negatives`` regions of other classes."""

    method: CavMethod = "fast"
    num_random_sets: int = 20
    num_accuracy_permutations: int = 199
    max_accuracy_p: float = 0.05
    num_negatives: int = 160


@dataclass(frozen=True)
class ScoreOptions:
    """Scores and their significance.

    ``measure_effects`` forwards regions alone and removes them; CAVs are then fitted on features of
    regions that stand alone. ``forwards_per_concept`` bounds these regions for a concept; as many
    regions of the matched pool are forwarded beside them. ``num_motion_members`` regions of a concept that
    passes the gates have their frames frozen, shuffled and reversed. ``disjoint_videos`` lets other videos
    discover concepts, fit their CAVs and score them.
    """

    test: Literal["permutation", "paired_t"] = "permutation"
    disjoint_videos: bool = True
    measure_effects: bool = True
    retention_gate: bool = True
    forwards_per_concept: int = 48
    num_retention_members: int = 10
    min_retention: float = 0.35
    num_motion_members: int = 8
    num_permutations: int = 999
    max_q: float = 0.05
    max_p: float = 0.01

    def __post_init__(self) -> None:
        if self.forwards_per_concept < 1:
            raise InputError(
                expected("scores", "forwards_per_concept", "of at least 1", self.forwards_per_concept)
            )


@dataclass(frozen=True)
class EvaluationOptions:
    """SSC and SDC curves: add or remove the regions of the top-k concepts, with each of ``fills``.

    ``max_clips`` bounds the clips; of more, one of each of as many videos is drawn. Each of the random orders
    is drawn in at least ``clips_per_order`` clips, and area-matched sets likewise; fewer clips draw them all.
    """

    max_concepts: int = 5
    num_random_orders: int = 20
    num_area_draws: int = 5
    clips_per_video: int = 2
    max_clips: int = 32
    clips_per_order: int = 8
    fills: tuple[Literal["mean", "blur"], ...] = ("mean", "blur")
    num_bootstrap: int = 10_000

    def draws(self, num_clips: int) -> tuple[int, int]:
        """Random orders, and area-matched sets, that each of ``num_clips`` clips draws."""
        random, area = (
            min(number, -(-number * self.clips_per_order // max(num_clips, 1)))
            for number in (self.num_random_orders, self.num_area_draws)
        )
        return random, area


def check_seed(where: str, seed: int) -> None:
    """Check that every generator of a run takes ``seed``, and the next few of it."""
    if not 0 <= seed < MAX_SEED:
        raise InputError(expected(where, "seed", f"at least 0 and below {MAX_SEED}", seed))


@dataclass(frozen=True)
class RunOptions:
    """Everything that determines a run's result.

    ``target``: the function ``module:name`` whose value is explained instead of a logit. ``controls`` puts
    the explanation through trials.
    """

    videos: tuple[str, ...]
    target_class: str
    model: str
    layer: str
    sampling: ClipSampling
    normalization: Normalization
    weights: str | None = None
    labels_file: str | None = None
    target: str | None = None
    preset: Preset = "calibrated"
    backend: Backend = "native"
    device: str = "cpu"
    precision: Precision = "float32"
    seed: int = 0
    controls: bool = False
    follow_links: bool = False
    segment: SegmentOptions = field(default_factory=SegmentOptions)
    features: FeatureOptions = field(default_factory=FeatureOptions)
    concepts: ConceptOptions = field(default_factory=ConceptOptions)
    cavs: CavOptions = field(default_factory=CavOptions)
    scores: ScoreOptions = field(default_factory=ScoreOptions)
    evaluation: EvaluationOptions = field(default_factory=EvaluationOptions)

    def __post_init__(self) -> None:
        check_seed("run", self.seed)

    @property
    def whole_videos(self) -> bool:
        """Whether a clip is a whole video, decoded frame by frame, as published."""
        return self.backend == "reference" and self.preset == "stce"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunOptions:
        """The options that `to_dict` gave ``values`` of, by way of JSON; ``version`` is passed over.

        Raises
        ------
        InputError
            ``values`` has other options than this version knows.
        """
        options = _rebuild(cls, {name: value for name, value in values.items() if name != "version"})
        assert isinstance(options, RunOptions)
        return options


@dataclass(frozen=True)
class Execution:
    """How a run is carried out; its result does not depend on it.

    ``workers``: processes, or actors of Ray, that describe videos on one thread each, and on the CPU threads
    that forward masked clips afterwards; None: this process does it all, on all threads of torch.
    ``work_dir``: where finished pieces of work are kept, for other runs too, a folder or a URL of fsspec;
    None: beside the run until it is whole.
    """

    engine: Engine = "local"
    workers: int | None = None
    work_dir: str | None = None

    def __post_init__(self) -> None:
        if self.engine not in get_args(Engine):
            raise InputError(expected("run", "engine", f"one of {', '.join(get_args(Engine))}", self.engine))
        if self.engine == "ray" and self.workers is None:
            raise InputError(expected("run", "workers", "to be given for --engine ray", "none"))
        if self.workers is not None and self.workers < 1:
            raise InputError(expected("run", "workers", "of at least 1", self.workers))
        if self.work_dir is not None and Path(self.work_dir).is_file():
            raise InputError(expected("run", "work_dir", "a folder or a URL", f"the file {self.work_dir}"))


def _rebuild(kind: type, values: Mapping[str, Any]) -> object:
    """A dataclass from the plain values of its fields."""
    types = get_type_hints(kind)
    names = {field.name for field in dataclasses.fields(kind)}
    strange = sorted(set(values) - names)
    if strange:
        todo = "read the run with the version that wrote it, or write it again"
        raise InputError(
            expected("run folder", "options", "that this version knows", ", ".join(strange), todo)
        )
    given = {}
    for name, value in values.items():
        if dataclasses.is_dataclass(types[name]) and isinstance(value, Mapping):
            given[name] = _rebuild(types[name], value)
        else:
            given[name] = tuple(value) if isinstance(value, list) else value
    try:
        return kind(**given)
    except TypeError as error:
        todo = "write the run again with this version"
        raise InputError(expected("run folder", "options", "to be whole", error, todo)) from error


def with_preset(options: RunOptions, preset: Preset) -> RunOptions:
    """Set what ``preset`` determines; both presets run through the same code.

    ``calibrated`` is the default of every option. ``stce`` is the published recipe
    (arXiv 2206.05275): patch features, 25 clusters, SGD classifiers, a paired t-test.
    """
    if preset == "calibrated":
        return replace(options, preset=preset)
    if preset == "stce":
        return replace(
            options,
            preset=preset,
            features=replace(options.features, mode="patch", center=False),
            concepts=replace(options.concepts, num_clusters=25, keep_rule="published"),
            cavs=replace(options.cavs, method="sgd"),
            scores=replace(
                options.scores,
                test="paired_t",
                disjoint_videos=False,
                measure_effects=False,
                retention_gate=False,
            ),
        )
    raise InputError(expected("run", "preset", "calibrated or stce", repr(preset)))
