"""One trained network, its planted videos, and all that is measured once for every row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from torch import nn

from ace3d_fast.config import (
    ConceptOptions,
    EvaluationOptions,
    RunOptions,
    ScoreOptions,
    SegmentOptions,
)
from ace3d_fast.described import Described
from ace3d_fast.learn.splits import Split
from ace3d_fast.models.network import Network
from ace3d_fast.models.planted import PlantedNet, planted_accuracy, train_planted_network
from ace3d_fast.models.registry import find_entry
from ace3d_fast.planted_benchmark.settings import Settings
from ace3d_fast.planted_benchmark.truth import BACKGROUND, RegionTruth, region_truth
from ace3d_fast.stages.concepts import Concepts
from ace3d_fast.stages.effects import ForwardPlan, RegionResponses
from ace3d_fast.steps import Steps, Tested
from ace3d_fast.stopwatch import Stopwatch
from ace3d_fast.store import RunFolder
from ace3d_fast.types import SilentProgress
from ace3d_fast.video.inputs import list_videos
from ace3d_fast.video.planted import CLASSES, PRIMITIVES, write_planted_videos
from ace3d_fast.vocabulary import plan_vocabulary, score_vocabulary

MODEL, LAYER = "planted:net", "conv4"


@dataclass
class ClassCase:
    """One class explained with a vocabulary of its own."""

    steps: Steps
    described: Described
    split: Split
    found: Concepts
    plan: ForwardPlan
    tested: Tested

    @property
    def name(self) -> str:
        """The class."""
        return self.steps.options.target_class


@dataclass
class Case:
    """A network with everything that was measured about it."""

    seed: int
    settings: Settings
    videos: Path
    network: Network
    accuracy: float
    steps: Steps
    base: Described
    truth: RegionTruth
    splits: dict[str, Split]
    responses: RegionResponses
    classes: dict[str, ClassCase]
    shared: Described
    shared_plan: ForwardPlan
    matrix: pd.DataFrame

    def primitive_of(self, members: np.ndarray) -> int:
        """What most of the regions ``members`` show: a primitive, or `BACKGROUND`."""
        return majority(self.truth.primitive[members])

    def shows(self, own: ClassCase, concept: int) -> str:
        """Name of what most regions of a concept show."""
        members = np.flatnonzero((own.described.regions["concept"] == concept).to_numpy())
        primitive = self.primitive_of(members)
        return "background" if primitive == BACKGROUND else PRIMITIVES[primitive]

    def __iter__(self) -> Iterator[ClassCase]:
        return iter(self.classes.values())


def majority(primitives: np.ndarray) -> int:
    """The most frequent of (n,) primitives; the lowest of equals, `BACKGROUND` where there is none."""
    if not len(primitives):
        return BACKGROUND
    return int(np.bincount(primitives - BACKGROUND).argmax()) + BACKGROUND


def build_network(net: nn.Module) -> Network:
    """``net`` cut at its fourth convolution."""
    entry = find_entry(MODEL)
    shape = (entry.sampling.num_frames, entry.sampling.crop_px)
    return Network(net, LAYER, entry.normalization, CLASSES, input_shape=shape)


def run_options(seed: int, settings: Settings, videos: Path) -> RunOptions:
    """The preset ``calibrated`` with the benchmark's sizes."""
    entry = find_entry(MODEL)
    return RunOptions(
        (str(videos),),
        CLASSES[0],
        MODEL,
        LAYER,
        entry.sampling,
        entry.normalization,
        seed=seed,
        segment=SegmentOptions(num_regions=settings.num_regions),
        concepts=ConceptOptions(candidates=settings.candidates),
        scores=ScoreOptions(
            forwards_per_concept=settings.forwards_per_concept,
            num_motion_members=settings.motion_members,
        ),
        evaluation=EvaluationOptions(clips_per_video=1, max_concepts=2, num_bootstrap=1000),
    )


def build_case(seed: int, settings: Settings, folder: Path) -> Case:
    """Train a network, write videos it has not seen, and measure what all rows need.

    Parameters
    ----------
    seed : int
        Of the network, the videos and the method.
    settings : Settings
    folder : Path
        Gets the videos and the clips.
    """
    net = train_planted_network(seed, num_steps=settings.num_steps)
    videos = write_planted_videos(
        folder,
        videos_per_class=settings.videos_per_class,
        seed=seed,
        clips_per_video=settings.clips_per_video,
    )
    return measure_case(seed, settings, folder, net, videos)


def measure_case(seed: int, settings: Settings, folder: Path, net: PlantedNet, videos: Path) -> Case:
    """As `build_case`, of a network that is trained and videos that are there."""
    network = build_network(net)
    options = run_options(seed, settings, videos)
    classes = {name: index for index, name in enumerate(CLASSES)}
    run = RunFolder(folder / "run")
    run.path.mkdir(exist_ok=True)
    steps = Steps(options, run, network, classes, Stopwatch(), SilentProgress())
    base = steps.describe(list_videos([videos]))
    run = RunFolder(run.path)
    steps = replace(steps, run=run)
    truth = region_truth(run, base.regions, videos)
    splits = steps.split(base)
    begun = [_begin_class(steps, base, splits[name], name) for name in CLASSES]
    of_all = replace(options.concepts, vocabulary="shared", candidates=settings.shared_candidates)
    shared_steps = replace(steps, options=replace(options, concepts=of_all))
    shared = replace(base)
    shared_plan = plan_vocabulary(shared_steps, shared, shared_steps.cluster(shared, splits), splits)
    responses = steps.measure(base, *(plan for *_, plan in begun), shared_plan)
    assert responses is not None  # the options ask for effects
    tested = {}
    for of_class, described, found, plan in begun:
        of_class = replace(of_class, classes=classes)
        split = splits[of_class.options.target_class]
        done = of_class.test(described, found, split, plan, responses)
        tested[of_class.options.target_class] = ClassCase(of_class, described, split, found, plan, done)
    return Case(
        seed,
        settings,
        videos,
        network,
        planted_accuracy(net, videos),
        steps,
        base,
        truth,
        splits,
        responses,
        tested,
        shared,
        shared_plan,
        score_vocabulary(shared_steps, shared, shared_plan, responses, splits),
    )


def _begin_class(
    steps: Steps, base: Described, split: Split, name: str
) -> tuple[Steps, Described, Concepts, ForwardPlan]:
    """Cluster the regions of one class and plan its forwards."""
    own = replace(
        steps, options=replace(steps.options, target_class=name), classes={name: steps.classes[name]}
    )
    described = replace(base)
    found = own.cluster(described, {name: split})
    return own, described, found, own.plan(described, found, split)
