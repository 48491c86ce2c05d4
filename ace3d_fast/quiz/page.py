"""The study as one HTML file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ace3d_fast.quiz.questions import WHERE, make_quiz
from ace3d_fast.report.cards import draw_examples
from ace3d_fast.report.shell import write_page
from ace3d_fast.store import RunFolder
from ace3d_fast.text_files import check_place

FOLDER = Path(__file__).parent
SIDE_PX = 192


def write_quiz(
    run: RunFolder | str | Path, out: str | Path | None = None, *, seed: int = 0, per_concept: int = 3
) -> Path:
    """Write the study of a run.

    The page holds no key: who scores makes the questions again from the run and the seed. Answers are saved
    to a file by the person who gives them; nothing is sent anywhere.

    Parameters
    ----------
    run : RunFolder or path
    out : str or Path, optional
        By default ``quiz.html`` in the run's folder.
    seed : int
    per_concept : int
        Intruder questions for each concept.

    Raises
    ------
    InputError
        The run has too few concepts, or ``out`` cannot be written.
    """
    run = run if isinstance(run, RunFolder) else RunFolder.open(run)
    path = run.path / "quiz.html" if out is None else Path(out)
    check_place(path, WHERE, "out")
    quiz = make_quiz(run, seed=seed, per_concept=per_concept)
    regions = sorted({region for question in quiz.questions for region in question.regions})
    clips = draw_examples(run, dict.fromkeys(regions, SIDE_PX))
    # In an order of their own: neighbours in the table are neighbours in the concept.
    shuffled = np.random.default_rng([quiz.seed, len(regions)]).permutation(regions).tolist()
    place = {region: i for i, region in enumerate(shuffled)}
    return write_page(
        path,
        FOLDER / "quiz.html",
        styles=[FOLDER / "quiz.css"],
        scripts=[FOLDER / "quiz.js"],
        data={
            "quiz": {
                "id": quiz.id,
                "seed": quiz.seed,
                "per_concept": quiz.per_concept,
                "clips": [clips[region].clip.uri for region in shuffled],
                "questions": [
                    {"kind": q.kind, "clips": [place[region] for region in q.regions], "naming": q.naming}
                    for q in quiz.questions
                ],
            }
        },
        num_questions=len(quiz.questions),
        target=run.summary["target_class"],
    )
