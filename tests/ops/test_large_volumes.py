"""Volumes of 2**31 voxels and more, as views of one element: none is allocated."""

import pytest
import torch

from ace3d_fast import ops
from ace3d_fast.errors import InputError

# In 32 bits these products are -2**31, -2**31 and 0.
SIZES = [(2**31, 1, 1), (2, 2**15, 2**15), (2**20, 2**20, 2**20)]


def frames(size):
    return torch.zeros(1, dtype=torch.uint8).expand(1, *size, 3)


def volume(size):
    return torch.zeros(1).expand(1, 1, *size)


def labels(size):
    return torch.zeros(1, dtype=torch.int32).expand(1, 1, *size)


CALLS = {
    "clips_to_lab": lambda size: ops.clips_to_lab(frames(size)),
    "smooth_lab": lambda size: ops.smooth_lab(frames(size), 1.0),
    "gaussian_smooth": lambda size: ops.gaussian_smooth(volume(size), 1.0),
    "slic3d": lambda size: ops.slic3d(volume(size), [5], compactness=1.0),
    "slic3d_frames": lambda size: ops.slic3d_frames(frames(size), [5], compactness=1.0),
    "segment_clips": lambda size: ops.segment_clips(frames(size)),
    "enforce_connectivity": lambda size: ops.enforce_connectivity(labels(size), [1], [9]),
    "connect_by_color": lambda size: ops.connect_by_color(labels(size), frames(size), [1]),
    "region_pool features": lambda size: ops.region_pool(volume(size), labels((1, 1, 1)), 1),
    "region_pool labels": lambda size: ops.region_pool(volume((1, 1, 1)), labels(size), 1),
}


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", CALLS)
def test_more_voxels_than_an_int32_counts_are_refused(name, size):
    with pytest.raises(InputError, match=r"expected \w+ with fewer than 2\*\*31 voxels, got shape"):
        CALLS[name](size)
