"""``ace3d-fast quiz``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ace3d_fast.words import percent

if TYPE_CHECKING:
    from rich.table import Table

    from ace3d_fast.quiz import QuizScores


def quiz(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that [b]run[/b] wrote.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="The page. Default: quiz.html in DIR.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Other seed, other questions.")] = 0,
    questions: Annotated[int, typer.Option(metavar="N", help="Intruder questions for each concept.")] = 3,
    score: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Score these answers instead; may be given again, once a person."),
    ] = None,
) -> None:
    """Ask people whether they see the concepts: write a study, or score its answers.

    Example: ace3d-fast quiz runs/tennis --score ann.json --score bob.json
    """
    from ace3d_fast.cli.console import output, say
    from ace3d_fast.quiz import score_answers, write_quiz

    console = output()
    if not score:
        path = write_quiz(folder, out, seed=seed, per_concept=questions)
        console.print(str(path), soft_wrap=True, markup=False)
        return
    found = score_answers(folder, score)
    people = f"{found.num_people} " + ("person" if found.num_people == 1 else "people")
    console.print(f"{people}; {found.num_skipped} questions passed over")
    console.print(_table(found))
    for row in found.names.to_dict("records"):
        text = f"Concept {row['concept']}: “{row['name']}” ({percent(row['share'])} of {row['num_people']})"
        say(console, text)


def _table(found: QuizScores) -> Table:
    from ace3d_fast.cli.console import new_table
    from ace3d_fast.report.facts import concept_name, rows_of
    from ace3d_fast.words import decimal, probability

    table = new_table()
    for name in ("question", "of", "right", "accuracy", "95 %", "chance", "p"):
        table.add_column(name, justify="left" if name in ("question", "of") else "right")
    for row in rows_of(found.scores):
        table.add_row(
            row["kind"],
            "all" if row["concept"] < 0 else concept_name(row["concept"]),
            f"{row['num_right']} of {row['num_answers']}",
            decimal(row["accuracy"]),
            f"{decimal(row['low'])} to {decimal(row['high'])}",
            decimal(row["chance"]),
            probability(row["p_value"]),
            style="bold" if row["concept"] < 0 else None,
        )
    return table
