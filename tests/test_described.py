"""All regions of a run, put together from the pieces of its videos."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ace3d_fast import described
from ace3d_fast.shelf import Shelf
from ace3d_fast.types import Video

NUM_REGIONS, NUM_CHANNELS = 50, 4


def piece(shelf: Shelf, name: str, value: float) -> tuple[Video, Path]:
    """A video of one clip whose arrays hold ``value``."""
    regions = {"clip": np.zeros(NUM_REGIONS, np.int32), "num_voxels": np.ones(NUM_REGIONS, np.int32)}
    values = {
        "clips": pd.DataFrame({"clip": [0], "start_seconds": [0.0]}),
        "regions": pd.DataFrame(regions),
        "features": np.full((NUM_REGIONS, NUM_CHANNELS), value, np.float32),
        "region_gradients": np.full((NUM_REGIONS, NUM_CHANNELS), value, np.float32),
        "gradients": np.full((1, NUM_CHANNELS), value, np.float32),
        "logits": np.full((1, 2), value, np.float32),
    }
    shelf.put("videos", name, values)
    return Video(name, Path(name), "a", name), shelf.folder("videos", name)


@pytest.mark.parametrize("most", [2**20, 64], ids=["in memory", "in files"])
def test_rows_follow_the_videos(tmp_path, monkeypatch, most):
    monkeypatch.setattr(described, "MAX_ARRAY_BYTES", most)
    shelf = Shelf(tmp_path / "shelf")
    pieces = [piece(shelf, name, value) for name, value in (("one", 1.0), ("two", 2.0))]
    found = described.gather(pieces, [], center=False, folder=tmp_path)
    assert isinstance(found.features, np.memmap) == (most == 64)
    right = np.repeat([1.0, 2.0], NUM_REGIONS)
    assert (found.features == right[:, None]).all()
    assert (found.region_gradients == right[:, None]).all()
    assert found.regions["video"].tolist() == ["one"] * NUM_REGIONS + ["two"] * NUM_REGIONS
    assert found.logits[:, 0].tolist() == [1.0, 2.0]
    assert [path.name for path in tmp_path.iterdir()] == ["shelf"]  # nothing is left behind


def test_large_arrays_are_not_those_of_the_next_run(tmp_path, monkeypatch):
    monkeypatch.setattr(described, "MAX_ARRAY_BYTES", 64)
    shelf = Shelf(tmp_path / "shelf")
    first, second = (
        described.gather([piece(shelf, name, value)], [], center=False, folder=tmp_path)
        for name, value in (("one", 1.0), ("two", 2.0))
    )
    assert (first.features == 1.0).all()
    assert (second.features == 2.0).all()
