"""Batches that hold clips of several videos."""

from __future__ import annotations

import numpy as np
import pytest
from toys import NUM_FRAMES, SIDE, red_network, video
from volumes import smooth_clip

from ace3d_fast.config import FeatureOptions, RunOptions, SegmentOptions
from ace3d_fast.engines.upload import Block, filled
from ace3d_fast.errors import InputError
from ace3d_fast.stages.clips import check_videos
from ace3d_fast.steps import Steps
from ace3d_fast.stopwatch import Stopwatch
from ace3d_fast.types import Clip, ClipSampling, Normalization, SilentProgress


def block(name: str, label: str, num_clips: int, seed: int) -> Block:
    frames = smooth_clip((NUM_FRAMES, SIDE, SIDE), seed, num_clips)
    return Block([Clip(video(name, label), i, 0.0, clip) for i, clip in enumerate(frames)])


BLOCKS = [
    block("a", "red", 1, 1),
    block("b", "other", 2, 2),
    block("c", "red", 3, 3),
    block("d", "red", 1, 4),
]


@pytest.fixture
def steps(tmp_path):
    options = RunOptions(
        videos=("videos",),
        target_class="red",
        model="net.py:make",
        layer="layer",
        sampling=ClipSampling(NUM_FRAMES, 5.0, SIDE, SIDE),
        normalization=Normalization((0.0,) * 3, (1.0,) * 3),
        segment=SegmentOptions(num_regions=(4, 9)),
        features=FeatureOptions(batch_clips=4),
    )
    return Steps(options, tmp_path, red_network(), {"red": 0}, Stopwatch(), SilentProgress())


def test_clips_of_several_videos_share_forwards_and_keep_their_places(steps, monkeypatch):
    alone = [steps.describer.describe_blocks([each]) for each in BLOCKS]
    sizes = []
    prepare = steps.network.prepare
    monkeypatch.setattr(steps.network, "prepare", lambda x: sizes.append(len(x)) or prepare(x))
    cut, found = steps.describer.describe_blocks(BLOCKS)
    assert sizes == [4, 1, 2]  # five clips of the class, then two of another
    for (cut_alone, found_alone), clips, features in zip(alone, cut, found, strict=True):
        assert len(features) == len(found_alone[0])
        for (one, _), (other, _) in zip(clips, cut_alone[0], strict=True):
            assert one.clip is other.clip
            assert np.array_equal(one.labels, other.labels)
        for one, other in zip(features, found_alone[0], strict=True):
            np.testing.assert_allclose(one.features, other.features, atol=1e-6)
            np.testing.assert_allclose(one.gradient, other.gradient, atol=1e-6)
            np.testing.assert_allclose(one.logits, other.logits, atol=1e-6)


def test_groups_hold_as_many_clips_as_asked_for_and_the_last_what_is_left():
    groups = [[len(each.clips) for each in group] for group in filled(iter(BLOCKS), 3)]
    assert groups == [[1, 2], [3], [1]]
    assert [len(group) for group in filled(iter(BLOCKS), 1)] == [1, 1, 1, 1]
    assert list(filled(iter([]), 4)) == []


def test_a_class_written_in_another_way_is_told_as_the_videos_write_it():
    videos = [video("a.mp4", "playing_tennis"), video("b.mp4", "archery")]
    with pytest.raises(InputError, match="none among 2 videos; write 'playing_tennis', as the videos"):
        check_videos(videos, "Playing tennis")


def test_of_many_classes_the_nearest_are_told():
    videos = [video(f"{i}.mp4", f"class {i}") for i in range(30)]
    with pytest.raises(InputError, match="30 classes found, nearest: class 7, "):
        check_videos(videos, "clas7")
