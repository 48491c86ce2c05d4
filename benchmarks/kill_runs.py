"""Kill whole runs at random moments, and start them again: are the files those of a run left alone?

Drivers are killed by SIGKILL, half of them while videos are described and half of them later, and started
again; with two workers, one of them is killed while it describes. Moments are random, and counted from the
first video that is described. Counted are runs whose files are equal, and videos that were described twice.

Example: python benchmarks/kill_runs.py --json benchmarks/results/kill_runs.json
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ace3d_fast.api import explain
from ace3d_fast.models.planted import write_planted_demo

WORKERS = 2
CLASS = "red_checker"


def run(given: dict[str, Any]) -> None:
    explain(
        given["videos"],
        target_class=CLASS,
        model="planted:net",
        weights=given["weights"],
        out=given["out"],
        num_regions=[15, 30],
        num_clusters=5,
        forwards_per_concept=4,
        workers=given["workers"],
    )


def start(given: dict[str, Any]) -> subprocess.Popen[bytes]:
    command = [sys.executable, __file__, "--run", json.dumps(given)]
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})


def files_of(folder: Path) -> dict[str, bytes]:
    """All files but those that hold times."""
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    return {name: data for name, data in files.items() if name not in ("timings.json", "report.html")}


def pieces_of(out: Path) -> dict[str, int]:
    """Descriptions of videos on the shelf, and the inode of each: one made again has another."""
    shelf = out.with_name(f".{out.name}.work") / "shelf/videos"
    found = {}
    for path in shelf.glob("[!.]*"):
        with suppress(FileNotFoundError):  # a run that ends removes them
            found[path.name] = path.stat().st_ino
    return found


def children_of(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def wait_for_pieces(process: subprocess.Popen[bytes], out: Path, num_pieces: int) -> None:
    """Until so many videos are described."""
    while len(pieces_of(out)) < num_pieces and process.poll() is None:
        time.sleep(0.005)


def time_alone(given: dict[str, Any]) -> dict[str, float]:
    """Seconds from the first described video to the last, and to the end."""
    process, out = start(given), Path(given["out"])
    wait_for_pieces(process, out, 1)
    first = time.monotonic()
    wait_for_pieces(process, out, given["num_videos"])
    last = time.monotonic()
    assert process.wait() == 0
    return {"describing": last - first, "whole": time.monotonic() - first}


def kill_driver(given: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Kill the driver ``seconds`` after the first described video; then let it run through."""
    process, out = start(given), Path(given["out"])
    wait_for_pieces(process, out, 1)
    time.sleep(seconds)
    process.kill()
    killed = process.wait() == -signal.SIGKILL
    before = pieces_of(out)
    again = start(given)
    kept = before
    while again.poll() is None:
        now = pieces_of(out)
        kept = {name: at for name, at in kept.items() if now.get(name, at) == at}
        time.sleep(0.02)
    assert again.returncode == 0
    return {"killed": killed, "videos_kept": len(before), "videos_made_again": len(before) - len(kept)}


def kill_worker(given: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Kill one of the workers ``seconds`` after the first described video."""
    process, out = start({**given, "workers": WORKERS}), Path(given["out"])
    wait_for_pieces(process, out, 1)
    time.sleep(seconds)
    workers = children_of(process.pid)
    if workers:
        os.kill(random.choice(workers), signal.SIGKILL)
    num_described = len(pieces_of(out))
    assert process.wait() == 0
    return {"killed": bool(workers), "videos_kept": num_described}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--num-runs", type=int, default=20, help="of each kind")
    parser.add_argument("--num-videos", type=int, default=40, help="of each run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--run", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        run(json.loads(arguments.run))
        return
    random.seed(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        demo = write_planted_demo(folder / "demo", videos_per_class=arguments.num_videos // 2, seed=0)
        rows = [
            f"{video},{video.parent.name}"
            for label in (CLASS, "horizontal_stripes")
            for video in sorted((demo.videos_folder / label).glob("*.mp4"))
        ]
        table = folder / "videos.csv"
        table.write_text("\n".join(["path,label", *rows]))
        given = {
            "videos": str(table),
            "weights": str(demo.weights_path),
            "workers": None,
            "num_videos": len(rows),
        }
        seconds = time_alone({**given, "out": str(folder / "alone")})
        right = files_of(folder / "alone")
        found: dict[str, list[dict[str, Any]]] = {"driver": [], "worker": []}
        for kind, kill in (("driver", kill_driver), ("worker", kill_worker)):
            for number in range(arguments.num_runs):
                describing = (0.0, seconds["describing"] / (WORKERS if kind == "worker" else 1))
                later = (seconds["describing"], seconds["whole"])
                after = random.uniform(*(later if kind == "driver" and number % 2 else describing))
                out = folder / f"{kind}{number}"
                row = {"killed_after_seconds": round(after, 2), **kill({**given, "out": str(out)}, after)}
                row["equal"] = files_of(out) == right
                found[kind].append(row)
                print(kind, number, row, flush=True)
    for kind, rows_of_kind in found.items():
        print(f"{kind}: {sum(row['equal'] for row in rows_of_kind)} of {len(rows_of_kind)} runs equal")
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"seconds_alone": seconds, "num_videos": len(rows), **found}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
