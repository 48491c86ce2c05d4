"""Facts about a whole video, gathered clip by clip in memory that does not grow with it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from ace3d_fast.new_video.strip import Strip

NUM_MOMENTS = 3


@dataclass
class ConceptTotals:
    """One concept in a video.

    Attributes
    ----------
    concept : int
    status : str
    seconds : float
        Length of the clips that hold it.
    moments : list of (float, float)
        Seconds where a clip begins, and the concept's effect there: the largest ones, largest first.
    """

    concept: int
    status: str
    seconds: float = 0.0
    moments: list[tuple[float, float]] = field(default_factory=list)
    weighted_effect: float = 0.0
    known_seconds: float = 0.0

    @property
    def mean_effect(self) -> float:
        """Mean effect over the clips in which it was found; NaN where none was."""
        return self.weighted_effect / self.known_seconds if self.known_seconds else float("nan")


class Totals:
    """Adds up timelines; ``effect`` names the column that ranks: ``logit_drop`` or ``logit_estimate``."""

    def __init__(self, statuses: dict[int, str], effect: str) -> None:
        self.effect = effect
        self.concepts = [ConceptTotals(concept, status) for concept, status in statuses.items()]
        self.effects = Strip(len(self.concepts))
        self.areas = Strip(len(self.concepts))
        self.probability = Strip(1)
        self.num_clips = 0
        self.end_seconds = 0.0
        self.predicted_seconds: dict[str, float] = {}

    def add(self, timeline: pd.DataFrame) -> None:
        """Add the timeline of the next clip, a row per concept."""
        first = timeline.iloc[0]
        length = float(first["end_seconds"] - first["start_seconds"])
        self.num_clips += 1
        self.end_seconds = float(first["end_seconds"])
        predicted = str(first["predicted"])
        self.predicted_seconds[predicted] = self.predicted_seconds.get(predicted, 0.0) + length
        values = timeline[self.effect].to_numpy()
        self.effects.add(values, self.end_seconds)
        self.areas.add(timeline["area_share"].to_numpy(), self.end_seconds)
        self.probability.add(timeline["probability"].to_numpy()[:1], self.end_seconds)
        present = timeline["num_regions"].to_numpy() > 0
        for concept, value, here in zip(self.concepts, values.tolist(), present.tolist(), strict=True):
            concept.seconds += length * here
            if value == value:
                concept.weighted_effect += value * length
                concept.known_seconds += length
                concept.moments.append((float(first["start_seconds"]), value))
                concept.moments.sort(key=lambda moment: -abs(moment[1]))
                del concept.moments[NUM_MOMENTS:]
