"""``ace3d-fast demo``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ace3d_fast.cli import options
from ace3d_fast.errors import InputError, expected
from ace3d_fast.words import percent

if TYPE_CHECKING:
    from ace3d_fast.store import RunFolder
    from ace3d_fast.types import Progress

VIDEOS_PER_CLASS = 24


def demo(
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for videos, network and run.")
    ] = Path("runs/demo"),
    target_class: Annotated[
        str, typer.Option("--target-class", "-c", metavar="CLASS", help="Planted class to explain.")
    ] = "red_checker",
    seed: options.Seed = 0,
) -> None:
    """Write videos whose true concepts are known, train a small network on their kind, and explain it.

    Example: ace3d-fast demo --out runs/demo
    """
    from ace3d_fast.api import explain
    from ace3d_fast.cli.console import output, say, show_progress
    from ace3d_fast.cli.results import print_results
    from ace3d_fast.config import check_seed
    from ace3d_fast.video.planted import CLASSES

    check_seed("demo", seed)
    if target_class not in CLASSES:
        raise InputError(expected("demo", "target class", f"one of {', '.join(CLASSES)}", target_class))
    console = output()
    with show_progress() as progress:
        accuracy = _plant(out, seed, progress)
        found = explain(
            out / "videos",
            target_class=target_class,
            model="planted:net",
            weights=out / "planted_net.safetensors",
            out=out / "run",
            seed=seed,
            progress=progress,
        )
    say(console, f"A network trained on planted videos classifies {percent(accuracy)} of new ones rightly.")
    print_results(found, console)
    say(console, _truth(found, out / "videos"))


def _truth(run: RunFolder, videos: Path) -> str:
    """How much of the concepts' example regions shows what was planted as the cause of the class."""
    import numpy as np

    from ace3d_fast.report.facts import concept_name, rows_of
    from ace3d_fast.video.planted import read_truth

    regions = run.regions
    accepted, others = [], [0.0]
    for concept in rows_of(run.concepts):
        shares = []
        for region in rows_of(regions[regions["region"].isin(concept["example_regions"])]):
            masks, causal = read_truth(videos / region["video"])
            clip = run.read_clip(region["video"], region["clip"])
            start = region["clip"] * clip.network_labels.shape[1]
            cause = np.asarray(masks[causal].any(axis=0))[start : start + clip.network_labels.shape[1]]
            inside = (clip.network_labels == region["index"]).any(dim=0).numpy()
            shares.append(cause[inside].mean())
        if concept["status"] == "accepted":
            accepted.append(f"{percent(np.mean(shares))} of {concept_name(concept['concept'])}")
        else:
            others.append(float(np.mean(shares)))
    found = " and ".join(accepted) or "no concept"
    return f"planted cause: it makes up {found}, and at most {percent(max(others))} of a concept not accepted"


def _plant(out: Path, seed: int, progress: Progress) -> float:
    """Write videos and network to ``out``, or find those of this seed there.

    Returns
    -------
    float
        Accuracy of the network on the videos.
    """
    from ace3d_fast.models.planted import write_planted_demo

    facts = out / "demo.json"
    if facts.is_file():
        known = json.loads(facts.read_text(encoding="utf-8"))
        if known["seed"] == seed:
            return float(known["accuracy"])
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        todo = "choose another --out or remove that folder"
        raise InputError(expected("demo", "out", "a new folder, or a demo of this seed", out, todo))
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        made = write_planted_demo(partial, seed=seed, videos_per_class=VIDEOS_PER_CLASS, progress=progress)
        record = {"seed": seed, "accuracy": made.accuracy}
        (partial / "demo.json").write_text(json.dumps(record) + "\n", encoding="utf-8")
        if out.exists():
            out.rmdir()
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return made.accuracy
