"""Runs that are killed, repeated, or carried out by others: the same files in the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from fast_run import breaking_options, fast_options, fast_run, files_of
from small_run import TARGET

from ace3d_fast.config import Execution
from ace3d_fast.errors import Ace3dError, InputError, RunFolderError
from ace3d_fast.pipeline import run_pipeline
from ace3d_fast.stages import clips
from ace3d_fast.workplace import Workplace, lock_folder

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def undisturbed(planted, few_videos, tmp_path_factory):
    return fast_run(planted, few_videos, tmp_path_factory.mktemp("undisturbed") / "run")


def start(planted, videos: Path, out: Path, **how: object) -> subprocess.Popen[bytes]:
    given = {"videos": str(videos), "weights": str(planted.weights_path), "out": str(out), "how": how}
    path = os.pathsep.join([str(HERE.parent), str(HERE), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(HERE / "fast_run.py"), json.dumps(given)]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"})


def wait_for_pieces(work: Path, least: int, process: subprocess.Popen[bytes], kind: str = "videos") -> None:
    until = time.monotonic() + 120
    while len(list(work.glob(f"shelf/{kind}/[!.]*"))) < least:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.005)


def count_reads(monkeypatch) -> list[str]:
    read_whole, read = clips.read_clips, []
    monkeypatch.setattr(
        clips, "read_clips", lambda video, *a, **k: read.append(video.id) or read_whole(video, *a, **k)
    )
    return read


@pytest.mark.parametrize("workers", [1, 3])
def test_any_number_of_workers_writes_the_same_files(planted, few_videos, undisturbed, tmp_path, workers):
    assert fast_run(planted, few_videos, tmp_path / "run", workers=workers) == undisturbed
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(("kind", "least"), [("videos", 7), ("effects", 2)])
def test_a_killed_run_goes_on(planted, few_videos, undisturbed, tmp_path, monkeypatch, kind, least):
    process = start(planted, few_videos, tmp_path / "run")
    wait_for_pieces(tmp_path / ".run.work", least, process, kind)
    process.kill()
    process.wait()
    assert not (tmp_path / "run").exists()
    read = count_reads(monkeypatch)
    assert fast_run(planted, few_videos, tmp_path / "run") == undisturbed
    assert len(read) <= (20 - least if kind == "videos" else 0)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_killed_worker_is_replaced(planted, few_videos, undisturbed, tmp_path):
    process = start(planted, few_videos, tmp_path / "run", workers=2)
    wait_for_pieces(tmp_path / ".run.work", 3, process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    assert process.wait() == 0
    assert files_of(tmp_path / "run") == undisturbed


def test_workers_end_with_the_run(planted, few_videos, tmp_path):
    process = start(planted, few_videos, tmp_path / "run", workers=1)
    wait_for_pieces(tmp_path / ".run.work", 1, process)
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    process.wait()
    until = time.monotonic() + 30
    while Path(f"/proc/{child}").exists() and "Z" not in Path(f"/proc/{child}/stat").read_text().split()[2]:
        assert time.monotonic() < until
        time.sleep(0.02)


def test_ctrl_c_ends_a_run_and_its_workers_in_one_line(planted, few_videos, tmp_path):
    heeds = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "  # whoever started us
    command = [
        sys.executable,
        "-c",
        heeds + "from ace3d_fast.cli import main; main()",
        "run",
        str(few_videos),
    ]
    command += ["--model", "planted:net", "--weights", str(planted.weights_path), "--target-class", TARGET]
    command += ["--workers", "2", "--out", str(tmp_path / "run")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for_pieces(tmp_path / ".run.work", 1, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, said = process.communicate()
    assert process.returncode == 130
    assert said == "ace3d-fast: interrupted; the same command goes on: finished videos are kept\n"


def test_a_damaged_piece_is_made_again(planted, few_videos, undisturbed, tmp_path, monkeypatch):
    work = tmp_path / "work"
    fast_run(planted, few_videos, tmp_path / "a", work_dir=str(work))
    pieces = sorted((work / "videos").iterdir())
    for piece, name in zip(pieces, ["arrays.safetensors", "regions.parquet", "seal.json"], strict=False):
        data = bytearray((piece / name).read_bytes())
        data[len(data) // 2] ^= 4
        (piece / name).write_bytes(data)
    clip = next((pieces[3] / "clips").iterdir())
    clip.write_bytes(clip.read_bytes()[:-1])
    (pieces[4] / "clips.parquet").unlink()
    read = count_reads(monkeypatch)
    assert fast_run(planted, few_videos, tmp_path / "b", work_dir=str(work)) == undisturbed
    assert len(read) == 5


def test_a_changed_option_makes_again_what_it_touches(planted, few_videos, tmp_path, monkeypatch):
    options, shelf = (
        fast_options(few_videos, planted.weights_path),
        Execution(work_dir=str(tmp_path / "work")),
    )

    def kinds() -> dict[str, int]:
        return {
            kind.name: len(list(kind.iterdir())) for kind in (tmp_path / "work").iterdir() if kind.is_dir()
        }

    run_pipeline(options, tmp_path / "a", execution=shelf)
    first = kinds()
    read = count_reads(monkeypatch)
    other = replace(options, evaluation=replace(options.evaluation, num_bootstrap=51))
    run_pipeline(other, tmp_path / "b", execution=shelf)
    assert kinds() == {**first, "evaluation": 2}
    run_pipeline(
        replace(options, concepts=replace(options.concepts, num_clusters=4)), tmp_path / "c", execution=shelf
    )
    assert read == []
    assert kinds()["concepts"] == 2
    assert kinds()["videos"] == 20
    finer = replace(options, segment=replace(options.segment, num_regions=(15,)))
    run_pipeline(finer, tmp_path / "d", execution=shelf)
    assert len(read) == 20


def test_two_runs_do_not_share_a_folder(planted, few_videos, tmp_path):
    who = rf"process {os.getpid()} on .* at work"
    place = Workplace(tmp_path / "run")
    with place as run:
        with pytest.raises(RunFolderError, match=who):
            fast_run(planted, few_videos, tmp_path / "run")
        assert run.path.is_dir()
    with pytest.raises(KeyError), Workplace(tmp_path / "run"):  # the lock went with its owner
        raise KeyError


def test_a_folder_that_cannot_be_made_is_not_locked(tmp_path):
    work = tmp_path / ".run.work"
    work.mkdir()
    (work / "run").write_text("a file where the run is to be written")
    place = Workplace(tmp_path / "run")
    with pytest.raises(RunFolderError, match="a folder that can be made"), place:
        pass
    (work / "run").unlink()
    with Workplace(tmp_path / "run") as run:  # though the first one is still there
        assert run.path.is_dir()


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path):
    code = "import sys, os, signal; from pathlib import Path; from ace3d_fast.workplace import lock_folder\n"
    code += "lock = lock_folder(Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "work")], env=environment, check=False)
    assert (tmp_path / "work" / "lock").read_text().startswith("process ")
    lock_folder(tmp_path / "work").close()


RAISE = "raise RuntimeError('no such clip')"


@pytest.mark.parametrize("workers", [None, 1])
def test_a_network_that_raises_on_one_clip_names_the_video(planted, few_videos, tmp_path, workers):
    options = breaking_options(few_videos, planted.weights_path, tmp_path, after=6, how=RAISE)
    fact = r"RuntimeError: no such clip on clips 0 to 0 of \S+mp4; "
    message = r"^run: expected the network to take every clip, got " + fact
    with pytest.raises(InputError, match=message):
        run_pipeline(options, tmp_path / "run", execution=Execution(workers=workers))
    assert not (tmp_path / "run").exists()


def test_a_video_that_kills_every_worker_is_named(planted, few_videos, tmp_path):
    how = "os.kill(os.getpid(), signal.SIGKILL)"
    options = breaking_options(few_videos, planted.weights_path, tmp_path, after=4, how=how)
    with pytest.raises(Ace3dError, match=r"worker process to finish, got 3 that died \(signal 9\) at .*mp4"):
        run_pipeline(options, tmp_path / "run", execution=Execution(workers=1))


def test_videos_in_another_order_are_not_given_the_concepts_of_the_first(
    planted, few_videos, undisturbed, tmp_path
):
    header, *rows = few_videos.read_text().splitlines()
    table, work = tmp_path / "videos.csv", str(tmp_path / "work")
    table.write_text("\n".join([header, *rows[::-1]]))
    fast_run(planted, table, tmp_path / "a", work_dir=work)
    assert fast_run(planted, few_videos, tmp_path / "b", work_dir=work) == undisturbed
