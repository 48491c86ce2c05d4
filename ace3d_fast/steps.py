"""The steps of a run: each feeds one stage from the records of the stages before it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from ace3d_fast import __version__
from ace3d_fast.config import Execution, RunOptions
from ace3d_fast.described import Described, gather
from ace3d_fast.describer import VIDEOS, Describer
from ace3d_fast.errors import VideoError
from ace3d_fast.learn.scores import ClassGradients, average_gradients
from ace3d_fast.learn.splits import Split, cross_fit, split_videos
from ace3d_fast.models.network import Network
from ace3d_fast.models.probe import Fill, Probe
from ace3d_fast.regions.source import RegionSource
from ace3d_fast.rows import KnownRows, RowsOf
from ace3d_fast.shelf import Shelf, Values
from ace3d_fast.stages.cavs import fit_concept_cavs, member_retention, retention
from ace3d_fast.stages.clips import check_videos
from ace3d_fast.stages.concepts import Concepts, find_concepts
from ace3d_fast.stages.effects import (
    ForwardPlan,
    RegionResponses,
    join_plans,
    measure_regions,
    plan_forwards,
)
from ace3d_fast.stages.scores import Evidence, score_concepts
from ace3d_fast.stages.verdicts import STATUSES, judge_concepts, sort_concepts
from ace3d_fast.stopwatch import Stopwatch
from ace3d_fast.store import RunFolder
from ace3d_fast.tables import CONCEPT_COLUMNS, concept_table, region_table, score_table
from ace3d_fast.types import Progress, Video
from ace3d_fast.work import describe_videos, threads

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


@dataclass
class Tested:
    """Concepts with their scores."""

    concepts: pd.DataFrame
    scores: pd.DataFrame
    cavs: dict[str, NDArray[np.float32]]
    facts: dict[str, Any]


@dataclass
class Steps:
    """The steps of one run, each one stage fed from the records of those before it.

    ``classes`` are those that are explained, with the positions of their logits: the target class, and with
    a shared vocabulary the others that have enough videos. ``regions``: the source of other regions than
    supervoxels. ``shelf`` keeps finished work, by default in the run's folder; ``module`` is the network
    where the options do not name it.
    """

    options: RunOptions
    run: RunFolder
    network: Network
    classes: dict[str, int]
    watch: Stopwatch
    progress: Progress
    regions: RegionSource | None = None
    shelf: Shelf | None = None
    execution: Execution = field(default_factory=Execution)
    module: nn.Module | None = None
    _probes: dict[Fill, Probe] = field(default_factory=dict, init=False, repr=False)

    @contextmanager
    def stage(self, name: str, words: str) -> Iterator[None]:
        """A stage without steps to count: its seconds go to ``name``, the progress says ``words``."""
        self.progress.start(words, None)
        with self.watch.time(name):
            yield
        self.progress.finish()

    @cached_property
    def kept(self) -> Shelf:
        """Where finished work is kept."""
        return self.shelf or Shelf(self.run.path / "shelf")

    def recall(self, kind: str, parts: object, make: Callable[[], Values]) -> Values:
        """What ``make`` returns, from the shelf where it was called for the same ``parts``."""
        threads = [torch.get_num_threads(), self._forward_threads is None]
        about = [__version__, self.describer.fingerprint, threads, self.options.backend]
        return self.kept.recall(kind, [about, parts], make)

    @cached_property
    def describer(self) -> Describer:
        """Describes the videos of this run."""
        return Describer(self.options, self.network, self.classes, self.regions, self.watch)

    def describe(self, videos: list[Video]) -> Described:
        """Decode, segment, forward and pool, each video once for all runs that share a shelf."""
        shelf = self.kept
        bad: dict[str, str] = {}

        def done(video: Video, error: VideoError | None) -> None:
            if error is not None:
                bad[video.id] = str(error)
            self.progress.advance()

        self.progress.start("decode, segment, forward", len(videos))
        with threads(self.execution):
            tasks = [(video, self.describer.digest(video)) for video in videos]
            describe_videos(self.describer, tasks, shelf, self.execution, self.module, done)
        self.progress.finish()
        skipped = [{"video": video.id, "reason": bad[video.id]} for video in videos if video.id in bad]
        usable = [video for video in videos if video.id not in bad]
        check_videos(usable, self.options.target_class, skipped)
        self.run.write_videos(usable)
        pieces = [(video, shelf.folder(VIDEOS, name)) for video, name in tasks if video.id not in bad]
        for _, piece in pieces:
            self.run.adopt_clips(RunFolder(piece))
        return gather(pieces, skipped, center=self.options.features.center, folder=self.run.path)

    @property
    def class_index(self) -> int:
        """Position of the target class among the logits."""
        return self.classes[self.options.target_class]

    def split(self, described: Described) -> dict[str, Split]:
        """Decide which videos of each explained class discover, train and score."""
        return {label: self._split_class(described, label) for label in self.classes}

    def _split_class(self, described: Described, label: str) -> Split:
        clips = described.clips[described.clips["label"] == label]
        mine = clips.drop_duplicates("video")
        ids, groups = mine["video"].tolist(), mine["group"].tolist()
        if self.options.scores.disjoint_videos:
            if len(clips) < 3 * self.options.concepts.min_clips:
                return cross_fit(ids, groups)  # a third would hold too few clips to keep any concept
            return split_videos(ids, groups, seed=self.options.seed)
        everyone = frozenset(ids)
        return Split(everyone, everyone, everyone, False)

    def cluster(self, described: Described, splits: Mapping[str, Split]) -> Concepts:
        """Cluster the regions of the explained classes; name the concept of each in the region table."""
        regions = described.regions
        mine = np.flatnonzero(regions["label"].isin(list(self.classes)))
        with self.stage("concepts", "cluster regions"):
            discover = frozenset[str]().union(*(split.discover for split in splits.values()))
            options, seed = self.options.concepts, self.options.seed
            pieces = list(described.digests.items())  # in the order of the rows
            given = [pieces, self.options.features.center, list(self.classes)]

            def find() -> Values:
                return find_concepts(
                    RowsOf(described.features, mine),
                    regions.iloc[mine],
                    options,
                    discover=discover,
                    seed=seed,
                    device=self.network.device,
                ).to_values()

            parts = [given, asdict(options), discover, seed]
            found = Concepts.from_values(self.recall("concepts", parts, find))
        concept = np.full(len(regions), -1, dtype=np.int32)
        distance = np.full(len(regions), np.nan, dtype=np.float32)
        concept[mine], distance[mine] = found.assignment, found.distance
        described.regions = regions.assign(concept=concept, distance=distance)
        return found

    def plan(self, described: Described, found: Concepts, split: Split) -> ForwardPlan:
        """Choose counterexamples, and the regions of the class that are forwarded alone or removed."""
        options = self.options
        table = found.tables[options.target_class]
        return plan_forwards(
            described.regions,
            table.loc[table["kept"], "concept"].tolist(),
            train=split.train,
            score=split.score,
            per_concept=options.scores.forwards_per_concept,
            num_negatives=options.cavs.num_negatives,
            target_class=options.target_class,
            seed=options.seed,
        )

    def measure(self, described: Described, *plans: ForwardPlan) -> RegionResponses | None:
        """Forward the planned regions, each once; None where the options ask for no effects."""
        plan = join_plans(plans)
        if not self.options.scores.measure_effects:
            return None
        self.progress.start("forward regions alone and removed", len(plan.alone))
        with self.watch.time("effects"):
            responses = measure_regions(
                plan,
                described.regions,
                self.probe(),
                self.run.read_clip,
                list(self.classes.values()),
                described.logits,
                recall=partial(self._recall_effects, described),
                progress=self.progress,
            )
        self.progress.finish()
        return responses

    def _recall_effects(
        self, described: Described, videos: Sequence[str], asked: Sequence[Rows], make: Callable[[], Values]
    ) -> Values:
        parts = [[described.digests[video] for video in videos], list(self.classes.values()), *asked]
        return self.recall("effects", parts, make)

    def test(
        self,
        described: Described,
        found: Concepts,
        split: Split,
        plan: ForwardPlan,
        responses: RegionResponses | None,
    ) -> Tested:
        """Fit CAVs, score and judge every concept that was kept."""
        options, regions = self.options, described.regions
        alone: Floats | KnownRows = described.features if responses is None else responses.features
        with self.stage("cavs", "fit concept vectors"):
            cavs = fit_concept_cavs(
                alone,
                regions,
                plan.members,
                plan.negatives,
                options.cavs,
                train=split.train,
                leave_one_out=split.leave_one_out,
                seed=options.seed,
            )
        distance = regions["distance"].to_numpy()
        gated = cavs if responses is not None else {}
        retentions = {
            c: retention(
                described.features,
                alone,
                plan.members[c],
                plan.negatives,
                num_members=options.scores.num_retention_members,
                distance=distance,
            )
            for c in gated
        }
        regions = described.regions = regions.assign(retention=np.float32(np.nan))
        for c in gated:
            forwarded = np.intersect1d(plan.members[c], plan.alone)
            self.note_retention(described, alone, plan, c, forwarded)
        regions = described.regions
        effects = {} if responses is None else responses.effects(self.class_index)
        gradients = self.gradients(described, options.target_class, split.score)
        with self.stage("significance", "test scores"):
            evidence = Evidence(
                regions,
                described.features,
                cavs,
                retentions,
                plan.members,
                plan.negatives,
                gradients,
                effects,
                plan.removed,
                split.train,
            )
            scored = score_concepts(evidence, options)
        found_table = found.tables[options.target_class]
        table = concept_table(
            found_table, cavs, retentions, scored, regions, min_retention=options.scores.min_retention
        )
        judged = sort_concepts(
            judge_concepts(table, scored.tests, options.scores, options.cavs), headline(options)
        )[CONCEPT_COLUMNS]
        described.regions = region_table(regions, described.region_gradients, cavs, effects)
        facts = {
            "num_tested": len(cavs),
            "statuses": {status: int((judged["status"] == status).sum()) for status in STATUSES},
            "num_clusters": len(found_table),
            "cluster_ami": found.ami,
            "gradient_cosine": gradients.cosine,
            "null_saturation": scored.null_saturation,
        }
        directions = {f"concept_{c:02d}": cav.cav.directions for c, cav in cavs.items()}
        return Tested(judged, score_table(scored, judged, options.target_class), directions, facts)

    def gradients(self, described: Described, label: str, score: frozenset[str]) -> ClassGradients:
        """Gradients of a class's logit in those of its videos that score."""
        clips = described.clips
        rows = ((clips["label"] == label) & clips["video"].isin(score)).to_numpy()
        videos, groups = (clips.loc[rows, name].to_numpy(object) for name in ("video", "group"))
        return average_gradients(described.gradients[rows], videos, groups)

    def note_retention(
        self, described: Described, alone: Floats | KnownRows, plan: ForwardPlan, concept: int, rows: Rows
    ) -> None:
        """Note in the region table how much of its feature each of ``rows`` keeps when it stands alone."""
        column = described.regions["retention"].to_numpy(np.float32, copy=True)
        column[rows] = member_retention(
            described.features, alone, plan.members[concept], plan.negatives, rows
        )
        described.regions = described.regions.assign(retention=column)

    def probe(self, fill: Fill = "mean") -> Probe:
        """Ask the network of this run about single regions."""
        if fill not in self._probes:
            num_frames, threads = self.options.sampling.num_frames, self._forward_threads
            self._probes[fill] = Probe(self.network, num_frames, fill=fill, threads=threads, watch=self.watch)
        return self._probes[fill]

    @property
    def _forward_threads(self) -> int | None:
        """Batches of changed clips forwarded at once; None: one, on all threads."""
        workers = self.execution.workers
        if workers is None or self.network.device.type != "cpu":
            return None
        return min(workers, os.cpu_count() or 1)


def headline(options: RunOptions) -> str:
    """Name of the score that ranks concepts: the region effect, or for the published recipe the sign."""
    return "region_effect" if options.scores.measure_effects else "tcav_sign"
