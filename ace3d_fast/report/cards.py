"""Concept cards: what is known about each concept, and its example clips."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import PurePosixPath
from typing import Any

from ace3d_fast.report.clips import AnimatedClip, animate_region
from ace3d_fast.report.facts import Fact, concept_bounds, concept_name, headline, rows_of
from ace3d_fast.report.neighbours import nearest_concepts
from ace3d_fast.report.records import RunRecords
from ace3d_fast.types import ClipSampling
from ace3d_fast.words import (
    MISSING,
    count,
    decimal,
    interval,
    is_known,
    percent,
    probability,
    signed,
    significant,
)

NUM_EXAMPLES = {"accepted": 8, "not_significant": 8, "context": 4, "rejected": 4}
SIDES_PX = {"accepted": 192, "not_significant": 192, "context": 128, "rejected": 128}
MAX_CLIP_BYTES = 56_000
MAX_TOTAL_BYTES = 4_500_000
SORTED_BY = ("prevalence", "retention", "cav_accuracy", "motion_dependence", "num_videos")
NO_BOUNDS = (math.nan, math.nan)
WHOLE_VIDEO_FPS = 25.0  # the published way decodes every frame, whatever the rate of the file

Row = Mapping[str, Any]
Bounds = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Example:
    """One region of a concept, as a looping clip."""

    clip: AnimatedClip
    video: str
    file: str
    seconds: float
    time: str
    details: str


@dataclass(frozen=True)
class ConceptCard:
    """What the report shows about one concept; ``sort_values`` are None where nothing was computed."""

    concept: int
    name: str
    given_name: str
    anchor: str
    status: str
    reason: str
    headline: str
    headline_interval: str
    retention: str
    q_value: str
    num_videos: int
    videos: str
    nearest: list[tuple[int, str]]
    sort_values: dict[str, float | None]
    facts: list[Fact]
    examples: list[Example]

    @property
    def status_words(self) -> str:
        """The status for reading."""
        return self.status.replace("_", " ")


def concept_cards(run: RunRecords) -> list[ConceptCard]:
    """Make the cards in the order of the run's table, with their examples."""
    concepts = rows_of(run.concepts)
    wanted = [
        [int(region) for region in row["example_regions"]][: NUM_EXAMPLES[row["status"]]] for row in concepts
    ]
    sides = {
        region: SIDES_PX[row["status"]]
        for row, regions in zip(concepts, wanted, strict=True)
        for region in regions
    }
    examples = draw_examples(run, sides)
    names, nearest, prevalence = run.names, nearest_concepts(run), _prevalence(run)
    return [
        _card(
            run,
            {**row, "prevalence": prevalence.get(int(row["concept"]), 0.0)},
            names.get(int(row["concept"]), ""),
            nearest.get(int(row["concept"]), []),
            [examples[region] for region in regions],
        )
        for row, regions in zip(concepts, wanted, strict=True)
    ]


def _prevalence(run: RunRecords) -> dict[int, float]:
    """Share of the class's clips that hold a region of each concept."""
    mine = run.regions[run.regions["label"] == run.summary["target_class"]]
    held = mine.groupby("concept")["clip_id"].nunique() / max(1, mine["clip_id"].nunique())
    return {int(concept): float(share) for concept, share in held.items()}


def _card(
    run: RunRecords, row: Row, given_name: str, nearest: list[tuple[int, float]], examples: list[Example]
) -> ConceptCard:
    bounds = concept_bounds(run, row["concept"])
    ranks = headline(run)
    return ConceptCard(
        concept=int(row["concept"]),
        name=concept_name(row["concept"]),
        given_name=given_name,
        anchor=f"concept-{row['concept']}",
        status=str(row["status"]),
        reason=str(row["reason"] or ""),
        headline=ranks.write(row[ranks.score]) if is_known(row[ranks.score]) else "",
        headline_interval=interval(*bounds.get(ranks.score, NO_BOUNDS), ranks.write),
        retention=decimal(row["retention"]),
        q_value=probability(row[f"{ranks.test}_value"]),
        num_videos=int(row["num_videos"]),
        videos=count(row["num_videos"], "video"),
        nearest=[(other, decimal(cosine)) for other, cosine in nearest],
        sort_values={
            "effect": _number(row[ranks.score]),
            "q": _number(row[f"{ranks.test}_value"]),
            **{name: _number(row.get(name)) for name in SORTED_BY},
        },
        facts=_card_facts(row, bounds, partial(signed, digits=ranks.digits)),
        examples=examples,
    )


def _card_facts(row: Row, bounds: Bounds, effect: Callable[[Any], str]) -> list[Fact]:
    """Everything that was computed about a concept; ``effect`` writes one."""

    def score(label: str, name: str, write: Callable[[Any], str]) -> Fact:
        return Fact(label, write(row[name]), interval(*bounds.get(name, NO_BOUNDS), write))

    accuracy_p = f"p {probability(row['cav_accuracy_p'])}" if is_known(row["cav_accuracy_p"]) else ""
    facts = [
        score("Effect of removal", "effect_deletion", effect),
        score("Effect alone", "effect_insertion", effect),
        Fact("p", probability(row["p_value"])),
        Fact("q", probability(row["q_value"])),
        Fact("Retention", decimal(row["retention"])),
        score(
            "Raw score \N{MULTIPLICATION SIGN} retention",
            "raw_times_retention",
            significant,
        ),
        score("TCAV sign", "tcav_sign", decimal),
        score("TCAV magnitude", "tcav_magnitude", significant),
        Fact("CAV accuracy", percent(row["cav_accuracy"]), accuracy_p),
        Fact("Motion dependence", decimal(row.get("motion_dependence")), _motion_note(row, bounds, effect)),
        Fact("Prevalence", percent(row["prevalence"]), "of the class's clips"),
        Fact("Recurrence", decimal(row.get("recurrence"))),
        Fact("Regions, clips", f"{int(row['num_regions'])}, {int(row['num_clips'])}"),
        Fact("Largest video's share", percent(row["largest_video_share"])),
    ]
    return [fact for fact in facts if fact.value != MISSING]


def _motion_note(row: Row, bounds: Bounds, effect: Callable[[Any], str]) -> str:
    """The interval, and the margin lost when frames inside the regions are frozen, shuffled or reversed."""
    lost = {"frozen": "drop_frozen", "shuffled": "drop_shuffled", "reversed": "drop_reversed"}
    known = [f"{word} {effect(row[name])}" for word, name in lost.items() if is_known(row.get(name))]
    ends = interval(*bounds.get("motion_dependence", NO_BOUNDS), decimal)
    return " ".join(part for part in (ends, ", ".join(known)) if part)


def _number(value: Any) -> float | None:
    return float(value) if is_known(value) else None


def draw_examples(run: RunRecords, sides: Mapping[int, int]) -> dict[int, Example]:
    """Animate each region at its size in pixels, reading each clip once."""
    table = run.regions
    rows = rows_of(table[table["region"].isin(sides)].sort_values(["video", "clip", "region"]))
    fps = frames_per_second(run)
    max_bytes = min(MAX_CLIP_BYTES, MAX_TOTAL_BYTES // max(1, len(sides)))
    examples = {}
    for (video, clip), members in groupby(rows, key=lambda row: (str(row["video"]), int(row["clip"]))):
        segmented = run.read_clip(video, clip)
        for row in members:
            region = int(row["region"])
            examples[region] = Example(
                clip=animate_region(
                    segmented, int(row["index"]), fps=fps, side=sides[region], max_bytes=max_bytes
                ),
                video=video,
                file=PurePosixPath(video).name,
                seconds=float(row["start_seconds"]),
                time=f"{float(row['start_seconds']):.1f} s",
                details=_region_details(row),
            )
    return examples


def frames_per_second(run: RunRecords) -> float:
    """Frames a second of the stored clips."""
    config = run.config
    if config["backend"] == "reference" and config["preset"] == "stce":
        return WHOLE_VIDEO_FPS
    return ClipSampling(**config["sampling"]).segment_fps


def _region_details(row: Row) -> str:
    known = {
        "effect of removal": row["effect_deletion"],
        "effect alone": row["effect_insertion"],
        "distance to centre": row["distance"],
    }
    parts = [f"{int(row['num_voxels']):,} voxels of one of about {int(row['resolution'])} supervoxels"]
    parts.extend(f"{name} {signed(value)}" for name, value in known.items() if is_known(value))
    return ", ".join(parts)
