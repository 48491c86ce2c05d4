"""The study of a run, answered in a real browser, and the scorer of its answers."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from browser import DESK, PHONE, fits_the_width, opened, serious_faults
from sample_run import make_run
from scipy.stats import binom
from typer.testing import CliRunner

from ace3d_fast.cli.app import app
from ace3d_fast.errors import InputError
from ace3d_fast.quiz import score_answers, write_quiz
from ace3d_fast.quiz.questions import make_quiz
from ace3d_fast.store import RunFolder

ASKED = {4, 0, 2}  # the sample's concepts that were not rejected


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The sample run, its regions spread over its concepts, so that every concept has examples of its own."""
    return make_run(tmp_path_factory.mktemp("quiz") / "run")


@pytest.fixture(scope="module")
def quiz(run):
    return make_quiz(run)


def test_every_concept_is_asked_about(quiz):
    kinds = Counter((question.kind, question.concept) for question in quiz.questions)
    assert kinds == {
        **{("intruder", concept): 3 for concept in ASKED},
        **{("naming", concept): 1 for concept in ASKED},
        **{("recognition", concept): 1 for concept in ASKED},
    }


def test_the_intruder_alone_is_of_another_concept(run, quiz):
    examples = {row.concept: set(row.example_regions) for row in run.concepts.itertuples()}
    for question in quiz.questions:
        own = [region in examples[question.concept] for region in question.regions]
        if question.kind == "intruder":
            assert len(own) == len(set(question.regions)) == 5
            assert [i for i, mine in enumerate(own) if not mine] == [question.answer]
        elif question.kind == "naming":
            assert all(own)
        else:
            assert [i for i, mine in enumerate(own) if mine] == [question.answer]
            named = quiz.questions[question.naming]
            assert (named.kind, named.concept) == ("naming", question.concept)
            assert not set(named.regions) & {question.regions[question.answer]}


def test_names_are_given_before_they_are_recognised(quiz):
    for place, question in enumerate(quiz.questions):
        assert question.naming < place


def test_right_answers_stand_anywhere(run):
    places = Counter(
        question.answer
        for seed in range(30)
        for question in make_quiz(run, seed=seed).questions
        if question.kind == "intruder"
    )
    # 270 draws of five: each within five standard deviations of 54
    assert all(abs(places[place] - 54) < 33 for place in range(5))


def test_a_seed_decides(run, quiz):
    assert make_quiz(run) == quiz
    assert make_quiz(run, seed=1) != quiz
    assert make_quiz(run, seed=1).id != quiz.id


def test_the_page_holds_no_key(run, quiz, tmp_path):
    text = write_quiz(run, tmp_path / "quiz.html").read_text()
    start = text.index('id="quiz">') + len('id="quiz">')
    data = json.loads(text[start : text.index("</script>", start)].replace("\\u003c", "<"))
    assert set(data) == {"id", "seed", "per_concept", "clips", "questions"}
    assert all(set(question) == {"kind", "clips", "naming"} for question in data["questions"])
    # A clip's number does not tell its place in the run's table, where neighbours share a concept.
    pairs = zip(quiz.questions, data["questions"], strict=True)
    region = {clip: r for q, shown in pairs for r, clip in zip(q.regions, shown["clips"], strict=True)}
    order = [region[clip] for clip in sorted(region)]
    assert sum(a < b for a, b in pairwise(order)) < 0.8 * len(order)


def answers_of(quiz, right: float, seed=0, name="red disc"):
    """Answers of somebody who is right with a probability."""
    rng = np.random.default_rng(seed)
    rows = []
    for place, question in enumerate(quiz.questions):
        if question.kind == "naming":
            rows.append({"question": place, "name": name})
            continue
        wrong = (question.answer + 1) % len(question.regions)
        rows.append({"question": place, "choice": question.answer if rng.random() < right else wrong})
    about = {"id": quiz.id, "seed": quiz.seed, "per_concept": quiz.per_concept}
    return {"quiz": about, "answers": rows}


def saved(path, value):
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_answers_are_scored_against_chance(run, quiz, tmp_path):
    files = [
        saved(tmp_path / f"{n}.json", answers_of(quiz, 1.0, name=f"The {n} disc.")) for n in ("Red", "red")
    ]
    files.append(saved(tmp_path / "c.json", answers_of(quiz, 0.0, name="a ramp")))
    found = score_answers(run, files)
    rows = found.scores.set_index(["kind", "concept"])
    intruder = rows.loc[("intruder", -1)]
    assert (intruder["num_right"], intruder["num_answers"]) == (18, 27)
    assert intruder["chance"] == pytest.approx(0.2)
    # Wilson's interval of 18 of 27, by its formula
    z, n, p = 1.959963984540054, 27, 18 / 27
    middle, half = (p + z * z / 2 / n), z * np.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    ends = [(middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)]
    np.testing.assert_allclose([intruder["low"], intruder["high"]], ends)
    assert intruder["p_value"] == pytest.approx(binom.sf(17, 27, 0.2))
    assert rows.loc[("recognition", -1), "chance"] == pytest.approx(1 / 3)
    assert rows.loc[("intruder", 4), "num_answers"] == 9
    assert found.num_people == 3
    assert found.names["name"].tolist() == ["red disc"] * 3
    assert found.names["share"].tolist() == pytest.approx([2 / 3] * 3)


def test_guessing_is_not_beyond_chance(run, quiz, tmp_path):
    rng = np.random.default_rng(1)
    value = answers_of(quiz, 0)
    for row in value["answers"]:
        if "choice" in row:
            row["choice"] = int(rng.integers(len(quiz.questions[row["question"]].regions)))
    scores = score_answers(run, [saved(tmp_path / "a.json", value)]).scores
    assert scores["p_value"].min() > 0.01


def test_what_was_passed_over_is_counted_apart(run, quiz, tmp_path):
    value = answers_of(quiz, 1.0)
    value["answers"] = [
        {"question": 0, "skipped": True},
        *(row for row in value["answers"][1:] if "choice" in row),
    ]
    found = score_answers(run, [saved(tmp_path / "a.json", value)])
    assert found.num_skipped == 1
    assert (found.scores["accuracy"] == 1).all()
    assert found.names.empty


MISTAKES = {
    "no JSON": ("answers", "to be a file of answers, got Expecting value"),
    "other JSON": ("[1, 2]", "to be a file of answers, got other JSON"),
    "another run": ({"quiz": {"id": "x", "seed": 0, "per_concept": 3}, "answers": []}, "of another run than"),
    "a strange place": ([{"question": 99, "choice": 0}], "answer 0 of"),
    "a strange choice": ([{"question": 0, "choice": 9}], "answer 0 of"),
    "twice": ([{"question": 0, "skipped": True}] * 2, "each question once"),
    "many": ({"quiz": {"id": "x", "seed": 0, "per_concept": 10**9}, "answers": []}, "between 1 and 50"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_file_that_is_no_answer_is_one_line(run, quiz, tmp_path, name):
    value, message = MISTAKES[name]
    if isinstance(value, list):
        value = {**answers_of(quiz, 1.0), "answers": value}
    with pytest.raises(InputError) as caught:
        score_answers(run, [saved(tmp_path / "a.json", value)])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_given_twice_is_not_two_people(run, quiz, tmp_path):
    path = saved(tmp_path / "a.json", answers_of(quiz, 1.0))
    with pytest.raises(InputError, match=r"expected answers each file once, got a\.json 2 times"):
        score_answers(run, [path, tmp_path / "." / "a.json"])


def test_a_file_that_is_not_there_is_told_without_a_number(run, tmp_path):
    with pytest.raises(
        InputError, match=r"none\.json to be a file of answers, got No such file or directory;"
    ):
        score_answers(run, [tmp_path / "none.json"])


def test_a_run_of_one_concept_has_no_intruders(run, tmp_path):
    few = make_run(tmp_path / "few")
    few.write_table("concepts", few.concepts[:1])
    with pytest.raises(InputError, match=r"at least two, got 1; explain more videos"):
        write_quiz(RunFolder.open(few.path))


def test_a_study_in_a_browser_gives_the_answers_that_are_scored(browser, run, quiz, tmp_path):
    path = write_quiz(run, tmp_path / "quiz.html")
    with opened(browser, path) as page:
        page.click("#begin")
        for place, question in enumerate(quiz.questions):
            assert page.text_content("#progress") == f"Question {place + 1} of {len(quiz.questions)}"
            if place == 4:  # the page is closed and opened again: answers last
                page.reload()
                assert page.text_content("#begin") == "Go on"
                page.click("#begin")
            page.keyboard.press("Control+1")  # the browser's, no answer
            assert page.text_content("#progress").startswith(f"Question {place + 1} of")
            if question.kind == "naming":
                assert page.input_value("#name") == ""  # the digit before was an answer
                page.fill("#name", f"<b>name {question.concept}</b>")
                page.keyboard.press("Enter")
            else:
                if question.kind == "recognition":
                    assert f"<b>name {question.concept}</b>" in page.text_content("#asked")
                assert page.locator("#clips img").count() == len(question.regions)
                page.keyboard.press(str(question.answer + 1))
        with page.expect_download() as download:
            page.click("#save")
        download.value.save_as(tmp_path / "answers.json")
    found = score_answers(run, [tmp_path / "answers.json"])
    assert (found.scores["accuracy"] == 1).all()
    assert found.scores["num_answers"].tolist()[:2] == [9, 3]
    assert found.names["name"].tolist() == [f"b name {c} b" for c in sorted(ASKED)]


@pytest.mark.parametrize(("size", "scheme"), [(DESK, "dark"), (PHONE, "light")])
def test_the_study_fits_the_screen(browser, run, tmp_path, size, scheme):
    with opened(browser, write_quiz(run, tmp_path / "quiz.html"), size=size, scheme=scheme) as page:
        page.click("#begin")
        assert fits_the_width(page)
        assert serious_faults(page) == []
        page.click("#skip")
        assert page.text_content("#progress").startswith("Question 2")


def test_answers_are_not_deleted_unasked(browser, run, tmp_path):
    with opened(browser, write_quiz(run, tmp_path / "quiz.html")) as page:
        page.click("#begin")
        while page.is_visible("#skip"):
            page.click("#skip")
        page.click("#again")  # Playwright dismisses what the page asks
        assert page.is_visible("#end")
        page.once("dialog", lambda dialog: dialog.accept())
        page.click("#again")
        assert page.text_content("#progress").startswith("Question 1 of")


def test_the_command_writes_and_scores(run, quiz, tmp_path):
    made = CliRunner().invoke(app, ["quiz", str(run.path), "--out", str(tmp_path / "q.html")])
    assert made.exit_code == 0
    assert (tmp_path / "q.html").is_file()
    answers = saved(tmp_path / "a.json", answers_of(quiz, 1.0))
    scored = CliRunner().invoke(app, ["quiz", str(run.path), "--score", str(answers)])
    assert scored.exit_code == 0
    assert "9 of 9" in scored.output
    assert "Concept 4: “red disc” (100 % of 1)" in scored.output
    lost = CliRunner().invoke(app, ["quiz", str(run.path), "--out", str(tmp_path / "no" / "q.html")])
    assert lost.exit_code == 2
    assert "choose another --out" in lost.output
