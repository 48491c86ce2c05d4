"""The steps of a run: each feeds one stage from the records of the stages before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from ace3d_fast import ops
from ace3d_fast.config import RunOptions
from ace3d_fast.described import Described, gather
from ace3d_fast.engines.local import prefetch
from ace3d_fast.engines.upload import Block, filled, uploaded
from ace3d_fast.errors import VideoError
from ace3d_fast.learn.scores import ClassGradients, average_gradients
from ace3d_fast.learn.splits import Split, cross_fit, split_videos
from ace3d_fast.models.network import Network
from ace3d_fast.models.probe import Fill, Probe
from ace3d_fast.ops import reference
from ace3d_fast.regions.source import RegionSource
from ace3d_fast.stages.cavs import fit_concept_cavs, member_retention, retention
from ace3d_fast.stages.clips import check_videos, sample_clips
from ace3d_fast.stages.concepts import Concepts, find_concepts
from ace3d_fast.stages.effects import (
    ForwardPlan,
    RegionResponses,
    join_plans,
    measure_regions,
    plan_forwards,
)
from ace3d_fast.stages.features import describe_regions
from ace3d_fast.stages.scores import Evidence, score_concepts
from ace3d_fast.stages.supervoxels import cut_supervoxels
from ace3d_fast.stages.verdicts import judge_concepts, sort_concepts
from ace3d_fast.stopwatch import Stopwatch
from ace3d_fast.store import SHARD_CLIPS, RunFolder
from ace3d_fast.tables import CONCEPT_COLUMNS, concept_table, region_table, score_table
from ace3d_fast.types import ClipFeatures, Progress, SegmentedClip, Video

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
CutClip = tuple[SegmentedClip, pd.DataFrame]


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
    supervoxels.
    """

    options: RunOptions
    run: RunFolder
    network: Network
    classes: dict[str, int]
    watch: Stopwatch
    progress: Progress
    regions: RegionSource | None = None

    @contextmanager
    def stage(self, name: str, words: str) -> Iterator[None]:
        """A stage without steps to count: its seconds go to ``name``, the progress says ``words``."""
        self.progress.start(words, None)
        with self.watch.time(name):
            yield
        self.progress.finish()

    def describe(self, videos: list[Video]) -> Described:
        """Decode, segment, forward and pool; clips go to disk, features stay in memory."""
        options, watch, skipped = self.options, self.watch, []

        def skip(video: Video, error: VideoError) -> None:
            skipped.append({"video": video.id, "reason": str(error)})
            self.progress.advance()

        blocks = sample_clips(
            videos,
            options.sampling,
            whole=options.whole_videos,
            block_clips=SHARD_CLIPS,
            on_bad_video=skip,
            watch=watch,
        )
        described: list[tuple[dict[str, Any], pd.DataFrame, ClipFeatures]] = []
        self.progress.start("decode, segment, forward", len(videos))
        device = self.network.device if self._backend is ops else torch.device("cpu")
        # One clip at a time fills no GPU: there batches are filled across videos.
        least = options.features.batch_clips if device.type == "cuda" else 1
        for group in filled(prefetch(uploaded(blocks, device)), least):
            for block, cut, found in zip(group, *self.describe_blocks(group), strict=True):
                video = block.clips[0].video
                for (clip, table), features in zip(cut, found, strict=True):
                    about: dict[str, Any] = {"video": video.id, "label": video.label, "group": video.group}
                    about |= {"clip": clip.clip.index, "start_seconds": clip.clip.start_seconds}
                    described.append((about, table, features))
                explained = video.label in self.classes
                with watch.time("store"):
                    self.run.write_clips([clip if explained else clip.thinned() for clip, _ in cut])
                if block.clips[0].index == 0:
                    self.progress.advance()
        self.progress.finish()
        bad = {row["video"] for row in skipped}
        usable = [video for video in videos if video.id not in bad]
        check_videos(usable, options.target_class, skipped)
        for name in sorted(bad):
            self.run.drop_clips(name)  # a file can turn out to be broken after its first clips
        self.run.write_videos(usable)
        sound = [entry for entry in described if entry[0]["video"] not in bad]
        return gather(sound, skipped, center=options.features.center)

    def describe_blocks(
        self, blocks: Sequence[Block]
    ) -> tuple[list[list[CutClip]], list[list[ClipFeatures]]]:
        """Cut clips and describe their regions; clips of one class are forwarded together."""
        with self.watch.time("segment"):
            cut = [self._cut(block) for block in blocks]
        found: dict[tuple[int, int], ClipFeatures] = {}
        places: dict[int | None, list[tuple[int, int]]] = {}
        for b, block in enumerate(blocks):
            class_index = self.classes.get(block.clips[0].video.label)
            places.setdefault(class_index, []).extend((b, i) for i in range(len(cut[b])))
        for class_index, here in places.items():
            features = describe_regions(
                [cut[b][i] for b, i in here],
                self.network,
                self.options.features,
                num_frames=self.options.sampling.num_frames,
                class_index=class_index,
                backend=self._backend,
                watch=self.watch,
            )
            found.update(zip(here, features, strict=True))
        return cut, [[found[b, i] for i in range(len(clips))] for b, clips in enumerate(cut)]

    @property
    def _backend(self) -> ModuleType:
        return ops if self.options.backend == "native" else reference

    def _cut(self, block: Block) -> list[CutClip]:
        frames = block.wait()

        def cut(part: range) -> list[CutClip]:
            where = slice(part.start, part.stop)
            there = None if frames is None else frames[where]
            return cut_supervoxels(
                block.clips[where],
                self.options.segment,
                backend=self._backend,
                frames=there,
                source=self.regions,
            )

        size = len(block.clips)
        parts = self.network.batches.run("supervoxels", cut, range(size), size)
        return [clip for part in parts for clip in part]

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
        return Split(everyone, everyone, everyone, False, dict(zip(ids, groups, strict=True)))

    def cluster(self, described: Described, splits: Mapping[str, Split]) -> Concepts:
        """Cluster the regions of the explained classes; name the concept of each in the region table."""
        regions = described.regions
        mine = np.flatnonzero(regions["label"].isin(list(self.classes)))
        with self.stage("concepts", "cluster regions"):
            found = find_concepts(
                described.features[mine],
                regions.iloc[mine],
                self.options.concepts,
                discover=frozenset().union(*(split.discover for split in splits.values())),
                seed=self.options.seed,
                device=self.network.device,
            )
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
                progress=self.progress,
            )
        self.progress.finish()
        return responses

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
        alone = described.features if responses is None else responses.features
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
        self, described: Described, alone: Floats, plan: ForwardPlan, concept: int, rows: Rows
    ) -> None:
        """Note in the region table how much of its feature each of ``rows`` keeps when it stands alone."""
        column = described.regions["retention"].to_numpy(np.float32, copy=True)
        column[rows] = member_retention(
            described.features, alone, plan.members[concept], plan.negatives, rows
        )
        described.regions = described.regions.assign(retention=column)

    def probe(self, fill: Fill = "mean") -> Probe:
        """Ask the network of this run about single regions."""
        return Probe(self.network, self.options.sampling.num_frames, fill=fill, watch=self.watch)


def headline(options: RunOptions) -> str:
    """Name of the score that ranks concepts: the region effect, or for the published recipe the sign."""
    return "region_effect" if options.scores.measure_effects else "tcav_sign"
