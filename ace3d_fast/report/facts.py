"""The run as a whole in words: verdict, warnings, configuration."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ace3d_fast.report.records import RunRecords
from ace3d_fast.words import (
    MISSING,
    count,
    decimal,
    is_known,
    percent,
    probability,
    seconds,
    signed,
)

STAGES = {
    "decode": "Decoding",
    "segment": "Supervoxels",
    "forward": "Forwards of clips",
    "pool": "Pooling of region features",
    "patches": "Patch features",
    "concepts": "Clustering",
    "cavs": "Concept vectors",
    "effects": "Region effects",
    "significance": "Significance",
    "motion": "Motion dependence",
    "controls": "Negative controls",
    "evaluation": "SSC and SDC",
    "store": "Writing",
    "report": "Report",
}


@dataclass(frozen=True)
class Fact:
    """A figure with its name, and a note in small print."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Verdict:
    """The run in two sentences and a row of figures."""

    title: str
    network: str
    concepts: str
    is_positive: bool
    facts: list[Fact]


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as plain records."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def concept_name(concept: Any) -> str:
    """How a concept, known by its number, is called on the page."""
    return f"Concept {concept}"


@dataclass(frozen=True)
class Headline:
    """The score that ranks concepts, the test that decides, and the decimals that the largest score needs."""

    score: str
    label: str
    unit: str
    test: str
    limit: float
    digits: int = 2

    def write(self, value: Any) -> str:
        """A value of the score; effects have a sign."""
        return signed(value, self.digits) if self.score == "region_effect" else decimal(value)

    @property
    def rule(self) -> str:
        """``q ≤ 0.05``."""
        return f"{self.test} ≤ {self.limit:g}"


def headline(run: RunRecords) -> Headline:
    """What ranks and what decides in this run."""
    scores = run.config["scores"]
    paired = scores["test"] == "paired_t"
    decision = ("p", scores["max_p"]) if paired else ("q", scores["max_q"])
    if scores["measure_effects"]:
        known = [abs(float(value)) for value in run.concepts["region_effect"] if is_known(value)]
        largest = max(known, default=0.0)
        digits = max(2, 1 - math.floor(math.log10(largest))) if largest > 0 else 2
        return Headline("region_effect", "Region effect", "region effect", *decision, digits)
    return Headline("tcav_sign", "TCAV sign", "TCAV sign", *decision)


def concept_bounds(run: RunRecords, concept: Any) -> dict[str, tuple[float, float]]:
    """The interval of each score of a concept for the explained class."""
    target = run.summary["target_class"]
    return {
        str(row["score"]): (float(row["low"]), float(row["high"]))
        for row in rows_of(run.scores)
        if row["concept"] == concept and row["class_name"] == target and is_known(row["low"])
    }


def status_counts(run: RunRecords) -> dict[str, int]:
    """Number of concepts of each status."""
    return {str(name): int(number) for name, number in run.concepts["status"].value_counts().items()}


def verdict(run: RunRecords) -> Verdict:
    """Say how good the network is on the target class, and how many concepts were accepted."""
    summary = run.summary
    target = str(summary["target_class"])
    numbers = status_counts(run)
    num_accepted = numbers.get("accepted", 0)
    num_tested = int(summary["num_tested"])
    videos = count(summary["num_target_videos"], "video")
    clips = count(summary["num_target_clips"], "clip")
    function = summary.get("target")  # a run of before there was one has none
    said = "The network recognises" if function is None else f"The target {function} is positive for"
    network = f"{said} {percent(summary['accuracy'])} of {clips} of {target} ({videos})."
    rule = headline(run).rule
    tested = count(num_tested, "tested concept")
    if num_accepted:
        concepts = f"{num_accepted} of {tested} accepted at {rule}."
    elif num_tested:
        concepts = f"No concept accepted: none of {tested} passes every gate and reaches {rule}."
    else:
        concepts = "No concept accepted: no cluster was shared widely enough to be tested."
    of_class = f"of the class; {count(summary['num_clips'], 'clip')} in all"
    facts = [
        Fact("Accuracy on the class", percent(summary["accuracy"]), _mean_probability(summary)),
        Fact("Concepts accepted", f"{num_accepted} of {num_tested} tested", _other_statuses(numbers)),
        Fact("Lowest q", *_lowest_q(run, rule)),
        Fact("Videos", f"{summary['num_target_videos']} of {summary['num_videos']}", of_class),
        Fact("Split", str(summary.get("split", MISSING)), "of videos that discover, fit and score"),
        Fact(
            "Gradient cosine", decimal(summary.get("gradient_cosine")), "between clips; near 1: a linear head"
        ),
    ]
    return Verdict(target, network, concepts, num_accepted > 0, facts)


def _lowest_q(run: RunRecords, rule: str) -> tuple[str, str]:
    """The lowest q of a tested concept, beside what decides; permutations limit how low p can be."""
    known = [float(value) for value in run.concepts["q_value"] if is_known(value)]
    if run.config["scores"]["test"] == "paired_t":
        note = f"paired t-test; accepted at {rule}"
    else:
        note = f"accepted at {rule}; p is {probability(run.summary.get('lowest_p'))} at least"
    return probability(min(known, default=None)), note


def _mean_probability(summary: Mapping[str, Any]) -> str:
    known = is_known(summary.get("probability"))
    return f"mean probability {decimal(summary['probability'])}" if known else ""


def _other_statuses(numbers: Mapping[str, int]) -> str:
    words = {"not_significant": "not significant", "context": "context", "rejected": "rejected"}
    parts = [f"{numbers[status]} {word}" for status, word in words.items() if numbers.get(status)]
    return ", ".join(parts)


def timing_facts(run: RunRecords) -> list[Fact]:
    """Seconds of each stage, and what was counted."""
    timings = run.timings
    total = timings.get("total_seconds")
    facts = []
    for stage, spent in timings.get("stages", {}).items():
        share = f"{100 * spent / total:.0f} %" if is_known(total) and total else ""
        facts.append(Fact(STAGES.get(stage, stage), seconds(spent), share))
    if is_known(total):
        facts.append(Fact("In all", seconds(total)))
    counts = timings.get("counts", {})
    facts.extend(Fact(f"Number of {name}", f"{int(number):,}") for name, number in counts.items())
    return facts


def config_facts(run: RunRecords) -> list[Fact]:
    """Every option of the run under its dotted name."""
    return [Fact(name, _option(value)) for name, value in _leaves(run.config)]


def version_facts(run: RunRecords) -> list[Fact]:
    """Versions of what computed the run."""
    return [Fact(name, _option(value)) for name, value in _leaves(run.summary.get("versions", {}))]


def _leaves(options: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _option(value: Any) -> str:
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_option(part) for part in value)
    return str(value)
