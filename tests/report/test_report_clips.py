"""Example clips show the region in its colours and everything else muted."""

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageSequence
from sample_run import disc_clip

from ace3d_fast.report.cards import MAX_CLIP_BYTES, MAX_TOTAL_BYTES
from ace3d_fast.report.clips import LAST_FRAME_HOLD_MS, MAX_FRAMES, OUTLINE, animate_region, highlight
from ace3d_fast.report.players import MAX_PLAYER_BYTES
from ace3d_fast.types import Clip, SegmentedClip, Video

VIDEO = Video("waving/a.mp4", Path("a.mp4"), "waving", "a")


def half_mask(num_frames: int, side: int) -> np.ndarray:
    mask = np.zeros((num_frames, side, side), bool)
    mask[:, :, : side // 2] = True
    return mask


def test_the_region_keeps_its_colours_and_the_rest_is_muted():
    frames = np.full((1, 64, 64, 3), (200, 40, 40), np.uint8)
    (picture,) = highlight(frames, half_mask(1, 64), 64)
    pixels = np.asarray(picture)
    assert pixels[32, 10].tolist() == [200, 40, 40]
    outside = pixels[32, 50].astype(int)
    assert outside.max() < 90
    assert outside.max() - outside.min() < 20


def test_the_outline_runs_along_the_border_and_the_edge_of_the_picture():
    frames = np.zeros((1, 64, 64, 3), np.uint8)
    (picture,) = highlight(frames, half_mask(1, 64), 64)
    outlined = (np.asarray(picture) == OUTLINE).all(axis=2)
    assert outlined[32].nonzero()[0].tolist() == [0, 31, 32]
    assert outlined[0, :33].all()
    assert not outlined[0, 34:].any()


def test_a_frame_without_the_region_is_muted_whole():
    frames = np.full((2, 32, 32, 3), 200, np.uint8)
    mask = half_mask(2, 32)
    mask[1] = False
    _, absent = highlight(frames, mask, 32)
    assert np.unique(np.asarray(absent)).size == 1
    assert np.asarray(absent).max() < 130


def test_a_clip_plays_in_real_time_and_loops_for_ever():
    clip = disc_clip(VIDEO, 0)
    picture = animate_region(clip, 0, fps=7.5, side=192, max_bytes=100_000)
    with Image.open(io.BytesIO(picture.data)) as file:
        durations = [frame.copy().info["duration"] for frame in ImageSequence.Iterator(file)]
        assert file.info["loop"] == 0
        assert file.size == (picture.width, picture.height) == (192, 192)
    assert sum(durations) == 12 * 133 + LAST_FRAME_HOLD_MS


def test_a_smaller_budget_gives_a_smaller_file():
    clip = disc_clip(VIDEO, 0)
    full = animate_region(clip, 0, fps=7.5, side=192, max_bytes=100_000)
    small = animate_region(clip, 0, fps=7.5, side=192, max_bytes=len(full.data) // 2)
    assert len(small.data) <= len(full.data) // 2
    assert small.width < full.width


def test_a_wide_clip_keeps_its_shape():
    frames = np.zeros((1, 20, 40, 3), np.uint8)
    (picture,) = highlight(frames, np.zeros((1, 20, 40), bool), 192)
    assert picture.size == (192, 96)


def test_noise_which_no_codec_can_shorten_still_fits():
    clip = disc_clip(VIDEO, 0)
    noise = np.random.default_rng(0).integers(0, 256, clip.clip.frames.shape, np.uint8)
    clip.clip.frames[:] = torch.from_numpy(noise)
    assert len(animate_region(clip, 1, fps=7.5, side=192, max_bytes=MAX_CLIP_BYTES).data) <= MAX_CLIP_BYTES


def test_ten_concepts_fit_into_fifteen_megabytes():
    base64, chart_library, text = (MAX_TOTAL_BYTES + MAX_PLAYER_BYTES) * 4 / 3, 5_000_000, 500_000
    assert base64 + chart_library + text < 15_000_000


def test_of_a_long_clip_the_stretch_that_shows_the_region_plays():
    frames = torch.zeros(200, 16, 16, 3, dtype=torch.uint8)
    labels = torch.full((1, 200, 16, 16), -1, dtype=torch.int32)
    labels[0, 120:150, 4:8, 4:8] = 0
    clip = SegmentedClip(Clip(VIDEO, 0, 0.0, frames), labels, 1)
    picture = animate_region(clip, 0, fps=25, side=96, max_bytes=100_000)
    with Image.open(io.BytesIO(picture.data)) as file:
        shown = [np.asarray(frame.convert("RGB")).max() > 0 for frame in ImageSequence.Iterator(file)]
        durations = [frame.copy().info["duration"] for frame in ImageSequence.Iterator(file)]
    assert sum(durations) == MAX_FRAMES * 40 + LAST_FRAME_HOLD_MS
    assert sum(d for d, outlined in zip(durations, shown, strict=True) if outlined) >= 30 * 40


def test_the_loop_is_entered_where_the_region_is_seen_best_and_rests_at_its_end():
    frames = torch.zeros(5, 16, 16, 3, dtype=torch.uint8)
    frames += (40 * torch.arange(5, dtype=torch.uint8))[:, None, None, None]
    labels = torch.full((1, 5, 16, 16), -1, dtype=torch.int32)
    labels[0, 3, 4:12, 4:12] = 0
    clip = SegmentedClip(Clip(VIDEO, 0, 0.0, frames), labels, 1)
    picture = animate_region(clip, 0, fps=10, side=64, max_bytes=100_000)
    with Image.open(io.BytesIO(picture.data)) as file:
        played = [frame.convert("RGB").copy() for frame in ImageSequence.Iterator(file)]
        durations = [frame.copy().info["duration"] for frame in ImageSequence.Iterator(file)]
    assert durations == [100, 100 + LAST_FRAME_HOLD_MS, 100, 100, 100]
    assert abs(int(np.asarray(played[0])[32, 32].mean()) - 120) < 6
    background = [int(np.asarray(picture)[2, 2].mean()) for picture in played]
    assert background == sorted(background[:2]) + sorted(background[2:])
