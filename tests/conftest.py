"""Shared by all tests: one thread, so that times and sums do not depend on the machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import torch
from browser import launch

from ace3d_fast.models.planted import PlantedDemo, write_planted_demo

torch.set_num_threads(1)
hypothesis.settings.register_profile("ace3d", deadline=None, max_examples=25, derandomize=True)
hypothesis.settings.load_profile("ace3d")


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> PlantedDemo:
    """Planted videos, 15 a class, and a network trained on their kind."""
    return write_planted_demo(tmp_path_factory.mktemp("planted"), videos_per_class=15, seed=0)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    with launch() as chromium:
        yield chromium
