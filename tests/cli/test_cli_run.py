"""`run` passes its options on, prints what was found, and turns library errors into one line."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sample_run import make_run
from typer.testing import CliRunner

import ace3d_fast.api
from ace3d_fast.cli.app import app
from ace3d_fast.errors import InputError
from ace3d_fast.video.write import write_video

REQUIRED = ["run", "videos", "--model", "net.py:net", "--target-class", "waving", "--out", "out"]


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """What `explain` is called with; it answers with a small run."""
    found = []

    def explain(videos, **options):
        found.append({"videos": videos, **options})
        return make_run(tmp_path / "run")

    monkeypatch.setattr(ace3d_fast.api, "explain", explain)
    return found


def invoke(*arguments):
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_every_option_reaches_the_library(calls):
    options = (
        "--layer blocks.4 --weights w.pt --labels l.txt --device cuda --precision bfloat16 "
        "--seed 3 --clip-frames 4 "
        "--clip-fps 2.5 --resize 182 --size 160 --max-frame-pixels 99 --max-hours 2 "
        "--mean 0.45 --std 0.2,0.3,0.4 --preset stce "
        "--backend reference --features pooled --num-regions 15,50 --num-clusters 7 "
        "--forwards-per-concept 12 --clusters nmf --vocabulary shared --quality high --regions grid:2x4x4 "
        "--controls --follow-links --engine ray --workers 3 --work-dir kept --target t.py:f"
    )
    result = invoke(*REQUIRED, *options.split())
    assert result.exit_code == 0
    (call,) = calls
    del call["progress"]
    assert call == {
        "videos": [Path("videos")],
        "model": "net.py:net",
        "target_class": "waving",
        "out": Path("out"),
        "layer": "blocks.4",
        "weights": Path("w.pt"),
        "labels": Path("l.txt"),
        "target": "t.py:f",
        "device": "cuda",
        "precision": "bfloat16",
        "seed": 3,
        "clip_frames": 4,
        "clip_fps": 2.5,
        "resize": 182,
        "size": 160,
        "max_frame_pixels": 99,
        "max_hours": 2.0,
        "mean": (0.45,),
        "std": (0.2, 0.3, 0.4),
        "preset": "stce",
        "backend": "reference",
        "features": "pooled",
        "num_regions": (15, 50),
        "num_clusters": 7,
        "forwards_per_concept": 12,
        "clusters": "nmf",
        "vocabulary": "shared",
        "quality": "high",
        "regions": "grid:2x4x4",
        "controls": True,
        "follow_links": True,
        "engine": "ray",
        "workers": 3,
        "work_dir": "kept",
    }


def test_what_is_not_given_is_left_to_the_library(calls):
    invoke(*REQUIRED)
    given = {name for name, value in calls[0].items() if value is not None}
    always = {"videos", "model", "target_class", "out", "device", "precision", "seed", "preset", "backend"}
    always |= {"controls", "follow_links", "progress", "engine"}
    assert given == always


def test_the_end_shows_each_concept_with_its_reason_and_the_report(calls):
    result = invoke(*REQUIRED)
    lines = result.stdout.splitlines()
    assert "88 % of 12 clips of waving" in lines[0]
    assert "1 of 2 tested concepts accepted at q ≤ 0.05." in lines[0]
    (accepted,) = [line for line in lines if "Concept 4" in line]
    assert [cell.strip() for cell in accepted.split("│")] == [
        "Concept 4",
        "accepted",
        "+2.00",
        "0.82",
        "0.031",
        "96 %",
        "6",
    ]
    assert "Concept 1: held by 2 of 6 videos, at least 3 are needed" in lines
    assert any(line.startswith("warning: clips share nearly one gradient") for line in lines)
    assert "skipped: archery/broken.mp4: no video stream" in lines
    assert lines[-1].endswith("run/report.html")


def test_brackets_in_names_are_no_markup(monkeypatch, tmp_path):
    run = make_run(tmp_path / "run", target_class="[bold]x[/bold]")
    monkeypatch.setattr(ace3d_fast.api, "explain", lambda *_, **__: run)
    assert "12 clips of [bold]x[/bold] (6 videos)" in invoke(*REQUIRED).stdout


def test_an_error_of_the_library_is_one_line_and_exit_code_2(monkeypatch):
    def explain(*_arguments, **_options):
        raise InputError("run: expected layer to exist, got 'blok'; nearest: blocks.4")

    monkeypatch.setattr(ace3d_fast.api, "explain", explain)
    result = invoke(*REQUIRED)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == "ace3d-fast: run: expected layer to exist, got 'blok'; nearest: blocks.4\n"


def test_a_list_that_is_none_is_a_usage_error(calls):
    result = invoke(*REQUIRED, "--num-regions", "15;50")
    assert result.exit_code == 2
    assert "expected --num-regions a list of whole numbers like 15,50,80, got " in result.stderr
    assert calls == []


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A network, an empty folder, and three videos of each of two classes."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "empty").mkdir()
    (folder / "net.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.conv = torch.nn.Conv3d(3, 4, 3, 2, 1)\n"
        "        self.head = torch.nn.Linear(4, 2)\n"
        "    def forward(self, x):\n"
        "        return self.head(self.conv(x).relu().mean((2, 3, 4)))\n"
        "def net():\n"
        "    return Net()\n"
        "def word():\n"
        "    return 'net'\n"
    )
    rng = np.random.default_rng(0)
    for label in ("a", "b"):
        for name in ("one", "two", "three"):
            frames = rng.integers(0, 256, (8, 32, 32, 3), np.uint8)
            write_video(folder / "videos" / label / f"{name}.mp4", frames, 8)
    return folder


def command(**changes):
    values = {"videos": "videos", "model": "net.py:net", "layer": "conv", "target_class": "a"}
    values |= {"clip_frames": "8", "clip_fps": "8", "resize": "32", "size": "32", "out": "out"} | changes
    videos = values.pop("videos")
    options = [word for name, value in values.items() for word in (f"--{name.replace('_', '-')}", value)]
    return ["run", videos, *options]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"videos": "nowhere"}, "nowhere"),
        ({"videos": "empty"}, "empty"),
        ({"target_class": "c"}, "'c'"),
        ({"layer": "convv"}, "nearest: conv"),
        ({"model": "net.py:nett"}, "nearest: net"),
        ({"model": "net.py:word"}, "to return a torch.nn.Module, got an object of type str"),
        ({"weights": "net.py"}, "weights"),
        ({"device": "cuda:77"}, "cuda:77"),
        ({"videos": "videos/a"}, "only 'a'"),
        ({"out": "net.py"}, "the file net.py"),
        ({"std": "nan"}, "normalization: expected std finite and at least 1e-06, got nan"),
        ({"std": "0.2,0,0.2"}, "expected std finite and at least 1e-06, got 0.2,0,0.2"),
        ({"std": "1e-300"}, "expected std finite and at least 1e-06, got 1e-300"),
        ({"mean": "inf"}, "normalization: expected mean finite, got inf"),
        ({"work_dir": "net.py"}, "run: expected work_dir a folder or a URL, got the file net.py"),
    ],
)
def test_bad_input_ends_in_one_line_and_leaves_nothing(workplace, monkeypatch, changes, message):
    monkeypatch.chdir(workplace)
    before = sorted(workplace.iterdir())
    result = invoke(*command(**changes))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr
    assert [path for path in sorted(workplace.iterdir()) if path.name != "__pycache__"] == before


def test_the_program_itself_ends_with_code_2_and_no_traceback(workplace):
    code = "from ace3d_fast.cli import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", code, *command(layer="convv")],
        cwd=workplace,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("ace3d-fast: ")
    assert line.endswith("nearest: conv, head")
