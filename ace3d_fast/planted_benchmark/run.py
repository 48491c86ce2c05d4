"""The whole benchmark: networks in parallel processes, rows put together, figures held against bars."""

from __future__ import annotations

import json
import math
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ace3d_fast import __version__
from ace3d_fast.planted_benchmark import calibrated, controls, faithful, nulls, peers
from ace3d_fast.planted_benchmark.case import build_case
from ace3d_fast.planted_benchmark.figures import Figure, Tables
from ace3d_fast.planted_benchmark.settings import Settings
from ace3d_fast.planted_benchmark.table import all_figures
from ace3d_fast.text_files import write_text
from ace3d_fast.types import Progress, SilentProgress

Job = Callable[[], dict[str, pd.DataFrame]]
Measured = tuple[dict[str, pd.DataFrame], float]  # rows, and seconds of processor time

FIRST_TAGGED = 200  # after the first seed: the seeds from 100 on were looked at when rules were chosen


@dataclass(frozen=True)
class Benchmark:
    """What the benchmark found.

    Attributes
    ----------
    figures : list of Figure
        One for each line of the table.
    tables : dict of str to DataFrame
        The rows behind them.
    settings : Settings
    wall_seconds, cpu_seconds : float
        Of the whole benchmark, and of all its processes together.
    notes : tuple of str
        What was left out, and why.
    """

    figures: list[Figure]
    tables: Tables
    settings: Settings
    wall_seconds: float
    cpu_seconds: float
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "version": __version__,
            "torch": torch.__version__,
            "settings": asdict(self.settings),
            "wall_seconds": round(self.wall_seconds, 1),
            "cpu_seconds": round(self.cpu_seconds, 1),
            "notes": list(self.notes),
            "figures": [_plain(figure) for figure in self.figures],
        }

    def write(self, folder: Path) -> Path:
        """Write ``planted.json`` and a Parquet file for each table of rows; give the path of the former."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in self.tables.items():
            table.to_parquet(folder / f"{name}.parquet", index=False)
        return write_text(folder / "planted.json", json.dumps(self.to_dict(), indent=2) + "\n")


def run_benchmark(
    settings: Settings, *, num_processes: int = 2, progress: Progress | None = None
) -> Benchmark:
    """Measure all rows.

    Parameters
    ----------
    settings : Settings
    num_processes : int
        Networks that are measured at a time, one thread each.
    progress : Progress, optional
    """
    progress = progress or SilentProgress()
    began = time.perf_counter()
    jobs = plan_jobs(settings)
    progress.start("networks", len(jobs))
    found: dict[int, Measured] = {}
    context = multiprocessing.get_context("spawn")  # forked children would share torch's threads
    with ProcessPoolExecutor(num_processes, mp_context=context) as pool:
        waiting = {pool.submit(timed, job): number for number, job in enumerate(jobs)}
        for done in as_completed(waiting):
            found[waiting[done]] = done.result()
            progress.advance()
    progress.finish()
    return put_together([found[number] for number in sorted(found)], settings, time.perf_counter() - began)


def plan_jobs(settings: Settings) -> list[Job]:
    """One job a network: those that are explained, then those with corner tags."""
    jobs: list[Job] = [
        partial(measure_network, seed, settings, number < settings.control_networks)
        for number, seed in enumerate(settings.seeds)
    ]
    return jobs + [
        partial(measure_shortcut, settings.seeds[0] + FIRST_TAGGED + number, settings, number % 2 == 0)
        for number in range(settings.shortcut_networks)
    ]


def timed(job: Job) -> Measured:
    """Do one job on one thread."""
    torch.set_num_threads(1)
    began = time.process_time()
    return job(), time.process_time() - began


def put_together(found: Sequence[Measured], settings: Settings, wall_seconds: float) -> Benchmark:
    """The benchmark from the rows of all its jobs."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for rows, _ in found:
        for name, table in rows.items():
            parts.setdefault(name, []).append(table)
    tables = {name: pd.concat(group, ignore_index=True) for name, group in parts.items()}
    cpu_seconds = sum(seconds for _, seconds in found)
    return Benchmark(all_figures(tables), tables, settings, wall_seconds, cpu_seconds, _notes(settings))


def measure_network(seed: int, settings: Settings, with_controls: bool) -> dict[str, pd.DataFrame]:
    """All rows of one network; ``with_controls`` adds the costly ones."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        case = build_case(seed, settings, folder / "case")
        tables = {
            "networks": pd.DataFrame([{"seed": seed, "accuracy": case.accuracy}]),
            "concepts": calibrated.concept_rows(case),
            "matrix": calibrated.matrix_rows(case),
            "recovery": calibrated.recovery_rows(case),
            "curves": calibrated.curve_rows(case),
            "motion": calibrated.motion_rows(case),
            "nulls": nulls.null_rows(case, published=True),
            "stability": controls.stability_rows(case),
            "pooled": controls.pooled_rows(case),
            "saturation": controls.saturation_rows(case),
            "scorers": faithful.scorer_rows(case),
            "latent": faithful.latent_rows(case),
        }
        if settings.stce_videos_per_class:
            tables["stce"] = peers.published_rows(case, folder / "peers", backend="native")
        if with_controls:
            tables["sanity"] = controls.sanity_rows(case)
            tables["fidelity"] = faithful.fidelity_rows(case)
            tables["sobol"] = faithful.sobol_rows(case)
            if peers.has_skimage() and settings.stce_videos_per_class:
                tables["ace"] = peers.published_rows(case, folder / "peers", backend="reference")
            if peers.has_captum():
                tables["captum"] = peers.captum_rows(case)
        return tables


def measure_shortcut(seed: int, settings: Settings, used: bool) -> dict[str, pd.DataFrame]:
    """The rows of one network that was trained with corner tags."""
    fewer = replace(settings, videos_per_class=min(settings.videos_per_class, 15))
    with tempfile.TemporaryDirectory() as folder:
        return {"shortcut": controls.tag_rows(seed, fewer, Path(folder) / "case", used=used)}


def _plain(figure: Figure) -> dict[str, Any]:
    """Figures as JSON knows them: it has no NaN."""
    entries = asdict(figure).items()
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in entries}


def _notes(settings: Settings) -> tuple[str, ...]:
    notes = []
    if settings.control_networks and not peers.has_captum():
        notes.append("Captum is not installed: its rows are left out (pip install captum)")
    if settings.control_networks and not peers.has_skimage():
        notes.append("scikit-image is not installed: its rows are left out (pip install scikit-image)")
    return tuple(notes)
