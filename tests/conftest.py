"""Shared by all tests: one thread, so that times and sums do not depend on the machine."""

from __future__ import annotations

import hypothesis
import pytest
import torch

torch.set_num_threads(1)
hypothesis.settings.register_profile("ace3d", deadline=None, max_examples=25, derandomize=True)
hypothesis.settings.load_profile("ace3d")


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)
