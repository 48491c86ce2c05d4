"""The questions of a study: made from a run and a seed alone, so that no key has to be kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ace3d_fast.errors import InputError, expected
from ace3d_fast.store import RunFolder

WHERE = "quiz"
NUM_SHOWN = 4  # clips of the concept that a question shows
NUM_CHOICES = 4  # clips to choose from where a name is to be recognised
MOST_PER_CONCEPT = 50
Kind = Literal["intruder", "naming", "recognition"]


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes
    ----------
    kind : {"intruder", "naming", "recognition"}
        Which clip does not belong? How would you call what these show? Which clip shows what you called so?
    concept : int
    regions : tuple of int
        Rows of the run's region table, in the order they are shown.
    answer : int
        Position of the right one; -1 for a name.
    naming : int
        For ``recognition`` the question in which the name was given; else -1.
    """

    kind: Kind
    concept: int
    regions: tuple[int, ...]
    answer: int = -1
    naming: int = -1

    @property
    def chance(self) -> float:
        """Share of right answers by guessing."""
        return 1 / len(self.regions)


@dataclass(frozen=True)
class Quiz:
    """The questions in their order.

    Attributes
    ----------
    id : str
        Tells this quiz from those of other runs and seeds.
    seed, per_concept : int
    questions : tuple of Question
    """

    id: str
    seed: int
    per_concept: int
    questions: tuple[Question, ...]


def make_quiz(run: RunFolder, *, seed: int = 0, per_concept: int = 3) -> Quiz:
    """Draw the questions: for each concept ``per_concept`` intruders, and one name to give and to recognise.

    Concepts that were rejected are not asked about. The intruder is a region of another concept, of another
    video where there is one. Same run, same seed: same questions.

    Raises
    ------
    InputError
        A number out of range, or fewer than two concepts have enough examples.
    """
    if not 1 <= per_concept <= MOST_PER_CONCEPT:
        raise InputError(expected(WHERE, "questions", f"between 1 and {MOST_PER_CONCEPT}", per_concept))
    if seed < 0:
        raise InputError(expected(WHERE, "seed", "of at least 0", seed))
    table = run.concepts[run.concepts["status"] != "rejected"]
    examples = {
        int(concept): [int(region) for region in regions]
        for concept, regions in zip(table["concept"], table["example_regions"], strict=True)
        if len(regions) > NUM_SHOWN
    }
    if len(examples) < 2:
        fact = f"{len(examples)}"
        todo = "explain more videos, so that more concepts are kept"
        requirement = f"that are not rejected, with more than {NUM_SHOWN} examples, at least two"
        raise InputError(expected(WHERE, "concepts", requirement, fact, todo))
    rng = np.random.default_rng(seed)
    videos = run.regions["video"].to_numpy()
    first: list[Question] = []
    for concept, own in examples.items():
        others = [region for name, regions in examples.items() if name != concept for region in regions]
        first += [_intruder(concept, own, others, videos, rng) for _ in range(per_concept)]
    named = {concept: rng.permutation(own).tolist() for concept, own in examples.items()}
    first += [Question("naming", concept, tuple(own[:NUM_SHOWN])) for concept, own in named.items()]
    order = [first[i] for i in rng.permutation(len(first))]
    last = [
        _recognition(question.concept, place, named, rng)
        for place, question in enumerate(order)
        if question.kind == "naming"
    ]
    questions = (*order, *(last[i] for i in rng.permutation(len(last))))
    return Quiz(_digest(examples, seed, per_concept), seed, per_concept, questions)


def _intruder(
    concept: int, own: Sequence[int], others: Sequence[int], videos: np.ndarray, rng: np.random.Generator
) -> Question:
    shown = rng.permutation(own)[:NUM_SHOWN].tolist()
    elsewhere = [region for region in others if videos[region] not in set(videos[shown])]
    intruder = int(rng.choice(elsewhere or list(others)))
    place = int(rng.integers(NUM_SHOWN + 1))
    return Question("intruder", concept, (*shown[:place], intruder, *shown[place:]), place)


def _recognition(
    concept: int, naming: int, named: dict[int, list[int]], rng: np.random.Generator
) -> Question:
    """One clip that the naming question did not show, among clips of other concepts."""
    others = [name for name in named if name != concept]
    chosen = rng.permutation(others)[: NUM_CHOICES - 1].tolist()
    regions = [int(rng.choice(named[name])) for name in chosen]
    place = int(rng.integers(len(regions) + 1))
    regions.insert(place, named[concept][NUM_SHOWN])
    return Question("recognition", concept, tuple(regions), place, naming)


def _digest(examples: dict[int, list[int]], seed: int, per_concept: int) -> str:
    text = json.dumps([sorted(examples.items()), seed, per_concept])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
