"""Whole runs on more and more planted videos, and on one long video: time, memory and disk.

Each run is a process of its own, on one thread. Time is that of the processor, so that other work on the
machine tells little: of the whole run, and of describing the videos (decode, cut, forward, pool, store); what
follows is "later". Disk is set against what `--dry-run` says.

Example: python benchmarks/scale_runs.py --json benchmarks/results/scale.json
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save_file

from ace3d_fast import RunFolder
from ace3d_fast.api import estimate, explain
from ace3d_fast.models.planted import train_planted_network
from ace3d_fast.types import SilentProgress
from ace3d_fast.video.planted import CLASSES, FPS, make_clip
from ace3d_fast.video.write import VideoWriter, write_video

TARGET = "red_checker"
SHARES = {TARGET: 2, "horizontal_stripes": 1, "disc_right": 1}  # of the videos
DESCRIBE = "decode, segment, forward"  # the stage that does all of it
BESIDE_LONG = 4  # short videos of each class beside a long one
SCENES = 64  # different ones in a long video, which shows them again and again
LONG_CLIP_FPS = 4.0  # a clip of a long video lasts 4 s
FIXED = {"num_regions": [15, 50, 80], "num_clusters": 8}  # where one option at a time is changed:
GROWTH: tuple[dict[str, Any], ...] = (
    {"num_regions": [80]},
    {"num_regions": [50, 80]},
    {"num_regions": [30, 100, 160]},
    {"num_regions": [60, 200, 320]},
    {"num_clusters": 4},
    {"num_clusters": 16},
    {"num_clusters": 32},
    {"vocabulary": "shared"},  # all three classes in place of one
)
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}


def main() -> None:
    """Make the videos, run, print, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", default="50,200,800,2000", help="numbers of videos")
    parser.add_argument("--clips", type=int, default=1, help="clips of a video")
    parser.add_argument("--hours", type=float, default=2.0, help="length of the long video; 0: none")
    parser.add_argument("--grow", type=int, default=0, help="videos on which one option at a time is changed")
    parser.add_argument("--folder", type=Path, help="keep the videos here, for the next time")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        _child(json.loads(given.child))
        return
    counts = [int(count) for count in given.counts.split(",") if count]
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch)
        weights = _weights(folder)
        found: dict[str, Any] = {"clips_per_video": given.clips, "runs": [], "long": None}
        for count in counts:
            videos = _many(folder, count, given.clips)
            found["runs"].append({"videos": count, **_measure(videos, weights, folder / "run")})
            print(json.dumps(found["runs"][-1]), flush=True)
        if given.grow:
            videos = _many(folder, given.grow, given.clips)
            found["growth"] = []
            for change in ({}, *GROWTH):
                figures = _measure(videos, weights, folder / "run", **{**FIXED, **change})
                found["growth"].append({"videos": given.grow, "change": change, **figures})
                print(json.dumps(found["growth"][-1]), flush=True)
        if given.hours:
            videos = _long(folder, given.hours)
            figures = _measure(videos, weights, folder / "run", clip_fps=LONG_CLIP_FPS)
            found["long"] = {"hours": given.hours, "clip_fps": LONG_CLIP_FPS, **figures}
            print(json.dumps(found["long"]), flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _weights(folder: Path) -> Path:
    path = folder / "planted_net.safetensors"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        net = train_planted_network(0)
        save_file({name: value.contiguous() for name, value in net.state_dict().items()}, path)
    return path


def _many(folder: Path, count: int, num_clips: int) -> Path:
    """A list of ``count`` videos, the first of those that were made for a larger number too."""
    rows = ["path,label"]
    for label, share in SHARES.items():
        videos = (_short(folder, label, n, num_clips) for n in range(count * share // sum(SHARES.values())))
        rows.extend(f"{video.relative_to(folder)},{label}" for video in videos)
    table = folder / f"{count}_of{num_clips}.csv"
    table.write_text("\n".join(rows), encoding="utf-8")
    return table


def _short(folder: Path, label: str, number: int, num_clips: int) -> Path:
    path = folder / f"of{num_clips}" / label / f"{number:05d}.mp4"
    if not path.is_file():
        rng = np.random.default_rng([CLASSES.index(label), number])
        scenes = [make_clip(CLASSES.index(label), rng).frames for _ in range(num_clips)]
        write_video(path, np.concatenate(scenes), FPS, crf=12)
    return path


def _long(folder: Path, hours: float) -> Path:
    """A list of one long video of the class and a few short ones of each."""
    path = folder / f"long_{hours:g}.mp4"
    if not path.is_file():
        rng = np.random.default_rng(1)
        scenes = [make_clip(CLASSES.index(TARGET), rng).frames for _ in range(SCENES)]
        num_scenes = round(hours * 3600 * FPS / len(scenes[0]))
        with VideoWriter(path, FPS, crf=12) as writer:
            for scene in rng.integers(SCENES, size=num_scenes):
                for frame in scenes[scene]:
                    writer.write(frame)
    rows = ["path,label", f"{path.name},{TARGET}"]
    for label in SHARES:
        videos = (_short(folder, label, number, 2) for number in range(BESIDE_LONG))
        rows.extend(f"{video.relative_to(folder)},{label}" for video in videos)
    table = folder / f"long_{hours:g}.csv"
    table.write_text("\n".join(rows), encoding="utf-8")
    return table


def _measure(videos: Path, weights: Path, out: Path, **options: Any) -> dict[str, Any]:
    job = {"videos": str(videos), "weights": str(weights), "out": str(out), "options": options}
    told, _ = _spawn({**job, "dry": True})
    spent, usage = _spawn(job)
    run = RunFolder.open(out)
    files = [path.stat() for path in out.rglob("*") if path.is_file()]
    total = run.timings["total_seconds"]
    num_clips = run.summary["num_clips"]
    cpu = usage.ru_utime + usage.ru_stime
    figures = {
        "num_clips": num_clips,
        "num_regions": len(run.regions),
        "wall_seconds": total,
        "cpu_seconds": cpu,
        "cpu_seconds_per_clip": cpu / num_clips,
        "cpu_seconds_per_video": cpu / run.summary["num_videos"],
        "describing_cpu_seconds": spent["describing"],
        "describing_cpu_seconds_per_clip": spent["describing"] / num_clips,
        "later_cpu_seconds": spent["all"] - spent["before"] - spent["describing"],
        "later_share": 1 - spent["describing"] / (spent["all"] - spent["before"]),
        "peak_bytes": usage.ru_maxrss * 1024,
        "disk_bytes": sum(file.st_size for file in files),
        "report_bytes": (out / "report.html").stat().st_size,
        "estimate": told,
        "stages": run.timings["stages"],
        "concepts": run.concepts["status"].value_counts().to_dict(),
    }
    return {name: _short_number(value) for name, value in figures.items()}


def _short_number(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    return {name: _short_number(part) for name, part in value.items()} if isinstance(value, dict) else value


def _spawn(job: dict[str, Any]) -> tuple[Any, Any]:
    """What a process prints, and what it used."""
    command = [sys.executable, str(Path(__file__).resolve()), "--child", json.dumps(job)]
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=said, env={**os.environ, **ONE_THREAD})
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"scale_runs: expected the run of {job['videos']} to end, got status {status}")
        said.seek(0)
        text = said.read()
    return json.loads(text) if text.strip() else None, usage


def _child(job: dict[str, Any]) -> None:
    import shutil

    import torch

    torch.set_num_threads(1)
    given: dict[str, Any] = {"target_class": TARGET, "model": "planted:net", "weights": job["weights"]}
    given |= job["options"]
    if job.get("dry"):
        told = estimate(job["videos"], **given)
        print(
            json.dumps(
                {
                    "seconds": told.total_seconds,
                    "memory_bytes": told.memory_bytes,
                    "disk_bytes": told.disk_bytes,
                }
            )
        )
        return
    shutil.rmtree(job["out"], ignore_errors=True)
    clock = _Clock()
    explain(job["videos"], out=job["out"], progress=clock, **given)
    print(
        json.dumps(
            {"before": clock.began, "describing": clock.ended - clock.began, "all": time.process_time()}
        )
    )


class _Clock(SilentProgress):
    """Seconds of the processor when the videos begin and end to be described."""

    began = ended = 0.0
    _stage = ""

    def start(self, stage: str, total: int | None) -> None:
        self._stage = stage
        if stage == DESCRIBE:
            self.began = time.process_time()

    def finish(self) -> None:
        if self._stage == DESCRIBE:
            self.ended = time.process_time()


if __name__ == "__main__":
    main()
