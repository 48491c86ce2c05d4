"""A small complete run folder, written with the store's own writers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ace3d_fast.config import RunOptions
from ace3d_fast.store import RunFolder
from ace3d_fast.types import Clip, ClipSampling, Normalization, SegmentedClip, Video

SAMPLING = ClipSampling(num_frames=4, fps=2.5, resize_px=52, crop_px=48)
NAN = math.nan
CONCEPTS = (4, 0, 2, 1)
STATUSES = ("accepted", "not_significant", "context", "rejected")
REASONS = (
    "",
    "q .41 is above .05",
    "retention .12 is below .35",
    "held by 2 of 6 videos, at least 3 are needed",
)
SCORES = (
    "region_effect",
    "effect_deletion",
    "effect_insertion",
    "raw_times_retention",
    "tcav_sign",
    "tcav_magnitude",
    "motion_dependence",
)


def disc_clip(video: Video, index: int) -> SegmentedClip:
    """A red disc moves right over a grey ramp; regions: 0 the disc, 1 and 2 what is left and right."""
    num_frames, side = SAMPLING.num_segment_frames, SAMPLING.crop_px
    y, x = np.mgrid[:side, :side]
    frames = np.empty((num_frames, side, side, 3), np.uint8)
    labels = np.empty((1, num_frames, side, side), np.int32)
    for t in range(num_frames):
        disc = (x - 12 - 2 * t) ** 2 + (y - 24) ** 2 < 64
        frames[t] = (60 + 2 * x + 10 * index)[..., None]
        frames[t][disc] = (220, 30, 30)
        labels[0, t] = np.where(disc, 0, np.where(x < side // 2, 1, 2))
    clip = Clip(video, index, index * SAMPLING.span_seconds, torch.from_numpy(frames), SAMPLING.stride)
    return SegmentedClip(clip, torch.from_numpy(labels), 3)


def make_run(
    folder: Path,
    *,
    target_class: str = "waving",
    num_videos: int = 6,
    clips: list[SegmentedClip] | None = None,
) -> RunFolder:
    """Write a run in which one concept of each status was found."""
    if clips is None:
        videos = [
            Video(f"{target_class}/v{i}.mp4", Path(f"v{i}.mp4"), target_class, f"v{i}")
            for i in range(num_videos)
        ]
        clips = [disc_clip(video, index) for video in videos for index in range(2)]
    folder.mkdir(parents=True)
    run = RunFolder(folder)
    options = RunOptions(
        videos=("videos",),
        target_class=target_class,
        model="net.py:net",
        layer="blocks.4",
        sampling=SAMPLING,
        normalization=Normalization((0.45,) * 3, (0.225,) * 3),
    )
    run.write_json("config.json", options.to_dict())
    run.write_json("summary.json", _summary(target_class, clips))
    run.write_json("timings.json", _timings(clips))
    _write_clips(run, clips)
    regions = _regions(clips)
    run.write_table("regions", regions)
    run.write_table("concepts", _concepts(regions))
    run.write_table("scores", _scores(target_class))
    run.write_table("evaluation", _evaluation())
    directions = np.eye(5, dtype=np.float32)
    directions[0] = (0.75**0.5, 0, 0, 0, 0.5)  # concept 0 lies near concept 4
    run.write_cavs({f"concept_{name:02d}": directions[name][None] for name in CONCEPTS[:3]})
    run.write_centers(np.eye(5), np.full(5, 2.0))
    return RunFolder(folder)


def make_matrix(run: RunFolder) -> None:
    """Add the matrix of two concepts and two classes."""
    rows = [
        {
            "concept": concept,
            "class_name": class_name,
            "status": "accepted" if effect > 1 else "not_significant",
            "num_regions": 12,
            "retention": 0.8,
            "cav_accuracy_p": 0.005,
            "region_effect": effect,
            "low": effect - 0.5,
            "high": effect + 0.5,
            "effect_deletion": effect,
            "effect_insertion": effect,
            "raw_times_retention": 0.02,
            "tcav_sign": 1.0,
            "tcav_magnitude": 0.001,
            "p_value": 0.015625,
            "q_value": 0.03125,
        }
        for concept, class_name, effect in (
            (4, str(run.summary["target_class"]), 2.0),
            (4, "another class", -1.0),
            (0, str(run.summary["target_class"]), -0.25),
            (0, "another class", 0.5),
        )
    ]
    run.write_table("matrix", pd.DataFrame(rows))


def _write_clips(run: RunFolder, clips: list[SegmentedClip]) -> None:
    videos = list(dict.fromkeys(clip.clip.video for clip in clips))
    for video in videos:
        run.write_clips([clip for clip in clips if clip.clip.video == video])
    run.write_videos(videos)


def _summary(target_class: str, clips: list[SegmentedClip]) -> dict[str, object]:
    videos = {clip.clip.video.id for clip in clips}
    return {
        "target_class": target_class,
        "num_videos": len(videos) + 4,
        "num_target_videos": len(videos),
        "num_clips": len(clips) + 8,
        "num_target_clips": len(clips),
        "accuracy": 0.875,
        "probability": 0.81,
        "num_tested": 2,
        "lowest_p": 0.015625,
        "gradient_cosine": 0.93,
        "null_saturation": 0.61,
        "split": "leave-one-out",
        "warnings": ["clips share nearly one gradient (cosine .93): TCAV signs are close to 0 or 1"],
        "skipped": [{"video": "archery/broken.mp4", "reason": "no video stream"}],
        "versions": {"ace3d_fast": "0.1.0", "torch": "2.13.0"},
    }


def _timings(clips: list[SegmentedClip]) -> dict[str, object]:
    stages = {
        "decode": 2.5,
        "segment": 30.25,
        "forward": 5.0,
        "pool": 0.5,
        "masked": 20.0,
        "evaluation": 16.75,
    }
    return {
        "total_seconds": 75.0,
        "stages": stages,
        "counts": {"forwards": 812, "clips": len(clips), "regions": 321},
    }


def _regions(clips: list[SegmentedClip]) -> pd.DataFrame:
    rows = []
    for clip_id, clip in enumerate(clips):
        network = clip.network_labels
        for index in range(clip.num_regions):
            places = (network == index).any(dim=0).nonzero()
            low, high = places.min(dim=0).values.tolist(), (places.max(dim=0).values + 1).tolist()
            rows.append(
                {
                    "region": len(rows),
                    "video": clip.clip.video.id,
                    "label": clip.clip.video.label,
                    "group": clip.clip.video.group,
                    "clip_id": clip_id,
                    "clip": clip.clip.index,
                    "start_seconds": clip.clip.start_seconds,
                    "resolution": 15,
                    "index": index,
                    "num_voxels": len(places),
                    **{
                        f"{axis}{end}": bound[i]
                        for i, axis in enumerate("tyx")
                        for end, bound in ((0, low), (1, high))
                    },
                    "concept": CONCEPTS[index % 3],
                    "distance": 0.5,
                    "effect_deletion": 1.5 if index == 0 else NAN,
                    "effect_insertion": 2.5 if index == 0 else NAN,
                    "retention": 0.75 if index == 0 else NAN,
                    "sensitivity": 0.25,
                }
            )
    return pd.DataFrame(rows)


def _concepts(regions: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for i, (name, status, reason) in enumerate(zip(CONCEPTS, STATUSES, REASONS, strict=True)):
        scored = i < 3
        members = regions[regions["index"] == min(i, 2)]
        rows.append(
            {
                "concept": name,
                "status": status,
                "reason": reason,
                "num_regions": 24 - i,
                "num_clips": 12 - i,
                "num_videos": 6 - i,
                "largest_video_share": 0.25,
                "recurrence": 0.875,
                "cav_accuracy": 0.96 - 0.1 * i,
                "cav_accuracy_p": 0.005,
                "retention": (0.82, 0.61, 0.12, NAN)[i],
                "region_effect": (2.0, 0.25, -0.5, NAN)[i],
                "effect_deletion": (1.5, 0.2, -0.4, NAN)[i],
                "effect_insertion": (2.5, 0.3, -0.6, NAN)[i],
                "raw_score": 0.031 if scored else NAN,
                "raw_times_retention": (0.0254, 0.011, -0.002, NAN)[i],
                "tcav_sign": (1.0, 0.5, 0.25, NAN)[i],
                "tcav_magnitude": (0.00123, 0.0004, -0.0002, NAN)[i],
                "motion_dependence": (0.75, 0.1, NAN, NAN)[i],
                "drop_frozen": (1.1, 0.02, NAN, NAN)[i],
                "drop_shuffled": (1.2, 0.03, NAN, NAN)[i],
                "drop_reversed": (0.4, 0.01, NAN, NAN)[i],
                "p_value": (0.015625, 0.41, NAN, NAN)[i],
                "q_value": (0.03125, 0.41, NAN, NAN)[i],
                "example_regions": members["region"].to_numpy(np.int32)[:8],
            }
        )
    return pd.DataFrame(rows)


def _scores(target_class: str) -> pd.DataFrame:
    values = {"region_effect": 2.0, "effect_deletion": 1.5, "effect_insertion": 2.5}
    rows = [
        {
            "concept": concept,
            "class_name": class_name,
            "score": score,
            "value": values.get(score, 0.5),
            "low": values.get(score, 0.5) - 0.75,
            "high": values.get(score, 0.5) + 0.75,
            "p_value": 0.015625,
            "q_value": 0.03125,
        }
        for concept in CONCEPTS[:1]
        for class_name in (target_class, "another class")
        for score in SCORES
    ]
    return pd.DataFrame(rows)


def _evaluation() -> pd.DataFrame:
    speeds = {"top": 0.3, "random": 0.15, "least": 0.08, "area_matched": 0.2}
    rows = []
    for curve in ("ssc", "sdc"):
        for order, speed in speeds.items():
            for k in range(6):
                added = min(1.0, speed * k)
                accuracy = added if curve == "ssc" else 1 - added
                gap = (speed - speeds["random"]) * k
                known = order != "random" and k > 0
                rows.append(
                    {
                        "fill": "mean",
                        "curve": curve,
                        "order": order,
                        "k": k,
                        "accuracy": accuracy,
                        "probability": 0.9 * accuracy,
                        "logit": 10 * accuracy - 2,
                        "low": max(0.0, accuracy - 0.1),
                        "high": min(1.0, accuracy + 0.1),
                        "gap": gap if known else NAN,
                        "gap_low": gap - 0.1 if known else NAN,
                        "gap_high": gap + 0.1 if known else NAN,
                        "gap_area": gap - 0.05 * k if known else NAN,
                        "gap_area_low": gap - 0.05 * k - 0.1 if known else NAN,
                        "gap_area_high": gap - 0.05 * k + 0.1 if known else NAN,
                        "mcnemar_p": 0.25,
                        "num_videos": 6,
                    }
                )
    return pd.DataFrame(rows)
