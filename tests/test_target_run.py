"""Runs that explain a function of the output."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fast_run import fast_options, files_of
from typer.testing import CliRunner

from ace3d_fast.cli.app import app
from ace3d_fast.config import Execution
from ace3d_fast.describer import Describer
from ace3d_fast.errors import InputError
from ace3d_fast.new_video.learned import LearnedConcepts
from ace3d_fast.pipeline import prepare, run_pipeline
from ace3d_fast.shelf import Shelf
from ace3d_fast.work import Recipe

MARGIN = "def margin(logits):\n    return logits[:, 0] - logits[:, 1:].amax(1)\n"


def margin(logits):
    return logits[:, 0] - logits[:, 1:].amax(1)


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    path = tmp_path_factory.mktemp("mine") / "mine.py"
    path.write_text(MARGIN)
    return path


def with_target(planted, videos, target):
    return replace(fast_options(videos, planted.weights_path), target=target)


@pytest.fixture(scope="module")
def target_run(planted, few_videos, mine):
    options = with_target(planted, few_videos, f"{mine}:margin")
    return run_pipeline(options, mine.parent / "run")


def test_the_margin_as_a_target_has_the_effects_of_the_class(planted, few_videos, target_run, tmp_path):
    run = run_pipeline(fast_options(few_videos, planted.weights_path), tmp_path / "run")
    effects, own = (each.concepts.set_index("concept")["region_effect"] for each in (target_run, run))
    assert own.notna().sum() >= 2
    np.testing.assert_allclose(effects.reindex(own.index), own, rtol=1e-4, atol=1e-5)
    assert target_run.summary["class_names"] == ["red_checker", "otherwise"]
    assert target_run.summary["accuracy"] == run.summary["accuracy"]


def test_the_report_names_the_target(target_run):
    page = (target_run.path / "report.html").read_text()
    assert "mine.py:margin is positive for" in page


def test_a_new_video_gets_the_target_of_the_run(target_run):
    learned = LearnedConcepts.of(target_run)
    assert learned.network().target.function.__name__ == "margin"
    with pytest.raises(InputError, match="target to be that of the run, got other code"):
        replace(learned, target_digest="another").network()


def test_workers_load_the_target(planted, few_videos, mine, target_run, tmp_path):
    options = with_target(planted, few_videos, f"{mine}:margin")
    run_pipeline(options, tmp_path / "run", execution=Execution(workers=2))
    assert files_of(tmp_path / "run") == files_of(target_run.path)


def test_workers_get_a_function_in_memory_that_can_be_pickled(
    planted, few_videos, mine, target_run, tmp_path
):
    options = with_target(planted, few_videos, f"{mine}:margin")
    run_pipeline(options, tmp_path / "run", execution=Execution(workers=1), target=margin)
    found, expected = files_of(tmp_path / "run"), files_of(target_run.path)
    del found["summary.json"], expected["summary.json"]  # hold the targets' digests
    assert found == expected


@pytest.mark.parametrize(
    ("where", "name", "fact"),
    [
        ("test_target_run", "outer.<locals>.local", "which cannot be pickled"),
        ("__main__", "local", "of the script that was started"),
    ],
)
def test_a_function_that_no_worker_can_get_is_refused_in_one_line(
    planted, few_videos, tmp_path, monkeypatch, where, name, fact
):
    def local(logits):
        return logits[:, 0]

    local.__module__, local.__qualname__ = where, name
    monkeypatch.setattr(sys.modules["__main__"], "local", local, raising=False)
    options = with_target(planted, few_videos, "memory")
    with pytest.raises(InputError, match=f"target that workers can get, got {where}:{name}, {fact}"):
        run_pipeline(options, tmp_path / "run", execution=Execution(workers=1), target=local)
    assert not (tmp_path / "run").exists()


def test_a_worker_with_other_code_stops(planted, few_videos, mine):
    target = f"{mine}:margin"
    recipe = Recipe(
        with_target(planted, few_videos, target), {}, [], "", Shelf(Path()), None, None, None, "old"
    )
    with pytest.raises(InputError, match="target of a worker to be the same, got other code"):
        recipe.found_target()


def test_kept_work_is_of_one_target(planted, few_videos, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(MARGIN)

    def digest(function=None, target=f"{path}:margin"):
        options = with_target(planted, few_videos, target)
        ready = prepare(options, target=function)
        return Describer(options, ready.network, ready.classes).digest(ready.videos[0])

    first = digest()
    assert digest() == first
    path.write_text(f"{MARGIN}\n# the same of every output, by other code\n")
    changed = digest()
    in_memory = [digest(margin), digest(margin)]  # what it does is not known
    assert len({first, changed, digest(target=None), *in_memory}) == 5


def run_command(planted, videos, out, target, *more):
    arguments = ["run", videos, "--model", "planted:net", "--weights", planted.weights_path]
    arguments += ["--target-class", "red_checker", "--target", target, "--out", out, *more]
    return CliRunner().invoke(app, [str(each) for each in arguments], catch_exceptions=False)


@pytest.mark.parametrize(
    ("code", "fact"),
    [
        ("return y", r"torch.float32 (1, 6)"),
        ("return y[:, 0].tolist()", "a list"),
        ("return y.boxes", "AttributeError"),
    ],
)
def test_the_command_refuses_a_target_in_one_message(planted, few_videos, tmp_path, code, fact):
    (tmp_path / "bad.py").write_text(f"def score(y):\n    {code}\n")
    result = run_command(planted, few_videos, tmp_path / "run", f"{tmp_path / 'bad.py'}:score")
    assert result.exit_code != 0
    said = " ".join(result.output.replace("│", " ").split())
    assert "to give floating-point numbers (1,), one per clip" in said
    assert fact in said
    assert "Traceback" not in said
    assert not (tmp_path / "run").exists()


def test_the_command_passes_the_target_on(planted, few_videos, tmp_path):
    (tmp_path / "good.py").write_text(MARGIN)
    result = run_command(planted, few_videos, tmp_path / "run", f"{tmp_path / 'good.py'}:margin", "--dry-run")
    assert result.exit_code == 0, result.output
