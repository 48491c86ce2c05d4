"""`bench` prints both times, their ratio, and what was checked."""

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import ace3d_fast.comparison
from ace3d_fast.cli.app import app
from ace3d_fast.comparison import Comparison
from ace3d_fast.video.inputs import list_videos


@pytest.fixture
def calls(monkeypatch):
    found = []

    def compare_backends(videos, **options):
        found.append({"videos": list_videos(videos), **options})
        rows = [("segment", 2.0, 50.0, 25.0), ("patch", 0.0, 30.0, None), ("total", 4.0, 100.0, 25.0)]
        columns = ["stage", "native_seconds", "reference_seconds", "ratio"]
        checks = {"label_agreement": 0.9991, "feature_error": 2e-7}
        return Comparison(pd.DataFrame(rows, columns=columns), checks, len(found[-1]["videos"]))

    monkeypatch.setattr(ace3d_fast.comparison, "compare_backends", compare_backends)
    return found


def invoke(*arguments):
    return CliRunner().invoke(app, ["bench", *map(str, arguments)], catch_exceptions=False)


def test_the_table_holds_seconds_and_ratios(calls):
    result = invoke()
    assert result.exit_code == 0
    rows = [line.split("│") for line in result.stdout.splitlines() if "│" in line]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["segment", "2.00 s", "50.00 s", "25.0"],
        ["patch", "\N{EN DASH}", "30.00 s", "\N{EN DASH}"],
        ["total", "4.00 s", "100.00 s", "25.0"],
    ]
    assert "agreement of both backends: 99.91 % of labels, features within 2.0e-07" in result.stdout


def test_without_videos_planted_ones_are_timed_and_then_removed(calls):
    assert invoke("--seed", 3).exit_code == 0
    (call,) = calls
    assert len(call["videos"]) == 18
    assert {video.label for video in call["videos"]} >= {call["target_class"]} == {"red_checker"}
    assert (call["model"], call["reference_preset"], call["max_videos"]) == ("planted:net", "stce", None)
    assert not any(video.path.exists() for video in call["videos"])


def test_options_reach_the_library(calls, tmp_path):
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "x.mp4").touch()
    options = (
        "--model n.py:n --target-class a --max-videos 3 --reference-preset calibrated --clip-fps 2.5 --std .2"
    )
    assert invoke(tmp_path, *options.split()).exit_code == 0
    (call,) = calls
    assert [video.path for video in call["videos"]] == [tmp_path / "a" / "x.mp4", tmp_path / "b" / "x.mp4"]
    assert (call["model"], call["target_class"], call["max_videos"]) == ("n.py:n", "a", 3)
    assert (call["reference_preset"], call["clip_fps"], call["std"]) == ("calibrated", 2.5, (0.2,))


def test_the_figures_go_to_a_file_too(calls, tmp_path):
    file = tmp_path / "bench.json"
    assert invoke("--json", file).stdout.splitlines()[-1] == str(file)
    figures = json.loads(file.read_text())
    assert figures["stages"][-1] == {
        "stage": "total",
        "native_seconds": 4.0,
        "reference_seconds": 100.0,
        "ratio": 25.0,
    }
    assert list(tmp_path.iterdir()) == [Path(file)]


def test_a_file_that_cannot_be_written_is_told_before_anything_is_timed(calls, tmp_path):
    result = invoke("--json", tmp_path / "none" / "bench.json")
    assert result.exit_code == 2
    assert "bench: expected json a file in a folder that is there" in result.stderr
    assert calls == []
