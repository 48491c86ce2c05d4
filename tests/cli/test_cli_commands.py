"""Help, versions, and the small commands."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from sample_run import make_run
from typer.testing import CliRunner

from ace3d_fast import __version__
from ace3d_fast.cli.app import app
from ace3d_fast.video.write import write_video

COMMANDS = ("run", "explain", "compare", "quiz", "segment", "layers", "report", "bench", "demo", "info")


def invoke(*arguments):
    return CliRunner().invoke(app, [str(word) for word in arguments], catch_exceptions=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command):
    result = invoke(command, "--help")
    assert result.exit_code == 0
    assert f"Example: ace3d-fast {command}" in result.stdout


def test_the_program_lists_its_commands():
    result = invoke("--help")
    assert all(f" {command} " in result.stdout for command in COMMANDS)
    assert invoke("--version").stdout == f"ace3d-fast {__version__}\n"


@pytest.mark.parametrize(
    ("words", "found"), [("ace3d-fast exp", "explain"), ("ace3d-fast run --dry", "--dry-run")]
)
def test_a_shell_completes_commands_and_options(words, found):
    code = "from ace3d_fast.cli import main; main()"
    asked = {"_ACE3D_FAST_COMPLETE": "complete_bash", "COMP_WORDS": words}
    asked["COMP_CWORD"] = str(len(words.split()) - 1)
    result = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **asked}, capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == [found]


def test_help_does_not_wait_for_torch():
    code = "import sys; import ace3d_fast.cli.app; print({'torch', 'pandas', 'numpy'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"


def test_info_names_versions_instruction_set_and_devices():
    lines = {line.split()[0]: line for line in invoke("info").stdout.splitlines()}
    assert lines["ace3d_fast"].split()[1] == __version__
    assert lines["python"].split()[1] == ".".join(map(str, sys.version_info[:3]))
    assert lines["instruction"].split()[2] in ("baseline", "avx2", "avx512")
    assert "cpu (" in lines["devices"]


def test_report_writes_the_page_again(tmp_path):
    run = make_run(tmp_path / "run")
    result = invoke("report", run.path)
    assert result.exit_code == 0
    assert result.stdout.strip() == str(run.report_path)
    assert run.report_path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_report_of_no_run_says_what_is_missing(tmp_path):
    result = invoke("report", tmp_path)
    assert result.exit_code == 2
    assert (
        result.stderr
        == f"ace3d-fast: open: expected run folder of a complete run, got {tmp_path} without config.json; "
        "give a folder that `ace3d-fast run` wrote\n"
    )


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    frames = np.random.default_rng(0).integers(0, 256, (12, 32, 48, 3), np.uint8)
    return write_video(tmp_path_factory.mktemp("video") / "noise.mp4", frames, 6)


def test_segment_writes_label_maps_and_an_overlay(video, tmp_path):
    out = tmp_path / "made"
    options = (
        "--num-regions",
        "4,6",
        "--fps",
        6,
        "--resize",
        32,
        "--window",
        8,
        "--overlap",
        2,
        "--out",
        out,
    )
    result = invoke("segment", video, *options)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].startswith("12 frames in 2 parts; supervoxels: ")
    assert result.stdout.splitlines()[1] == str(out / "overlay.mp4")
    config = json.loads((out / "config.json").read_text())
    assert (config["num_regions"], config["fps"], config["resize_px"]) == ([4, 6], 6.0, 32)
    with np.load(out / "labels" / "00000.npz") as file:
        assert file["labels"].shape == (2, 7, 32, 48)
    whole = invoke(
        "segment", video, "--num-regions", 4, "--fps", 6, "--resize", 32, "--out", tmp_path / "whole"
    )
    assert whole.stdout.startswith("12 frames in 1 part; supervoxels: ")


def test_segment_of_a_text_file_is_one_line(tmp_path):
    (tmp_path / "notes.mp4").write_text("no video")
    result = invoke("segment", tmp_path / "notes.mp4", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "notes.mp4 to be a video" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("run x --out", "run: expected --out with a value, got none; see ace3d-fast run --help"),
        ("run x --controls=3", "run: expected --controls without a value, got one; "
         "see ace3d-fast run --help"),
        ("run", "run: expected VIDEOS to be given, got nothing; see ace3d-fast run --help"),
        ("run x", "run: expected --model to be given, got nothing; see ace3d-fast run --help"),
        ("serve x y", "serve: expected arguments that fit together, got unexpected extra argument(s) (y); "
         "see ace3d-fast serve --help"),
        ("serve x --port a", "serve: expected --port to be a valid integer, got 'a'; "
         "see ace3d-fast serve --help"),
        ("serve x --port 0", "serve: expected --port to be greater than or equal to 1, got '0'; "
         "see ace3d-fast serve --help"),
        ("run x --preset y", "run: expected --preset to be one of 'calibrated', 'stce', got 'y'; "
         "see ace3d-fast run --help"),
        ("segment x --otu y", "segment: expected option to exist, got --otu; nearest: --out"),
        ("rnu x", "command line: expected command to exist, got 'rnu'; nearest: run"),
        ("--bogus run", "command line: expected option to exist, got --bogus; see ace3d-fast --help"),
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_told_on_one_line(words, told):
    result = invoke(*words.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"ace3d-fast: {told}\n"


def test_no_arguments_show_the_help():
    assert "explain" in invoke().output


def test_the_package_runs_as_a_module():
    command = [sys.executable, "-m", "ace3d_fast", "--version"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert said == f"ace3d-fast {__version__}\n"
