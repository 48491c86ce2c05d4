"""A run of seconds: what tests repeat that ask whether two runs are the same."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from small_run import TARGET

from ace3d_fast.api import run_options
from ace3d_fast.config import EvaluationOptions, Execution, RunOptions
from ace3d_fast.models.planted import PlantedDemo
from ace3d_fast.pipeline import run_pipeline

QUICK = EvaluationOptions(
    max_concepts=1,
    num_random_orders=1,
    num_area_draws=1,
    clips_per_video=1,
    fills=("mean",),
    num_bootstrap=50,
)


def fast_options(videos: Path, weights: Path, model: str = "planted:net") -> RunOptions:
    options = run_options(
        videos,
        target_class=TARGET,
        model=model,
        weights=weights,
        num_regions=[15, 30],
        num_clusters=5,
        forwards_per_concept=4,
        layer="conv4" if model != "planted:net" else None,
    )
    cavs = replace(options.cavs, num_random_sets=3, num_accuracy_permutations=19, num_negatives=20)
    scores = replace(options.scores, num_permutations=99, num_motion_members=2)
    return replace(options, cavs=cavs, scores=scores, evaluation=QUICK)


def fast_run(planted: PlantedDemo, videos: Path, out: Path, **how: object) -> dict[str, bytes]:
    """Files of a run by name, without those that hold times."""
    run_pipeline(fast_options(videos, planted.weights_path), out, execution=Execution(**how))
    return files_of(out)


def files_of(run: Path) -> dict[str, bytes]:
    files = {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*") if path.is_file()}
    return {name: data for name, data in files.items() if name not in ("timings.json", "report.html")}


if __name__ == "__main__":  # a run in a process of its own, which a test may kill
    given = json.loads(sys.argv[1])
    run_pipeline(
        fast_options(Path(given["videos"]), Path(given["weights"])),
        given["out"],
        execution=Execution(**given["how"]),
    )
