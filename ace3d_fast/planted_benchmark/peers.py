"""Other methods in the same harness: the published recipe, scikit-image with scikit-learn, Captum's TCAV."""

from __future__ import annotations

import random
import tempfile
import warnings
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ace3d_fast.config import Backend, with_preset
from ace3d_fast.planted_benchmark.case import LAYER, Case, ClassCase, majority, run_options
from ace3d_fast.planted_benchmark.truth import region_truth
from ace3d_fast.steps import Steps
from ace3d_fast.stopwatch import Stopwatch
from ace3d_fast.store import RunFolder
from ace3d_fast.types import SilentProgress
from ace3d_fast.video.inputs import list_videos
from ace3d_fast.video.planted import CLASSES, write_planted_videos

NUM_RANDOM_SETS = 5
NUM_EXAMPLES = 24
MAX_P = 0.05

Rows = NDArray[np.int64]


def published_rows(case: Case, folder: Path, *, backend: Backend) -> pd.DataFrame:
    """A row per concept of the published recipe, with its sign score, its magnitude and its verdict.

    ``native`` runs the preset ``stce``; ``reference`` goes the published way on scikit-image, NumPy and
    scikit-learn. Both see videos of one clip, for each of their regions is a forward of its own.
    """
    settings = case.settings
    videos = folder / "videos"
    if not videos.is_dir():
        write_planted_videos(folder, videos_per_class=settings.stce_videos_per_class, seed=case.seed)
    options = replace(with_preset(run_options(case.seed, settings, videos), "stce"), backend=backend)
    run = RunFolder(folder / backend)
    run.path.mkdir()
    classes = {name: index for index, name in enumerate(CLASSES)}
    steps = Steps(options, run, case.network, classes, Stopwatch(), SilentProgress())
    base = steps.describe(list_videos([videos]))
    steps = replace(steps, run=RunFolder(run.path))
    truth = region_truth(steps.run, base.regions, videos)
    rows = []
    for name, index in classes.items():
        own = replace(steps, options=replace(options, target_class=name), classes={name: index})
        described = replace(base)
        split = own.split(described)[name]
        found = own.cluster(described, {name: split})
        plan = own.plan(described, found, split)
        tested = own.test(described, found, split, plan, None)
        concept = described.regions["concept"].to_numpy()
        for row in tested.concepts.dropna(subset=["tcav_sign"]).to_dict("records"):
            shows = majority(truth.primitive[np.flatnonzero(concept == row["concept"])])
            rows.append(
                {
                    "seed": case.seed,
                    "class_name": name,
                    "concept": row["concept"],
                    "causal": shows == index,
                    "accepted": row["status"] == "accepted",
                    "tcav_sign": row["tcav_sign"],
                    "tcav_magnitude": row["tcav_magnitude"],
                }
            )
    return pd.DataFrame(rows)


def has_captum() -> bool:
    """Whether Captum is installed."""
    return find_spec("captum") is not None


def has_skimage() -> bool:
    """Whether scikit-image is installed."""
    return find_spec("skimage") is not None


def captum_rows(case: Case) -> pd.DataFrame:
    """A row per concept of ``calibrated``, scored by Captum's TCAV with its own classifier.

    Examples are clips that show one region in place. ``p_value`` is of the two-sided t-test that Captum's
    tutorial recommends: the sign counts against `NUM_RANDOM_SETS` random concepts, beside those of a random
    concept against the others.
    """
    from captum.concept import TCAV
    from scipy.stats import ttest_ind

    from ace3d_fast.compat.captum import region_concept

    rows = []
    for number, own in enumerate(case):
        rng = np.random.default_rng([case.seed, number])
        random.seed(case.seed)  # Captum splits its examples with Python's own generator
        plan = own.plan
        inputs = _whole_clips(case, own)

        def concept(name: str, regions: Rows, identity: int, rng: np.random.Generator = rng) -> Any:
            some = rng.choice(regions, size=min(NUM_EXAMPLES, len(regions)), replace=False)
            return region_concept(identity, name, case.steps.run, case.base.regions.iloc[some], case.network)

        randoms = [concept(f"random{i}", plan.negatives, i) for i in range(NUM_RANDOM_SETS + 1)]
        tested = own.tested.concepts.dropna(subset=["region_effect"])
        concepts = {int(c): concept(f"concept{c}", plan.members[c], 100 + int(c)) for c in tested["concept"]}
        with tempfile.TemporaryDirectory() as cache, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tcav = TCAV(_Module(case), [f"module.{LAYER}"], save_path=cache)
            sets = [[randoms[0], other] for other in randoms[1:]]
            sets += [[c, other] for c in concepts.values() for other in randoms[1:]]
            found = tcav.interpret(inputs, sets, target=CLASSES.index(own.name))
        counts = {
            key: {kind: float(values[kind][0]) for kind in ("sign_count", "magnitude")}
            for key, (values,) in ((key, layers.values()) for key, layers in found.items())
        }
        base = [counts[f"0-{i}"]["sign_count"] for i in range(1, NUM_RANDOM_SETS + 1)]
        members = own.described.regions["concept"].to_numpy()
        for c in concepts:
            mine = [counts[f"{100 + c}-{i}"] for i in range(1, NUM_RANDOM_SETS + 1)]
            signs = [values["sign_count"] for values in mine]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # both sides may be constant
                p = float(ttest_ind(signs, base).pvalue)
            p = p if np.isfinite(p) else float(np.mean(signs) == np.mean(base))
            shows = case.primitive_of(np.flatnonzero(members == c))
            rows.append(
                {
                    "seed": case.seed,
                    "class_name": own.name,
                    "concept": c,
                    "causal": shows == CLASSES.index(own.name),
                    "accepted": p < MAX_P and float(np.mean(signs)) > 0.5,
                    "p_value": p,
                    "sign_count": float(np.mean(signs)),
                    "magnitude": float(np.mean([values["magnitude"] for values in mine])),
                }
            )
    return pd.DataFrame(rows)


class _Module(nn.Module):
    """The network as Captum takes it: prepared clips to logits."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.module = case.network.module

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.module(x)
        return logits


def _whole_clips(case: Case, own: ClassCase) -> Tensor:
    """Prepared first clips of the videos that score."""
    videos = sorted(own.split.score)
    frames = [case.steps.run.read_clip(video, 0).clip.network_frames for video in videos]
    return case.network.prepare(torch.stack(frames)).contiguous()
