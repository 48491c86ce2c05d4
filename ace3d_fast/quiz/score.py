"""The answers of a study, against chance."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.stats import binomtest

from ace3d_fast.errors import InputError, expected, first_line
from ace3d_fast.quiz.questions import WHERE, Question, Quiz, make_quiz
from ace3d_fast.store import RunFolder

COLUMNS = ["kind", "concept", "num_answers", "num_right", "accuracy", "low", "high", "chance", "p_value"]
NAME_COLUMNS = ["concept", "name", "num_people", "share"]


@dataclass(frozen=True)
class QuizScores:
    """What people said.

    Attributes
    ----------
    scores : DataFrame
        A row per kind of question over all concepts (``concept`` -1), then one per kind and concept, columns
        ``COLUMNS``: ``low`` and ``high`` are Wilson's 95 % interval of the accuracy, ``p_value`` that of an
        exact binomial test against ``chance``, one-sided.
    names : DataFrame
        For each concept the most common name, columns ``NAME_COLUMNS``; ``share`` of those who named it.
    num_people, num_skipped : int
    """

    scores: pd.DataFrame
    names: pd.DataFrame
    num_people: int
    num_skipped: int


def score_answers(run: RunFolder | str | Path, files: Sequence[str | Path]) -> QuizScores:
    """Score the files that the study's page saved, one for each person.

    A question that was passed over counts neither as right nor as wrong; how many were is told.

    Parameters
    ----------
    run : RunFolder or path
        The run the study was made from.
    files : sequence of path

    Raises
    ------
    InputError
        A file that is no such file, or belongs to another run.
    """
    run = run if isinstance(run, RunFolder) else RunFolder.open(run)
    if not files:
        raise InputError(
            expected(WHERE, "answers", "in at least one file", "none", "give --score answers.json")
        )
    once = Counter(Path(file).resolve() for file in files)
    for path, times in once.items():
        if times > 1:
            fact, todo = f"{path.name} {times} times", "give one file for each person"
            raise InputError(expected(WHERE, "answers", "each file once", fact, todo))
    answered: list[tuple[Question, bool]] = []
    names: dict[int, list[str]] = {}
    num_skipped = 0
    for file in map(Path, files):
        quiz, answers = _read(run, file)
        for row in answers:
            question = quiz.questions[row["question"]]
            if row.get("skipped"):
                num_skipped += 1
            elif question.kind == "naming":
                names.setdefault(question.concept, []).append(_plain(str(row["name"])))
            else:
                answered.append((question, row["choice"] == question.answer))
    rows = []
    for kind in ("intruder", "recognition"):
        mine = [entry for entry in answered if entry[0].kind == kind]
        concepts = sorted({question.concept for question, _ in mine})
        groups = {-1: mine, **{c: [entry for entry in mine if entry[0].concept == c] for c in concepts}}
        rows += [_score(kind, concept, group) for concept, group in groups.items() if group]
    rows.sort(key=lambda row: (row["concept"] >= 0, row["kind"], row["concept"]))
    return QuizScores(pd.DataFrame(rows, columns=COLUMNS), _common_names(names), len(files), num_skipped)


def _score(kind: str, concept: int, group: Sequence[tuple[Question, bool]]) -> dict[str, Any]:
    number, right = len(group), sum(is_right for _, is_right in group)
    chance = sum(question.chance for question, _ in group) / number
    test = binomtest(right, number, chance, alternative="greater")
    interval = binomtest(right, number, chance).proportion_ci(0.95, method="wilson")
    figures = (kind, concept, number, right, right / number, interval.low, interval.high, chance, test.pvalue)
    return dict(zip(COLUMNS, figures, strict=True))


def _common_names(names: Mapping[int, Sequence[str]]) -> pd.DataFrame:
    rows = []
    for concept, given in sorted(names.items()):
        name, count = sorted(Counter(given).items(), key=lambda item: (-item[1], item[0]))[0]
        rows.append((concept, name, len(given), count / len(given)))
    return pd.DataFrame(rows, columns=NAME_COLUMNS)


def _plain(name: str) -> str:
    """A name without case, punctuation and articles, so that like names are equal."""
    words = "".join(c if c.isalnum() else " " for c in name.lower()).split()
    return " ".join(word for word in words if word not in ("a", "an", "the")) or name.strip().lower()


def _read(run: RunFolder, file: Path) -> tuple[Quiz, list[dict[str, Any]]]:
    """The quiz that a file answers, and its answers, checked."""
    todo = "give the file that the study's page saved"
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or first_line(error)
        raise InputError(expected(WHERE, str(file), "to be a file of answers", reason, todo)) from error
    about = value.get("quiz") if isinstance(value, dict) else None
    answers = value.get("answers") if isinstance(value, dict) else None
    numbers = [about.get(name) for name in ("seed", "per_concept")] if isinstance(about, dict) else [None]
    if not isinstance(answers, list) or not all(type(number) is int for number in numbers):
        raise InputError(expected(WHERE, str(file), "to be a file of answers", "other JSON", todo))
    assert isinstance(about, dict)
    quiz = make_quiz(run, seed=about["seed"], per_concept=about["per_concept"])
    if quiz.id != about.get("id"):
        fact = f"those of another run than {run.path}"
        raise InputError(
            expected(WHERE, str(file), "to hold answers to this study", fact, "give its own run")
        )
    for number, row in enumerate(answers):
        if not _is_answer(row, quiz):
            raise InputError(expected(WHERE, f"answer {number} of {file}", "to fit its question", row, todo))
    places = [row["question"] for row in answers]
    if len(set(places)) < len(places):
        raise InputError(expected(WHERE, str(file), "to answer each question once", "one twice", todo))
    return quiz, answers


def _is_answer(row: Any, quiz: Quiz) -> bool:
    if not isinstance(row, dict) or type(row.get("question")) is not int:
        return False
    if not 0 <= row["question"] < len(quiz.questions):
        return False
    question = quiz.questions[row["question"]]
    if row.get("skipped") is True:
        return True
    if question.kind == "naming":
        return isinstance(row.get("name"), str) and bool(row["name"].strip())
    return type(row.get("choice")) is int and 0 <= row["choice"] < len(question.regions)
