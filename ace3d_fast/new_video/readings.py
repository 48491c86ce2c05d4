"""One clip against the concepts of a run: tables of its regions, and of the concepts in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax

from ace3d_fast.models.probe import Probe, margins
from ace3d_fast.new_video.learned import LearnedConcepts
from ace3d_fast.stages.features import center_features
from ace3d_fast.types import ClipFeatures, SegmentedClip

REGION_COLUMNS = [
    *("clip", "index", "resolution", "concept", "distance", "similarity", "sensitivity", "logit_estimate"),
    *("begin_seconds", "end_seconds", "num_voxels", "t0", "t1", "y0", "y1", "x0", "x1"),
]
TIMELINE_COLUMNS = [
    *("clip", "start_seconds", "end_seconds", "concept", "status", "num_regions", "area_share"),
    *("similarity", "sensitivity", "logit_estimate", "logit_drop", "margin_drop"),
    *("logit", "margin", "probability", "predicted"),
]
NAN = float("nan")


@dataclass(frozen=True)
class Reading:
    """What is seen in one clip.

    Attributes
    ----------
    clip : SegmentedClip
    regions : DataFrame
        A row per region, columns `REGION_COLUMNS`.
    timeline : DataFrame
        A row per concept, columns `TIMELINE_COLUMNS`, in the order of the run's table.
    """

    clip: SegmentedClip
    regions: pd.DataFrame
    timeline: pd.DataFrame


@dataclass(frozen=True)
class Reader:
    """Reads clips: finds concepts in them and measures what they do to the logit of the run's class.

    Parameters
    ----------
    learned : LearnedConcepts
    probe : Probe
        Its network is the run's.
    class_index : int
        The run's class among the logits.
    num_removed : int
        Concepts of a clip that are removed, each in a forward of its own: those with the largest estimates.
    """

    learned: LearnedConcepts
    probe: Probe
    class_index: int
    num_removed: int

    def read(self, clip: SegmentedClip, table: pd.DataFrame, found: ClipFeatures) -> Reading:
        """Read one clip, with what `cut_supervoxels` and `describe_regions` say of it."""
        regions = self._regions(clip, table, found)
        timeline = self._timeline(clip, regions, found)
        return Reading(clip, regions, timeline)

    def _regions(self, clip: SegmentedClip, table: pd.DataFrame, found: ClipFeatures) -> pd.DataFrame:
        features = found.features
        if self.learned.options.features.center:
            sizes = table["num_voxels"].to_numpy()
            features = center_features(features, sizes, np.zeros(len(table), dtype=np.int32))
        concept, distance = self.learned.assign(features)
        columns = {
            name: np.full(len(table), NAN, dtype=np.float32)
            for name in ("similarity", "sensitivity", "logit_estimate")
        }
        lengths = np.maximum(np.linalg.norm(features, axis=1), 1e-12)
        for name, direction in self.learned.directions.items():
            rows = concept == name
            along, slope = features[rows] @ direction, found.region_gradients[rows] @ direction
            columns["similarity"][rows] = along / lengths[rows]
            columns["sensitivity"][rows] = slope
            columns["logit_estimate"][rows] = along * slope
        fps = self.learned.options.sampling.fps
        last = end_seconds(clip, self.learned.options.sampling.segment_fps)
        start = clip.clip.start_seconds
        return table.assign(
            clip=np.int32(clip.clip.index),
            concept=concept,
            distance=distance,
            **columns,
            begin_seconds=np.minimum(start + table["t0"] / fps, last),
            end_seconds=np.minimum(start + table["t1"] / fps, last),
        )[REGION_COLUMNS]

    def _timeline(self, clip: SegmentedClip, regions: pd.DataFrame, found: ClipFeatures) -> pd.DataFrame:
        own = self.class_index
        members = {
            name: regions.loc[regions["concept"] == name, "index"].tolist() for name in self.learned.statuses
        }
        shares = covered_shares(clip, members)
        rows = []
        for name, status in self.learned.statuses.items():
            mine = regions[regions["concept"] == name]
            # Regions of several resolutions lie over each other: what they share counts once.
            overlap = mine["num_voxels"].sum() / max(clip.network_labels[0].numel(), 1)
            once = shares[name] / overlap if overlap > 0 else NAN
            rows.append(
                {
                    "concept": name,
                    "status": status,
                    "num_regions": len(mine),
                    "area_share": shares[name],
                    "similarity": mine["similarity"].max(),
                    "sensitivity": mine["sensitivity"].sum(min_count=1) * once,
                    "logit_estimate": mine["logit_estimate"].sum(min_count=1) * once,
                }
            )
        logits = found.logits[None]
        timeline = pd.DataFrame(rows).astype({"concept": np.int32, "num_regions": np.int32})
        floats = ["area_share", "similarity", "sensitivity", "logit_estimate"]
        timeline = timeline.astype(dict.fromkeys(floats, np.float32))
        return timeline.assign(
            clip=np.int32(clip.clip.index),
            start_seconds=clip.clip.start_seconds,
            end_seconds=end_seconds(clip, self.learned.options.sampling.segment_fps),
            **self._drops(clip, timeline, members, logits),
            logit=np.float32(logits[0, own]),
            margin=margins(logits, [own])[0, 0],
            probability=np.float32(softmax(logits[0].astype(np.float64))[own]),
            predicted=self.probe.network.class_names[int(logits[0].argmax())],
        )[TIMELINE_COLUMNS]

    def _drops(
        self,
        clip: SegmentedClip,
        timeline: pd.DataFrame,
        members: Mapping[int, list[int]],
        logits: NDArray[np.float32],
    ) -> dict[str, NDArray[np.float32]]:
        """How far logit and margin fall when all regions of a concept are taken out of the clip."""
        drops = {name: np.full(len(timeline), NAN, np.float32) for name in ("logit_drop", "margin_drop")}
        size = timeline["logit_estimate"].abs().fillna(-1.0).to_numpy()
        tested = timeline["concept"].isin(list(self.learned.directions)).to_numpy()
        present = np.flatnonzero(tested & (timeline["num_regions"] > 0).to_numpy())
        chosen = np.sort(present[np.argsort(-size[present], kind="stable")][: self.num_removed])
        if len(chosen):
            left = self.probe.without(clip, [members[c] for c in timeline["concept"].iloc[chosen].tolist()])
            own = [self.class_index]
            drops["logit_drop"][chosen] = logits[0, own] - left[:, own[0]]
            drops["margin_drop"][chosen] = (margins(logits, own) - margins(left, own))[:, 0]
        return drops


def covered_shares(clip: SegmentedClip, members: Mapping[int, list[int]]) -> dict[int, float]:
    """Share of the clip's voxels that regions of each concept cover, in the frames the network sees."""
    labels = clip.network_labels.numpy()
    names = list(members)
    covers = np.zeros((len(names), clip.num_regions + 1), dtype=bool)
    for row, name in zip(covers, names, strict=True):
        row[np.asarray(members[name], dtype=np.int64) + 1] = True
    return {
        name: float(row[labels + 1].any(axis=0).mean()) if row.any() else 0.0
        for name, row in zip(names, covers, strict=True)
    }


def end_seconds(clip: SegmentedClip, segment_fps: float) -> float:
    """Where the clip ends in the video, without frames that repeat the last one."""
    frames = len(clip.clip.frames) - clip.clip.num_repeated
    return clip.clip.start_seconds + frames / segment_fps
