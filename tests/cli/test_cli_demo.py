"""`demo` plants videos once, explains them, and says how much of the truth was found."""

import json

import numpy as np
import pytest
import torch
from sample_run import make_run
from typer.testing import CliRunner

import ace3d_fast.api
import ace3d_fast.models.planted
from ace3d_fast.cli.app import app
from ace3d_fast.models.planted import PlantedDemo
from ace3d_fast.types import SegmentedClip
from ace3d_fast.video.decode import read_clips
from ace3d_fast.video.inputs import list_videos
from ace3d_fast.video.planted import SAMPLING, read_truth, write_planted_videos


@pytest.fixture
def planted(monkeypatch):
    """Seeds that were planted; each gets two videos per class and no training."""
    seeds = []

    def write_planted_demo(folder, *, seed, videos_per_class, progress):
        seeds.append(seed)
        videos = write_planted_videos(folder, videos_per_class=2, seed=seed)
        (folder / "planted_net.safetensors").write_bytes(b"")
        return PlantedDemo(videos, folder / "planted_net.safetensors", 0.995)

    def explain(videos, *, target_class, out, **_options):
        """Concept 4 of the run is the truth; the others are what is around it."""
        clips = []
        for video in list_videos([videos]):
            if video.label == target_class:
                masks, causal = read_truth(video.path)
                (clip,) = read_clips(video, SAMPLING)
                labels = np.where(masks[causal].any(axis=0), 0, 1 + (np.arange(64) > 31))[None]
                clips.append(SegmentedClip(clip, torch.from_numpy(labels.astype(np.int32)), 3))
        return make_run(out, target_class=target_class, clips=clips)

    monkeypatch.setattr(ace3d_fast.models.planted, "write_planted_demo", write_planted_demo)
    monkeypatch.setattr(ace3d_fast.api, "explain", explain)
    return seeds


def invoke(*arguments):
    return CliRunner().invoke(app, ["demo", *map(str, arguments)], catch_exceptions=False)


def test_the_planted_truth_is_compared_with_what_was_accepted(planted, tmp_path):
    out = tmp_path / "demo"
    lines = invoke("--out", out, "--seed", 5).stdout.splitlines()
    assert lines[0].endswith("classifies 100 % of new ones rightly.")
    assert lines[-1] == (
        "planted cause: it makes up 100 % of Concept 4, and at most 0 % of a concept not accepted"
    )
    assert lines[-2] == f"report: {out / 'run' / 'report.html'}"
    assert json.loads((out / "demo.json").read_text()) == {"seed": 5, "accuracy": 0.995}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [(("--target-class", "tennis"), "one of red_checker"), (("--seed", "-1"), "expected seed at least 0")],
)
def test_what_cannot_be_planted_is_refused_before_anything_is_written(planted, tmp_path, wrong, told):
    result = invoke("--out", tmp_path / "demo", *wrong)
    assert result.exit_code == 2
    assert told in result.output
    assert planted == []
    assert list(tmp_path.iterdir()) == []


def test_a_demo_of_this_seed_is_not_planted_again(planted, tmp_path):
    out = tmp_path / "demo"
    assert invoke("--out", out).exit_code == 0
    (out / "run").rename(tmp_path / "first")
    assert invoke("--out", out, "--target-class", "flicker").exit_code == 0
    assert planted == [0]
    result = invoke("--out", out, "--seed", 1)
    assert result.exit_code == 2
    assert planted == [0]


def test_another_folder_is_left_alone(planted, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    result = invoke("--out", tmp_path)
    assert result.exit_code == 2
    assert "expected out a new folder, or a demo of this seed" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert planted == []


def test_a_failure_leaves_nothing(monkeypatch, tmp_path):
    def fail(folder, **_options):
        (folder / "videos").mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(ace3d_fast.models.planted, "write_planted_demo", fail)
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "demo")])
    assert result.exit_code != 0
    assert list(tmp_path.iterdir()) == []
