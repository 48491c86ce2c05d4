"""What a dry run says, against the run itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from small_run import TARGET, few_options
from typer.testing import CliRunner

from ace3d_fast.api import estimate
from ace3d_fast.cli.app import app
from ace3d_fast.errors import InputError
from ace3d_fast.regions.source import TubeletGrid
from ace3d_fast.types import SilentProgress


@pytest.fixture(scope="module")
def plan(planted, few_videos):
    return estimate(few_videos, **few_options(planted))


def within(estimated: float, factor: float, true: float) -> bool:
    return true / factor <= estimated <= true * factor


def test_the_plan_counts_what_the_run_does(plan, few_run):
    assert plan.videos.groupby("label")["num_clips"].sum().to_dict() == {
        "red_checker": 10,
        "disc_right": 5,
        "horizontal_stripes": 5,
    }
    assert within(plan.num_regions, 1.3, len(few_run.regions))
    assert plan.num_concepts == len(few_run.concepts)
    assert within(plan.num_forwards, 1.5, few_run.timings["counts"]["forwards"])
    assert few_run.summary["split"] == "leave-one-out"
    assert plan.split == "each video is scored by what was fitted without it"
    assert plan.lowest_p == few_run.summary["lowest_p"]


def test_disk_is_estimated_within_a_factor_of_one_and_a_half(plan, few_run):
    files = (path for path in few_run.path.rglob("*") if path.is_file() and "explained" not in path.parts)
    assert within(plan.disk_bytes, 1.5, sum(path.stat().st_size for path in files))


def test_time_is_estimated_within_a_factor_of_three(plan, few_run):
    assert within(plan.total_seconds, 3, few_run.timings["total_seconds"])
    longest = max(plan.seconds, key=lambda stage: plan.seconds[stage])
    assert longest == "add and remove concepts"
    stages = few_run.timings["stages"]
    assert stages["evaluation"] == max(stages.values())


def test_more_videos_take_more(planted, few_videos, plan, tmp_path):
    rows = few_videos.read_text().splitlines()
    fewer = tmp_path / "fewer.csv"
    fewer.write_text("\n".join(rows[:6] + rows[11:]))  # five of the class instead of ten
    less = estimate(fewer, **few_options(planted))
    assert within(less.num_forwards, 1.5, plan.num_forwards / 2)
    assert less.disk_bytes < plan.disk_bytes


def test_videos_of_one_source_are_split_as_the_run_splits_them(planted, tmp_path):
    rows = [
        f"{video},{label},{label} {number // 3}"
        for label in (TARGET, "flicker")
        for number, video in enumerate(sorted((planted.videos_folder / label).glob("*.mp4")))
    ]
    table = tmp_path / "videos.csv"
    table.write_text("\n".join(["path,label,group", *rows]))
    told = estimate(table, **few_options(planted))
    assert (told.videos["label"] == TARGET).sum() == 15  # of five sources: too few for thirds
    assert told.split == "each video is scored by what was fitted without it"
    table.write_text("\n".join(["path,label", *(row.rpartition(",")[0] for row in rows)]))
    assert estimate(table, **few_options(planted)).split == "thirds of the videos discover, train and score"


def test_regions_may_come_from_a_source_of_ones_own(planted, few_videos):
    told = estimate(few_videos, **{**few_options(planted), "regions": TubeletGrid(2, 4, 4)})
    assert told.num_regions == 20 * 32


def test_a_video_that_cannot_be_used_is_named(planted, few_videos, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_text("no video")
    table = tmp_path / "videos.csv"
    table.write_text(f"{few_videos.read_text()}\n{broken},flicker")
    ((name, reason),) = estimate(table, **few_options(planted)).skipped
    assert name.endswith("broken.mp4")
    assert "FFmpeg cannot open" in reason


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target_class": "dive"}, "to exist"),
        ({"layer": "conv44"}, "conv4"),
        ({"backend": "reference", "preset": "stce"}, "a dry run"),
    ],
)
def test_mistakes_are_those_of_the_run(planted, few_videos, changes, message):
    with pytest.raises(InputError, match=message):
        estimate(few_videos, **{**few_options(planted), **changes})


class Names(SilentProgress):
    """The stages that were begun, and those that were ended."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.open: list[str] = []

    def start(self, stage: str, total: int | None) -> None:
        self.begun.append(stage)
        self.open.append(stage)

    def finish(self) -> None:
        self.open.pop()


def test_every_stage_of_a_dry_run_ends(planted, few_videos):
    progress = Names()
    estimate(few_videos, progress=progress, **few_options(planted))
    assert progress.begun == ["read videos", "try a clip"]
    assert progress.open == []


def command(planted, few_videos, out: Path) -> list[str]:
    given = few_options(planted)
    return [
        *("run", str(few_videos), "--model", given["model"], "--weights", str(given["weights"])),
        *("--target-class", given["target_class"], "--num-clusters", "8", "--num-regions", "15,50"),
        *("--forwards-per-concept", "8", "--out", str(out), "--dry-run"),
    ]


def test_the_command_prints_the_plan_and_writes_nothing(planted, few_videos, tmp_path):
    result = CliRunner().invoke(app, command(planted, few_videos, tmp_path / "run"), catch_exceptions=False)
    assert result.exit_code == 0
    assert re.search(r"red_checker \(explained\) │ +10 │ +10", result.output)
    assert re.search(r"disk +│ +[0-9.]+ MB", result.output)
    assert list(tmp_path.iterdir()) == []


def test_the_command_looks_at_where_the_run_would_go(planted, few_videos, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    result = CliRunner().invoke(app, command(planted, few_videos, tmp_path))
    assert result.exit_code == 2
    assert "a new or empty folder" in result.output


def test_a_dry_run_refuses_the_workers_that_the_run_would_refuse(tmp_path):
    run = [
        "run",
        "videos",
        "--model",
        "planted:net",
        "--target-class",
        "flicker",
        "--out",
        str(tmp_path / "r"),
    ]
    for how, told in (
        (["--workers", "0"], "workers of at least 1"),
        (["--engine", "ray"], "workers to be given"),
    ):
        found = CliRunner().invoke(app, [*run, *how, "--dry-run"])
        assert found.exit_code == 2
        assert told in found.output
