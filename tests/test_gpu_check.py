"""`make gpu-check` as far as it goes without a GPU."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parent.parent / "tools" / "gpu_check.py"


@pytest.fixture
def tool(monkeypatch, tmp_path):
    spec = importlib.util.spec_from_file_location("gpu_check", TOOL)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "gpu_check", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setenv("OUT", str(tmp_path / "out"))
    return module


def python(code):
    return [sys.executable, "-c", code]


def test_without_a_gpu_it_says_so_in_one_line(tool, monkeypatch, capsys):
    monkeypatch.setattr(tool.torch.cuda, "is_available", lambda: False)
    assert tool.main() == 1
    said = capsys.readouterr().err
    assert said.startswith("gpu-check: expected a GPU, got none")
    assert said.count("\n") == 1


def test_every_step_is_written_as_it_ends_and_none_outlasts_its_limit(tool, tmp_path):
    check = tool.Check("Some GPU 9000")
    assert check.run("one", python("print(1)"), 60)
    assert not check.run("two", python("print('bad'); raise SystemExit(3)"), 60)
    assert not check.run("three", python("import time; print('begun', flush=True); time.sleep(60)"), 1)
    for folder in (tmp_path / "out", tmp_path / "benchmarks" / "results"):
        steps = json.loads((folder / "some_gpu_9000.json").read_text())["steps"]
        assert [step["passed"] for step in steps.values()] == [True, False, False]
        assert "bad" in steps["two"]["output"]
        assert "begun" in steps["three"]["output"]
        assert steps["three"]["seconds"] < 30


def test_a_step_that_is_ended_takes_what_it_started_with_it(tool, tmp_path):
    late = tmp_path / "late"
    child = f"import time; time.sleep(3); open({str(late)!r}, 'w')"
    parent = (
        f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
    )
    assert not tool.Check("gpu").run("slow", python(parent), 1)
    time.sleep(4)
    assert not late.exists()


def test_the_whole_output_of_a_step_is_kept(tool, tmp_path):
    tool.Check("gpu").run("long", python("print('first'); print('x' * 10**5); raise SystemExit(1)"), 60)
    assert (tmp_path / "out" / "long.log").read_text().startswith("first")


def test_no_step_begins_a_wait_that_passes_the_end(tool, monkeypatch):
    monkeypatch.setattr(tool, "LIMIT_SECONDS", 0.0)
    assert not tool.Check("gpu").run("late", python("import time; time.sleep(60)"), 60)


@pytest.mark.parametrize(
    ("counts", "passed"),
    [
        ('tests="5" failures="0" errors="0" skipped="0"', True),
        ('tests="5" failures="0" errors="0" skipped="1"', False),
        ('tests="5" failures="0" errors="1" skipped="0"', False),
        ('tests="0" failures="0" errors="0" skipped="0"', False),
    ],
)
def test_a_skipped_test_is_a_failure(tool, tmp_path, counts, passed):
    report = tmp_path / "tests.xml"
    report.write_text(f"<testsuites><testsuite {counts}/></testsuites>")
    assert tool._test_facts(report)["passed"] is passed
    assert tool._test_facts(tmp_path / "none.xml") == {"passed": False}
