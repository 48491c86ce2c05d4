"""A disk that is full, files that go bad in the middle, a clock that jumps: the right result, or one line."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fast_run import fast_options, fast_run

from ace3d_fast.pipeline import run_pipeline
from ace3d_fast.store import RunFolder

HERE = Path(__file__).parent
CROWDED = """
import json, resource, sys
from pathlib import Path
from fast_run import fast_run
from ace3d_fast.errors import RunFolderError
from ace3d_fast.models.planted import PlantedDemo

given = json.loads(sys.argv[1])
class planted:
    weights_path = Path(given["weights"])
resource.setrlimit(resource.RLIMIT_FSIZE, (given["most"], given["most"]))
try:
    fast_run(planted, Path(given["videos"]), Path(given["out"]))
except RunFolderError as error:
    print(error, end="")
    sys.exit(3)
"""


@pytest.fixture(scope="module")
def undisturbed(planted, few_videos, tmp_path_factory):
    return fast_run(planted, few_videos, tmp_path_factory.mktemp("undisturbed") / "run")


def crowded_run(planted, videos: Path, out: Path, most: int) -> subprocess.CompletedProcess[str]:
    """A run whose files cannot grow beyond ``most`` bytes."""
    given = {"weights": str(planted.weights_path), "videos": str(videos), "out": str(out), "most": most}
    path = os.pathsep.join([str(HERE.parent), str(HERE), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CROWDED, json.dumps(given)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(
    planted, few_videos, undisturbed, tmp_path
):
    sizes = sorted(len(data) for data in undisturbed.values())
    out = tmp_path / "run"
    for most in (sizes[len(sizes) // 2], sizes[-1] - 1):
        done = crowded_run(planted, few_videos, out, most)
        assert done.returncode == 3, done.stderr
        assert done.stdout.isprintable()
        assert "finished videos are kept" in done.stdout or "choose another --out" in done.stdout
        assert not out.exists()
    assert fast_run(planted, few_videos, out) == undisturbed


def test_a_video_that_breaks_off_is_left_out_and_named(planted, few_videos, tmp_path):
    rows = [line.split(",") for line in few_videos.read_text().splitlines()]
    whole = Path(rows[-1][0])
    broken = tmp_path / whole.name
    broken.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    rows[-1][0] = str(broken)
    videos = tmp_path / "videos.csv"
    videos.write_text("\n".join(",".join(row) for row in rows))
    run_pipeline(fast_options(videos, planted.weights_path), tmp_path / "run")
    summary = RunFolder.open(tmp_path / "run").summary
    assert [Path(skipped["video"]).name for skipped in summary["skipped"]] == [broken.name]
    assert summary["skipped"][0]["reason"].isprintable()


def test_a_name_that_is_no_utf8_is_written_with_escapes(planted, few_videos, tmp_path):
    odd = os.fsdecode(b"odd\xff.mp4")
    for number, line in enumerate(few_videos.read_text().splitlines()[1:]):
        path, label = line.split(",")[:2]
        (tmp_path / "videos" / label).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "videos" / label / (f"{number}.mp4" if number else odd))
    run = run_pipeline(fast_options(tmp_path / "videos", planted.weights_path), tmp_path / "run")
    (name,) = (name for name in run.videos if "odd" in name)
    assert name.endswith(r"/odd\xff.mp4")
    assert run.videos[name].path.is_file()
    assert run.read_clip(name, 0).clip.video.path.name == odd
    assert name in set(run.regions["video"])
    assert r"odd\\xff.mp4" in (run.path / "report.html").read_text()


def test_a_clock_that_jumps_changes_nothing(planted, few_videos, undisturbed, tmp_path, monkeypatch):
    jumps = itertools.cycle([0.0, 4e9, 1e9, -5.0])
    monkeypatch.setattr(time, "time", lambda: next(jumps))
    assert fast_run(planted, few_videos, tmp_path / "run") == undisturbed
