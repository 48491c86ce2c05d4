"""Runs on the device "far" where its memory is scarce."""

from __future__ import annotations

from pathlib import Path

import far
import pytest
from fast_run import assert_same_tables, fast_options

from ace3d_fast.config import Execution
from ace3d_fast.errors import Ace3dError
from ace3d_fast.pipeline import run_pipeline


@pytest.fixture
def run_within(planted, few_videos, tmp_path):
    """A function that makes a fast run in so much of the device's memory."""

    def run(num_bytes: int) -> Path:
        folder = tmp_path / str(num_bytes)
        options = fast_options(few_videos, planted.weights_path, device="far")
        with far.room(num_bytes):
            run_pipeline(options, folder, execution=Execution())
        return folder

    return run


def test_a_run_in_a_third_of_the_memory_finds_the_same(run_within):
    assert_same_tables(run_within(12_000_000), run_within(36_000_000))


@pytest.mark.parametrize(
    ("num_bytes", "wanted"),
    [(0, "for the network"), (3_000_000, "for one clip"), (6_000_000, "for one item of the batches")],
)
def test_too_little_memory_is_told_in_one_line(run_within, num_bytes, wanted):
    message = f"expected memory {wanted}.*got less; use smaller clips, or device cpu"
    with pytest.raises(Ace3dError, match=message):
        run_within(num_bytes)
