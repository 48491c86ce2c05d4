"""Shared by all tests: one thread, so that times and sums do not depend on the machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch
from browser import launch
from planted_net import kept_network
from small_run import TARGET, few_options

from ace3d_fast import RunFolder, explain
from ace3d_fast.models.planted import PlantedDemo, write_planted_demo
from ace3d_fast.video.planted import CLASSES

torch.set_num_threads(1)
hypothesis.settings.register_profile("ace3d", deadline=None, max_examples=25, derandomize=True)
hypothesis.settings.load_profile("ace3d")


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> PlantedDemo:
    """Planted videos, 15 a class, and a network trained on their kind."""
    folder = tmp_path_factory.mktemp("planted")
    return write_planted_demo(folder, videos_per_class=15, seed=0, net=kept_network())


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    with launch() as chromium:
        yield chromium


@pytest.fixture(scope="session")
def few_videos(planted: PlantedDemo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of ten videos of the class red_checker, and of five of each of two others."""
    table = tmp_path_factory.mktemp("list") / "videos.csv"
    rows = [
        f"{video},{name}"
        for name in CLASSES[:3]
        for video in sorted((planted.videos_folder / name).glob("*.mp4"))[: 10 if name == TARGET else 5]
    ]
    table.write_text("\n".join(["path,label", *rows]))
    return table


@pytest.fixture(scope="session")
def few_run(planted: PlantedDemo, few_videos: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The class red_checker of `few_videos`, explained."""
    return explain(few_videos, out=tmp_path_factory.mktemp("few") / "run", **few_options(planted))
