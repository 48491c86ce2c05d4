from __future__ import annotations

import av
import numpy as np
import pytest
from video_files import frame_numbers, grey_frames, video_of

from ace3d_fast.errors import InputError
from ace3d_fast.video.decode import probe_video, read_all_frames
from ace3d_fast.video.write import VideoWriter, write_video


def test_written_frames_come_back(tmp_path):
    path = write_video(tmp_path / "new" / "folder" / "v.mp4", grey_frames(9), 8, crf=4)
    assert frame_numbers(read_all_frames(video_of(path), 32)) == list(range(9))
    assert probe_video(path).fps == 8


@pytest.mark.parametrize("fps", [2.5, 7.5, 30000 / 1001, 8])
def test_the_rate_is_kept(tmp_path, fps):
    path = write_video(tmp_path / "v.mp4", grey_frames(9), fps)
    assert probe_video(path).fps == pytest.approx(fps, rel=1e-6)


def test_browsers_can_play_it(tmp_path):
    with av.open(str(write_video(tmp_path / "v.mp4", grey_frames(4), 8))) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")


def test_odd_sides_are_padded_by_one(tmp_path):
    info = probe_video(write_video(tmp_path / "v.mp4", grey_frames(4, 31, 45), 8))
    assert (info.width, info.height) == (46, 32)


def test_same_frames_give_the_same_bytes_whatever_was_in_memory(tmp_path):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (8, 8, 3)).repeat(8, 0).repeat(8, 1)
    moving = np.stack([np.roll(coarse, 2 * i, 1) for i in range(16)])
    frames = (moving + rng.normal(0, 6, moving.shape)).clip(0, 255).astype(np.uint8)
    found = set()
    for i in range(6):
        left = [np.full(rng.integers(100, 200_000), 40 * i, np.uint8) for _ in range(40)]
        del left
        found.add(write_video(tmp_path / f"{i}.mp4", frames, 8, crf=12).read_bytes())
    assert len(found) == 1


def test_an_error_leaves_no_file_and_spares_the_old_one(tmp_path):
    path = tmp_path / "v.mp4"
    path.write_bytes(b"before")

    def frames_and_then_none():
        yield from grey_frames(3)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_video(path, frames_and_then_none(), 8)
    assert path.read_bytes() == b"before"
    assert [file.name for file in tmp_path.iterdir()] == ["v.mp4"]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros((32, 32, 3), np.float32), r"a frame to be \(H, W, 3\) uint8, got float32 of shape"),
        (np.zeros((32, 32), np.uint8), r"a frame to be \(H, W, 3\) uint8, got uint8 of shape \(32, 32\)"),
        (np.zeros((32, 64, 3), np.uint8), "a frame to be 32 by 32 px as the first, got 64 by 32 px"),
    ],
)
def test_a_wrong_frame_is_refused(tmp_path, frame, message):
    with pytest.raises(InputError, match=message):
        write_video(tmp_path / "v.mp4", [grey_frames(1)[0], frame], 8)
    assert list(tmp_path.iterdir()) == []


def test_no_frame_and_no_rate_are_refused(tmp_path):
    with pytest.raises(InputError, match="to get at least one frame, got none"):
        write_video(tmp_path / "v.mp4", [], 8)
    with pytest.raises(InputError, match="fps to be positive, got 0"):
        VideoWriter(tmp_path / "v.mp4", 0)
    assert list(tmp_path.iterdir()) == []


def test_mpeg4_stands_in_for_a_missing_encoder(tmp_path, monkeypatch):
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    path = write_video(tmp_path / "v.mp4", grey_frames(9), 8, crf=12)
    assert frame_numbers(read_all_frames(video_of(path), 32)) == list(range(9))
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
