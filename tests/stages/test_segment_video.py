"""A video becomes label maps and an overlay, in windows, whole or not at all."""

import json

import av
import numpy as np
import pytest

from ace3d_fast.config import SegmentOptions
from ace3d_fast.errors import InputError, VideoError
from ace3d_fast.ops import stream_supervoxels
from ace3d_fast.stages.segment_video import OUTLINE, draw_outlines, segment_video
from ace3d_fast.video.decode import read_frames
from ace3d_fast.video.write import write_video

OPTIONS = SegmentOptions(num_regions=(4, 8))


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """40 frames at 10 per second, 48 × 64: a bright square wanders over a ramp."""
    frames = np.zeros((40, 48, 64, 3), np.uint8)
    frames[:] = np.linspace(0, 120, 64, dtype=np.uint8)[None, None, :, None]
    for t, frame in enumerate(frames):
        frame[10:30, t : t + 20] = (250, 60, 60)
    return write_video(tmp_path_factory.mktemp("video") / "square.mp4", frames, 10)


@pytest.fixture(scope="module")
def made(video, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "square"
    return segment_video(video, out, OPTIONS, fps=10, resize_px=48, window_frames=16, overlap_frames=4)


def labels_of(made, index):
    with np.load(made.folder / "labels" / f"{index:05d}.npz") as file:
        return file["labels"]


def test_parts_follow_each_other_and_the_last_one_is_what_is_left(made):
    assert (made.num_frames, made.num_windows) == (40, 3)
    assert [labels_of(made, i).shape[1] for i in range(3)] == [14, 12, 14]
    windows = json.loads((made.folder / "windows.json").read_text())["windows"]
    assert [w["start_seconds"] for w in windows] == [0.0, 1.4, 2.6]
    assert [w["num_regions"] for w in windows] == [
        [len(np.unique(m)) for m in labels_of(made, i)] for i in range(3)
    ]
    highest = np.max([labels_of(made, i).max(axis=(1, 2, 3)) for i in range(3)], axis=0)
    assert made.num_regions == tuple(highest + 1)


def test_labels_are_those_of_the_stream(made, video):
    stream = stream_supervoxels(read_frames(video, 10, 48), (4, 8), window_frames=16, overlap_frames=4)
    for index, part in enumerate(stream):
        assert np.array_equal(labels_of(made, index), part.labels.numpy())


def test_the_overlay_has_every_frame_and_a_panel_for_each_resolution(made):
    with av.open(str(made.folder / "overlay.mp4")) as file:
        shapes = {frame.to_ndarray(format="rgb24").shape for frame in file.decode(video=0)}
        assert float(file.streams.video[0].average_rate) == 10
        assert file.streams.video[0].frames == 40
    assert shapes == {(4 * 48, 2 * 4 * 64, 3)}


def test_outlines_run_between_regions():
    frame = np.zeros((200, 4, 3), np.uint8)
    labels = np.zeros((200, 4), np.int32)
    labels[:, 2:] = 1
    panels = draw_outlines(frame, [labels, np.zeros_like(labels)])
    assert (panels[0] == OUTLINE).all(axis=1).tolist() == [False, False, True, False] + [False] * 4


def test_the_folder_holds_nothing_else(made):
    assert sorted(path.name for path in made.folder.iterdir()) == [
        "config.json",
        "labels",
        "overlay.mp4",
        "windows.json",
    ]


def test_the_picture_keeps_its_shape(video):
    assert {tuple(frame.shape) for frame in read_frames(video, 5, 24)} == {(24, 32, 3)}


def test_a_bad_video_or_option_leaves_nothing_behind(video, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(video.read_bytes()[:900])
    out = tmp_path / "out"
    with pytest.raises(VideoError, match=r"broken\.mp4"):
        segment_video(broken, out)
    with pytest.raises(InputError, match="num_regions"):
        segment_video(video, out, SegmentOptions(num_regions=()))
    with pytest.raises(InputError, match="fps to be positive, got 0"):
        segment_video(video, out, fps=0)
    with pytest.raises(InputError, match="segment: expected fps to be positive, got nan"):
        segment_video(video, out, fps=float("nan"))
    with pytest.raises(InputError, match=r"fps and resize_px to be positive, got 7\.5 and 0"):
        segment_video(video, out, resize_px=0)
    with pytest.raises(InputError, match="expected window_frames an integer of at least 1, got 0"):
        segment_video(video, out, window_frames=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.mp4"]


def test_another_segmentation_is_not_overwritten(made, video):
    before = labels_of(made, 0)
    with pytest.raises(InputError, match=r"made with num_regions \[4, 8\] \(now \[5\]\)"):
        segment_video(
            video, made.folder, SegmentOptions(num_regions=(5,)), fps=10, resize_px=48, window_frames=16
        )
    assert np.array_equal(labels_of(made, 0), before)
