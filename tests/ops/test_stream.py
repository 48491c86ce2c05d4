import gc
import itertools
import weakref

import numpy as np
import pytest
import torch
from volumes import smooth_clip

from ace3d_fast.errors import InputError
from ace3d_fast.ops import segment_clips, stream_supervoxels
from ace3d_fast.segmentation_metrics import find_boundary, share_near

OPTIONS = {"sigma": 1.0, "compactness": 10.0}


def full_range(clip):
    """The clip with a black and a white voxel: what is stretched to the full range stays as it is."""
    clip[0, 0, 0] = 0
    clip[-1, -1, -1] = 255
    return clip


def moving_disc(num_frames, height=48, width=80, seed=0):
    """(T, H, W, 3) uint8: a red disc crosses a grey room in two seconds and a half, with camera noise."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    frames = torch.full((num_frames, height, width, 3), 90.0)
    inside = torch.zeros(num_frames, height, width, dtype=torch.bool)
    for t in range(num_frames):
        inside[t] = (y - height / 2) ** 2 + (x - 12 - 0.4 * t) ** 2 < 9**2
        frames[t, inside[t]] = torch.tensor([230.0, 40.0, 40.0])
    noise = torch.randn(frames.shape, generator=torch.Generator().manual_seed(seed)) * 2
    return (frames + noise).clamp(0, 255).to(torch.uint8), inside


def stream(frames, counts, window_frames, overlap_frames, **options):
    parts = list(
        stream_supervoxels(
            iter(frames), counts, window_frames=window_frames, overlap_frames=overlap_frames, **options
        )
    )
    firsts = np.cumsum([0] + [len(part.frames) for part in parts])
    assert [part.first_frame for part in parts] == firsts[:-1].tolist()
    assert torch.equal(torch.cat([part.frames for part in parts]), frames)
    return torch.cat([part.labels for part in parts], dim=1)


@pytest.mark.parametrize("window_frames", [12, 40])
@pytest.mark.parametrize("quality", ["standard", "high"])
def test_a_video_of_one_window_is_cut_as_a_clip(window_frames, quality):
    clip = full_range(smooth_clip((12, 30, 36))[0])
    labels = stream(clip, [6, 40], window_frames, 5, quality=quality, **OPTIONS)
    assert torch.equal(labels, segment_clips(clip[None], [6, 40], quality=quality, **OPTIONS)[0])


@pytest.mark.parametrize(
    "clip", [smooth_clip((64, 96, 120))[0], moving_disc(64, 96, 120)[0]], ids=["blobs", "disc"]
)
@pytest.mark.parametrize("quality", ["standard", "high"])
def test_boundaries_are_those_of_the_whole_clip(clip, quality):
    clip = full_range(clip.clone())
    whole = segment_clips(clip[None], [400], quality=quality, **OPTIONS)[0, 0]
    # As many regions for each frame, so seeds lie on the same grid.
    labels = stream(clip, [300], 48, 20, quality=quality, **OPTIONS)[0]
    assert share_near(find_boundary(whole), find_boundary(labels), tolerance=1) >= 0.95
    assert share_near(find_boundary(labels), find_boundary(whole), tolerance=1) >= 0.95
    cut = stream(clip, [150], 24, 0, **OPTIONS)[0]
    assert not (cut[23] == cut[24]).any()  # without an overlap nothing goes on


def test_what_goes_on_keeps_its_number():
    frames, inside = moving_disc(96)
    labels = stream(frames, [8], 24, 12, **OPTIONS)[0]
    disc = [torch.mode(labels[t][inside[t]]).values.item() for t in range(len(frames))]
    assert sum(a != b for a, b in itertools.pairwise(disc)) <= 2  # windows change every 12 frames
    for seam in (18, 30, 42, 54, 66, 78):
        assert (labels[seam - 1] == labels[seam]).double().mean() > 0.5


def test_a_number_is_that_of_one_stretch_of_time():
    labels = stream(moving_disc(60)[0], [12], 16, 6, **OPTIONS)[0]
    frames_of = {}
    for t, frame in enumerate(labels):
        for number in frame.unique().tolist():
            frames_of.setdefault(number, []).append(t)
    assert sorted(frames_of)[0] == 0
    assert len(frames_of) > 12
    assert all(frames[-1] - frames[0] + 1 == len(frames) for frames in frames_of.values())


@pytest.mark.parametrize("num_frames", [1, 7, 8, 9, 12, 13, 14, 20, 21])
@pytest.mark.parametrize("overlap_frames", [0, 1, 3, 7])
def test_every_frame_comes_once_whatever_the_length(num_frames, overlap_frames):
    clip = smooth_clip((num_frames, 9, 11))[0]
    labels = stream(clip, [3, 9], 8, overlap_frames)
    assert labels.shape == (2, num_frames, 9, 11)
    assert labels.min() >= 0


def test_an_hour_is_held_a_window_at_a_time():
    alive = weakref.WeakSet()
    most = 0

    def camera():
        nonlocal most
        for t in range(3600):
            frame = torch.full((12, 16, 3), t % 256, dtype=torch.uint8)
            alive.add(frame)
            most = max(most, len(alive))
            yield frame

    seen = 0
    for part in stream_supervoxels(camera(), [4], window_frames=32, overlap_frames=8):
        seen += len(part.frames)
        del part
        gc.collect(0)
    assert seen == 3600
    assert most <= 2 * 32


def test_no_frames_give_nothing():
    assert list(stream_supervoxels(iter([]))) == []


def test_errors_name_the_argument():
    frame = torch.zeros(4, 5, 3, dtype=torch.uint8)
    with pytest.raises(InputError, match=r"expected overlap_frames below window_frames \(8\), got 8"):
        stream_supervoxels([], window_frames=8, overlap_frames=8)
    with pytest.raises(InputError, match="expected window_frames an integer of at least 1, got 0"):
        stream_supervoxels([], window_frames=0)
    with pytest.raises(
        InputError, match=r"expected frame of shape \(4, 5, 3\), as the ones before, got \(4, 6, 3\)"
    ):
        list(stream_supervoxels([frame, torch.zeros(4, 6, 3, dtype=torch.uint8)]))
    with pytest.raises(InputError, match="expected frame of type uint8, got float32"):
        list(stream_supervoxels([frame.float()]))
