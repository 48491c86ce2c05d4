from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ace3d_fast.errors import InputError
from ace3d_fast.video import planted
from ace3d_fast.video.decode import read_clips
from ace3d_fast.video.inputs import list_videos
from ace3d_fast.video.planted import (
    CLASSES,
    DISTRACTORS,
    PRIMITIVES,
    SAMPLING,
    TAG_COLORS,
    make_clip,
    read_truth,
    write_planted_videos,
)

classes, seeds = st.integers(0, 5), st.integers(0, 2**31)


def clip_of(name: str, seed: int = 0, **options):
    return make_clip(CLASSES.index(name), np.random.default_rng(seed), **options)


def centre_columns(mask: np.ndarray) -> np.ndarray:
    return np.array([np.nonzero(frame)[1].mean() for frame in mask])


@given(classes, seeds)
def test_one_causal_sprite_stands_among_two_or_three_distractors(class_index, seed):
    clip = make_clip(class_index, np.random.default_rng(seed))
    assert clip.frames.shape == (16, 64, 64, 3)
    assert clip.frames.dtype == np.uint8
    shown = [name for name, mask in zip(PRIMITIVES, clip.masks, strict=True) if mask.any()]
    assert [name for name in shown if name in CLASSES] == [CLASSES[class_index]]
    assert 2 <= len([name for name in shown if name in DISTRACTORS]) <= 3
    assert [PRIMITIVES[i] for i in np.flatnonzero(clip.causal)] == [CLASSES[class_index]]


@given(classes, seeds)
def test_sprites_are_discs_of_radius_7_to_9_that_never_overlap(class_index, seed):
    masks = make_clip(class_index, np.random.default_rng(seed)).masks
    assert masks.sum(axis=0).max() == 1
    areas = masks[masks.any(axis=(1, 2, 3))].sum(axis=(2, 3))
    assert (areas == areas[:, :1]).all()  # whole in every frame
    assert set(areas[:, 0].tolist()) <= {177, 221, 277}  # lattice points within 7.3, 8.3 and 9.3


@given(classes, seeds)
def test_a_seed_decides_everything(class_index, seed):
    one, two = (make_clip(class_index, np.random.default_rng(seed)) for _ in range(2))
    assert np.array_equal(one.frames, two.frames)
    assert np.array_equal(one.masks, two.masks)


def test_the_background_is_not_masked_and_stays():
    clip = clip_of("red_checker")
    still = ~clip.masks.any(axis=(0, 1))
    assert still.mean() > 0.5
    assert np.ptp(clip.frames[:, still].astype(int), axis=0).max() <= 8  # grain of at most 4 a side


def test_discs_move_their_way_and_their_twin_stands():
    right, left = (
        centre_columns(clip_of(name).masks[PRIMITIVES.index(name)]) for name in ("disc_right", "disc_left")
    )
    assert (np.diff(right) >= 1).all()
    assert (np.diff(left) <= -1).all()
    assert 20 <= right[-1] - right[0] <= 34
    for seed in range(30):
        mask = clip_of("flicker", seed).masks[PRIMITIVES.index("static_disc")]
        if mask.any():
            assert np.ptp(centre_columns(mask)) == 0
            return
    pytest.fail("no static disc in 30 clips")


@pytest.mark.parametrize("name", ["disc_right", "disc_left"])
def test_moving_discs_stay_inside_for_a_clip_and_enter_again_in_a_longer_one(name):
    paths = [planted._path(name, 0, 64, 9, 16, np.random.default_rng(seed)) for seed in range(500)]
    assert (np.min(paths), np.max(paths)) == (9, 54)
    long = planted._path(name, 0, 64, 9, 100, np.random.default_rng(0))
    assert -10 <= long.min() <= -7  # almost or wholly outside, at either end
    assert 70 <= long.max() <= 73
    assert (np.abs(np.diff(long)) > 60).sum() >= 1


def brightness(name: str, seed: int = 0) -> np.ndarray:
    clip = clip_of(name if name in CLASSES else "red_checker", seed)
    mask = clip.masks[PRIMITIVES.index(name)]
    return np.array([frame[m].mean() for frame, m in zip(clip.frames, mask, strict=True)])


def test_flicker_has_a_period_of_four_frames():
    levels = brightness("flicker")
    assert np.abs(levels[:-4] - levels[4:]).max() < 2
    assert np.abs(levels[:-2] - levels[2:]).min() > 50


def test_the_bar_turns_by_half_in_eight_frames():
    clip = clip_of("rotating_bar")
    mask = clip.masks[PRIMITIVES.index("rotating_bar")][0]
    views = clip.frames[:, mask].astype(float)
    assert np.abs(views[0] - views[8]).mean() < 8
    assert np.abs(views[0] - views[4]).mean() > 15


@pytest.mark.parametrize(("name", "axis"), [("horizontal_stripes", 1), ("vertical_stripes", 0)])
def test_stripes_run_along_their_axis(name, axis):
    for seed in range(60):
        clip = clip_of("horizontal_stripes", seed)
        mask = clip.masks[PRIMITIVES.index(name)][0]
        if mask.any():
            y, x = np.argwhere(mask).mean(axis=0).round().astype(int)
            patch = clip.frames[0, y - 4 : y + 5, x - 4 : x + 5].astype(float).mean(axis=2)
            assert np.ptp(patch.mean(axis=axis)) > 50
            assert np.ptp(patch.mean(axis=1 - axis)) < 15
            return
    pytest.fail(f"no {name} in 60 clips")


def test_a_tag_agrees_with_the_class_as_often_as_asked():
    def agreement(wanted: float) -> float:
        rng = np.random.default_rng(0)
        clips = [make_clip(i % 6, rng, tag_agreement=wanted) for i in range(120)]
        assert all(clip.masks[-1, :, :8, :8].all() and clip.masks[-1].sum() == 16 * 64 for clip in clips)
        colors = np.array([clip.frames[0, :8, :8].mean(axis=(0, 1)) for clip in clips])
        nearest = np.abs(colors[:, None] - np.array(TAG_COLORS)).sum(axis=2).argmin(axis=1)
        return float((nearest == [clip.class_index for clip in clips]).mean())

    assert agreement(1.0) == 1.0
    assert agreement(0.0) == pytest.approx(1 / 6, abs=0.1)
    assert not clip_of("flicker").masks[-1].any()


def test_the_causal_sprite_can_be_left_out_or_shown_for_a_while():
    dropped = clip_of("flicker", drop_causal=True)
    assert not dropped.masks[dropped.causal].any()
    assert dropped.masks.any(axis=(1, 2, 3)).sum() >= 2
    event = clip_of("disc_right", num_frames=48, causal_span=(10, 30))
    shown = event.masks[event.causal][0].any(axis=(1, 2))
    assert np.flatnonzero(shown[:10]).size == np.flatnonzero(shown[30:]).size == 0
    assert shown[10:30].mean() > 0.5  # for a moment it may be beyond the border


def test_bad_numbers_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match=r"class_index in \[0, 6\), got 6"):
        make_clip(6, rng)
    with pytest.raises(InputError, match="num_frames to be at least 2, got 1"):
        make_clip(0, rng, num_frames=1)
    with pytest.raises(InputError, match="to be positive, got 0 and 1"):
        write_planted_videos(tmp_path, videos_per_class=0, seed=0)
    with pytest.raises(InputError, match="to have its truth beside"):
        read_truth(tmp_path / "videos" / "a" / "b.mp4")


def test_written_videos_decode_to_what_was_drawn_with_the_truth_beside(tmp_path):
    videos = list_videos([write_planted_videos(tmp_path, videos_per_class=1, seed=3, clips_per_video=2)])
    assert [video.label for video in videos] == sorted(CLASSES)
    for video in videos:
        rng = np.random.default_rng([3, CLASSES.index(video.label), 0])
        drawn = [make_clip(CLASSES.index(video.label), rng) for _ in range(2)]
        decoded = list(read_clips(video, SAMPLING))
        assert len(decoded) == 2
        for clip, truth in zip(decoded, drawn, strict=True):
            difference = np.abs(clip.frames.numpy().astype(int) - truth.frames)
            assert difference.mean() < 6  # grey levels: colour is stored at half resolution
        masks, causal = read_truth(video.path)
        assert np.array_equal(masks, np.concatenate([clip.masks for clip in drawn], axis=1))
        assert np.array_equal(causal, drawn[0].causal)


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    folders = [
        write_planted_videos(tmp_path / name, videos_per_class=1, seed=seed).parent
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    files = [[f.read_bytes() for f in sorted(folder.rglob("*.*")) if f.is_file()] for folder in folders]
    assert len(files[0]) == 12
    assert files[0] == files[1]
    assert all(x != y for x, y in zip(files[0], files[2], strict=True))


def test_clips_take_frames_as_written():
    assert (SAMPLING.stride, SAMPLING.segment_fps, SAMPLING.num_segment_frames) == (1, 8.0, 16)
