from __future__ import annotations

import itertools
import os
import weakref
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from video_files import (
    frame_numbers,
    grey_frames,
    sampling,
    video_of,
    write_sound,
    write_with_times,
)

from ace3d_fast.errors import VideoError
from ace3d_fast.stages.clips import sample_clips
from ace3d_fast.types import ClipSampling, Video
from ace3d_fast.video import decode
from ace3d_fast.video.decode import probe_video, read_all_frames, read_clips
from ace3d_fast.video.inputs import list_videos
from ace3d_fast.video.write import write_video


def clip_numbers(path: Path, how: ClipSampling, **options: int) -> list[list[int]]:
    return [frame_numbers(clip.frames) for clip in read_clips(video_of(path), how, **options)]


def test_clips_follow_each_other_and_a_partial_one_is_dropped(tmp_path):
    path = write_video(tmp_path / "v.mp4", grey_frames(20), 8, crf=4)
    clips = list(read_clips(video_of(path), sampling(8, 8)))
    assert [frame_numbers(clip.frames) for clip in clips] == [list(range(8)), list(range(8, 16))]
    assert [(clip.index, clip.start_seconds) for clip in clips] == [(0, 0.0), (1, 1.0)]
    assert clips[0].frames.shape == (8, 32, 32, 3)
    assert clips[0].frames.dtype == torch.uint8


def test_a_slower_rate_takes_the_nearest_frames(tmp_path):
    path = write_video(tmp_path / "v.mp4", grey_frames(40), 24, crf=4)
    # 2.5 per second of 24 per second: every 9.6th frame, 0 9.6 19.2 28.8
    assert clip_numbers(path, sampling(4, 2.5)) == [[0, 10, 19, 29]]


def test_a_faster_rate_repeats_frames(tmp_path):
    path = write_video(tmp_path / "v.mp4", grey_frames(4), 5, crf=4)
    assert clip_numbers(path, sampling(8, 10)) == [[0, 0, 1, 1, 2, 2, 3, 3]]


def test_the_network_sees_every_stride_th_frame(tmp_path):
    path = write_video(tmp_path / "v.mp4", grey_frames(40), 30, crf=4)
    (clip,) = read_clips(video_of(path), sampling(3, 2.5, segment_fps=7.5))
    assert clip.stride == 3
    assert frame_numbers(clip.frames) == [0, 4, 8, 12, 16, 20, 24, 28, 32]
    assert frame_numbers(clip.network_frames) == [0, 12, 24]


def test_a_video_shorter_than_a_clip_repeats_its_last_frame(tmp_path):
    path = write_video(tmp_path / "v.mp4", grey_frames(5), 8, crf=4)
    assert clip_numbers(path, sampling(8, 8)) == [[0, 1, 2, 3, 4, 4, 4, 4]]


def test_a_tail_is_kept_if_asked_for(tmp_path):
    path = write_video(tmp_path / "v.mp4", grey_frames(10), 8, crf=4)
    assert clip_numbers(path, sampling(4, 8)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    clips = list(read_clips(video_of(path), sampling(4, 8), keep_tail=True))
    assert [frame_numbers(clip.frames) for clip in clips] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 9, 9]]
    assert [clip.num_repeated for clip in clips] == [0, 0, 2]
    assert [clip.start_seconds for clip in clips] == [0.0, 0.5, 1.0]


def test_limit_stops_early(tmp_path):
    path = write_video(tmp_path / "v.mp4", grey_frames(40), 8, crf=4)
    assert len(clip_numbers(path, sampling(4, 8), limit=2)) == 2


def test_variable_frame_rate_goes_by_time(tmp_path):
    times = [0, 100, 900, 1000, 1100, 2000]
    path = write_with_times(tmp_path / "v.mkv", grey_frames(6), times)
    # at 0, .5, 1 and 1.5 s; .5 s is nearer to .1 s than to .9 s only if the earlier of two equals is taken
    assert clip_numbers(path, sampling(4, 2)) == [[0, 1, 3, 4]]


def test_time_counts_from_the_first_frame(tmp_path):
    path = write_with_times(tmp_path / "v.mkv", grey_frames(6), [5000 + 250 * k for k in range(6)])
    assert clip_numbers(path, sampling(6, 4)) == [[0, 1, 2, 3, 4, 5]]


class _Frame:
    def __init__(self, time: float | None) -> None:
        self.time = time


@pytest.mark.parametrize(
    ("stamps", "seconds"),
    [
        ([None, None, None], [0.0, 0.1, 0.2]),
        ([3.0, None, 3.4], [0.0, 0.1, 0.4]),
        ([0.0, 0.1, -5.0, -4.9], [0.0, 0.1, 0.2, 0.3]),  # time begins again
        ([0.0, 0.1, 95443.0, 95443.1], [0.0, 0.1, 0.2, 0.3]),  # time leaps
        ([0.0, 0.0, 0.1], [0.0, 0.1, 0.2]),  # two frames at once
        ([0.0, 30.0], [0.0, 30.0]),  # a long still picture
    ],
)
def test_missing_and_broken_timestamps_follow_by_one_frame(tmp_path, monkeypatch, stamps, seconds):
    path = write_video(tmp_path / "v.mp4", grey_frames(4), 10)
    monkeypatch.setattr(decode, "_decode", lambda *_: iter([_Frame(stamp) for stamp in stamps]))
    assert [time for time, _ in decode._timed(path)] == pytest.approx(seconds)


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=20))
def test_time_only_advances(tmp_path_factory, stamps):
    path = tmp_path_factory.getbasetemp() / "advances.mp4"
    if not path.exists():
        write_video(path, grey_frames(4), 10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode, "_decode", lambda *_: iter([_Frame(stamp) for stamp in stamps]))
        seconds = [time for time, _ in decode._timed(path)]
    assert seconds[0] == 0.0
    assert all(later > earlier for earlier, later in itertools.pairwise(seconds))


def test_the_short_side_is_resized_and_the_centre_cut_out(tmp_path):
    frames = np.zeros((4, 64, 128, 3), np.uint8)
    frames[:, :, 32:64], frames[:, :, 64:96] = 200, 100  # the central square: left half 200, right half 100
    path = write_video(tmp_path / "v.mp4", frames, 4, crf=4)
    (clip,) = read_clips(video_of(path), sampling(4, 4, px=16))
    row = clip.frames[0, 8, :, 0].tolist()
    assert row[1:7] == pytest.approx([200] * 6, abs=4)
    assert row[9:15] == pytest.approx([100] * 6, abs=4)


def test_shrinking_does_not_alias(tmp_path):
    frames = np.zeros((2, 128, 128, 3), np.uint8)
    frames[:, :, ::2] = 240  # one-pixel stripes: any eighth-size picture of them is grey
    path = write_video(tmp_path / "v.mp4", frames, 2, crf=1)
    (clip,) = read_clips(video_of(path), sampling(2, 2, px=16))
    assert clip.frames[:, 2:-2, 2:-2].float().std() < 3
    assert clip.frames.float().mean() == pytest.approx(120, abs=6)


def test_colours_are_right_on_average(tmp_path):
    """Against the BT.601 formula on the planes; swscale's quicker ways are one grey level too dark."""
    noise = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    smooth = noise.repeat(8, axis=1).repeat(8, axis=2)
    path = write_video(tmp_path / "v.mp4", smooth, 2)
    with av.open(str(path)) as container:
        planes = [plane_of(plane) for plane in next(container.decode(video=0)).planes]
    y, u, v = planes[0] - 16, *(plane.repeat(2, 0).repeat(2, 1) - 128 for plane in planes[1:])
    red, blue = y * 1.16438 + v * 1.59603, y * 1.16438 + u * 2.01723
    exact = np.stack([red, y * 1.16438 - u * 0.39176 - v * 0.81297, blue], 2)
    for px in (128, 64):
        (clip,) = read_clips(video_of(path), sampling(2, 2, px=px))
        bias = clip.frames[0].double().mean((0, 1)).numpy() - exact.clip(0, 255).mean((0, 1))
        assert np.abs(bias).max() < 0.3


def plane_of(plane: av.video.plane.VideoPlane) -> np.ndarray:
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width].astype(float)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_rotated_recording_is_turned_upright(tmp_path, degrees):
    upright = np.zeros((4, 64, 32, 3), np.uint8)
    upright[:, :16] = 250  # the top quarter is white
    stored = np.ascontiguousarray(np.rot90(upright, -degrees // 90, axes=(1, 2)))
    plain = write_video(tmp_path / "plain.mp4", stored, 4, crf=4)
    path = tmp_path / "turned.mp4"
    with av.open(str(plain)) as given, av.open(str(path), "w") as out:
        stream = given.streams.video[0]
        copy = out.add_stream_from_template(stream)
        copy.set_display_rotation(degrees)
        for packet in given.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                out.mux(packet)
    assert next(iter(av.open(str(path)).decode(video=0))).rotation % 360 == degrees % 360
    (clip,) = read_clips(video_of(path), ClipSampling(4, 4, 32, 32, 4))
    top, rest = clip.frames[0, :, 0, 0][:1].float(), clip.frames[0, 4:].float()
    assert rest.mean() < 10  # centre 32 rows of 64: rows 16 to 48, all black
    assert top < 60
    squashed = read_all_frames(video_of(path), 32)
    assert squashed[0, 1:7].float().mean() > 230
    assert squashed[0, 9:].float().mean() < 15


def test_a_whole_video_of_fewer_frames_than_the_network_sees_repeats_its_last(tmp_path):
    path = write_video(tmp_path / "v.mp4", grey_frames(5), 8, crf=4)
    ((clip,),) = sample_clips([video_of(path)], sampling(8, 8), whole=True)
    assert frame_numbers(clip.frames) == [0, 1, 2, 3, 4, 4, 4, 4]
    assert clip.num_repeated == 3


def test_all_frames_are_squashed_to_a_square(tmp_path):
    path = write_video(tmp_path / "v.mp4", grey_frames(7, 32, 64), 8, crf=4)
    frames = read_all_frames(video_of(path), 24)
    assert frames.shape == (7, 24, 24, 3)
    assert frame_numbers(frames) == list(range(7))


def test_decoding_twice_gives_the_same_bytes(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (12, 64, 96, 3), dtype=np.uint8)
    path = write_video(tmp_path / "v.mp4", noise, 8)
    first, second = (list(read_clips(video_of(path), sampling(4, 8))) for _ in range(2))
    assert all(torch.equal(a.frames, b.frames) for a, b in zip(first, second, strict=True))


def test_probing_tells_the_facts(tmp_path):
    path = write_video(tmp_path / "v.mp4", grey_frames(12, 32, 64), 8)
    info = probe_video(path)
    assert (info.num_frames, info.fps, info.width, info.height) == (12, 8.0, 64, 32)
    assert info.duration_seconds == pytest.approx(1.5)


def test_memory_does_not_grow_with_the_length(tmp_path):
    """A reader that holds what it has read would hold hundreds of frames here."""
    path = write_video(tmp_path / "v.mp4", (frame for _ in range(30) for frame in grey_frames(10)), 10)
    alive: list[int] = []
    real = decode._to_rgb
    refs: list[weakref.ref[np.ndarray]] = []

    def counted(*args):
        rgb = real(*args)
        refs.append(weakref.ref(rgb))
        alive.append(sum(ref() is not None for ref in refs))
        return rgb

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode, "_to_rgb", counted)
        for _ in read_clips(video_of(path), sampling(5, 10)):
            pass
    assert len(alive) == 300
    assert max(alive) <= 2


def bad_videos(folder: Path) -> dict[str, Path]:
    whole = write_video(folder / "whole.mp4", noise_frames(60), 10)
    data = whole.read_bytes()
    made = {}
    for name, content in {
        "text.mp4": b"hello, world\n" * 40,
        "empty.mp4": b"",
        "half of a streamable.mp4": data[: len(data) // 2],
    }.items():
        made[name] = folder / name
        made[name].write_bytes(content)
    times = [100 * k for k in range(60)]
    for suffix in ("mp4", "mkv", "avi"):
        file = write_with_times(folder / f"half.{suffix}", noise_frames(60), times)
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        made[file.name] = file
    made["audio.mp4"] = write_sound(folder / "audio.mp4")
    made["one frame.mp4"] = write_video(folder / "one frame.mp4", grey_frames(1), 10)
    made["no frame.mp4"] = no_frames(folder / "no frame.mp4")
    made["absent.mp4"] = folder / "absent.mp4"
    made["folder.mp4"] = folder / "folder.mp4"
    made["folder.mp4"].mkdir()
    return made


def noise_frames(num_frames: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (num_frames, 64, 64, 3), dtype=np.uint8)


def no_frames(path: Path) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        out.start_encoding()
    return path


REASONS = {
    "text.mp4": "to be a video, got a file of 520 bytes that FFmpeg cannot open",
    "empty.mp4": "to be a video, got an empty file",
    "half of a streamable.mp4": r"to be whole, got \d+ % of its announced length; the file is truncated",
    "half.mp4": "to be a video, got a file of .* it is truncated or no video",
    "half.mkv": r"to be whole, got \d+ % of its announced length; the file is truncated",
    "half.avi": r"to be whole, got \d+ % of its announced length; the file is truncated",
    "audio.mp4": "to hold moving pictures, got a file with audio only",
    "one frame.mp4": "to hold at least 2 frames, got a single frame",
    "no frame.mp4": "to hold at least 2 frames, got no frame|to hold moving pictures",
    "absent.mp4": "to be a video file, got no such file",
    "folder.mp4": "to be a video file, got a folder",
}


@pytest.fixture(scope="module")
def bad(tmp_path_factory):
    return bad_videos(tmp_path_factory.mktemp("bad"))


@pytest.mark.parametrize("name", REASONS)
def test_a_bad_video_has_one_line_that_says_why(bad, name, capfd):
    path = bad[name]
    with pytest.raises(VideoError, match=REASONS[name]) as caught:
        list(read_clips(video_of(path), sampling(4, 10)))
    with pytest.raises(VideoError):
        read_all_frames(video_of(path), 16)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)
    out, err = capfd.readouterr()
    assert out + err == ""  # FFmpeg keeps quiet


def test_a_video_with_a_scratch_is_read_and_one_with_more_damage_is_refused(tmp_path):
    whole = write_video(tmp_path / "whole.mp4", noise_frames(60), 10)
    data = bytearray(whole.read_bytes())
    start = data.index(b"mdat") + len(data) // 2
    data[start : start + 40] = os.urandom(40)
    (tmp_path / "scratch.mp4").write_bytes(data)
    assert len(list(read_clips(video_of(tmp_path / "scratch.mp4"), sampling(4, 10)))) >= 10
    begin = len(data) * 2 // 3
    (tmp_path / "worn.mp4").write_bytes(bytes(data[:begin]) + b"\xff" * (len(data) - begin))
    with pytest.raises(
        VideoError, match=r"to decode, got \d+ of 6\d packets that do not; the file is damaged"
    ):
        list(read_clips(video_of(tmp_path / "worn.mp4"), sampling(4, 10)))
    begin = data.index(b"mdat") + 600
    data[begin:] = b"\xff" * (len(data) - begin)
    (tmp_path / "rubble.mp4").write_bytes(data)
    with pytest.raises(VideoError):
        list(read_clips(video_of(tmp_path / "rubble.mp4"), sampling(4, 10)))


def test_real_clips_match_the_golden_pixels(real_data):
    """Golden clips were cut by float arithmetic on full-size RGB frames; each is the second of its video."""
    golden = np.load(real_data / "x3d_xs" / "golden.npz")
    videos: dict[str, Video] = {video.id: video for video in list_videos([real_data / "videos"])}
    differences = {}
    for name, clip in zip(golden["names"], golden["clips"], strict=True):
        if name in videos:
            how = ClipSampling(4, 2.5, 182, 160)
            found = list(read_clips(videos[name], how, limit=2))[1].network_frames
            differences[str(name)] = np.abs(found.numpy().astype(float) - clip).mean()
    coloured = "juggling_soccer_ball/05_default_juggle.mp4"  # tagged BT.709, golden read as BT.601
    assert differences.pop(coloured) < 8
    assert len(differences) >= 4
    assert max(differences.values()) < 1.5  # grey levels


def test_frames_beyond_the_limit_are_refused_before_they_are_decoded(tmp_path):
    path = write_video(tmp_path / "v.mp4", grey_frames(8), 8)
    small = ClipSampling(4, 8, 32, 32, max_frame_pixels=32 * 32 - 1)
    with pytest.raises(VideoError, match="frames of at most 1023 pixels, got 32 x 32; raise --max-frame-pix"):
        next(read_clips(video_of(path), small))
    assert len(list(read_clips(video_of(path), replace(small, max_frame_pixels=32 * 32)))) == 2


def test_a_strip_that_would_be_resized_to_a_huge_picture_is_refused(tmp_path):
    path = write_video(tmp_path / "v.mp4", grey_frames(4, 16, 2048), 8)
    how = ClipSampling(4, 8, 224, 224, max_frame_pixels=10**6)
    with pytest.raises(VideoError, match="got 28672 x 224"):
        next(read_clips(video_of(path), how))


def test_hours_of_a_picture_that_stands_still_are_refused(tmp_path):
    """A few packets, each a minute after the one before."""
    path = write_with_times(tmp_path / "v.mkv", grey_frames(9), [59_000 * k for k in range(9)])
    how = ClipSampling(4, 8, 32, 32, max_hours=0.1)
    with pytest.raises(VideoError, match=r"to last at most 0\.1 hours, got 0\.1; raise --max-hours"):
        list(read_clips(video_of(path), how))
    assert len(list(read_clips(video_of(path), replace(how, max_hours=1)))) > 900
