"""Regions that are no supervoxels: each source, its formats, and what is malformed."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.ndimage import gaussian_filter

from ace3d_fast import explain
from ace3d_fast.api import run_options
from ace3d_fast.config import FeatureOptions, SegmentOptions
from ace3d_fast.describer import Describer
from ace3d_fast.errors import InputError, VideoError
from ace3d_fast.models.network import Network
from ace3d_fast.models.planted import PlantedNet
from ace3d_fast.models.registry import KINETICS
from ace3d_fast.regions.files import open_labels
from ace3d_fast.regions.folder import RegionFolder
from ace3d_fast.regions.shapes import box_mask, capsule_mask, decode_rle
from ace3d_fast.regions.source import TubeletGrid, open_source
from ace3d_fast.stages.features import describe_regions
from ace3d_fast.stages.supervoxels import cut_supervoxels
from ace3d_fast.types import Clip, ClipSampling, Video
from ace3d_fast.video.decode import read_clips
from ace3d_fast.video.planted import CLASSES, PRIMITIVES, SAMPLING, read_truth, write_planted_videos
from ace3d_fast.video.write import write_video

WHOLE = (np.arange(4), np.arange(6))  # all rows and columns of a frame of 4 by 6


def clip_of(*shape: int) -> Clip:
    return Clip(Video("a", Path("a"), "a", "a"), 0, 0.0, torch.zeros(*shape, 3, dtype=torch.uint8))


def write_ids(path: Path, labels: np.ndarray, fps: int = 8) -> None:
    """Labels (T, H, W) as a grey, lossless video."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=fps)
        stream.height, stream.width, stream.pix_fmt = *labels.shape[1:], "gray"
        for frame in labels.astype(np.uint8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "gray")))
        container.mux(stream.encode())


# Grids ------------------------------------------------------------------------------------------


def test_a_grid_cuts_a_clip_into_equal_boxes():
    source = open_source("grid:2x4x3", SAMPLING)
    assert source == TubeletGrid(2, 4, 3)
    (labels,) = source.label_clips([clip_of(4, 8, 9)])
    assert labels.shape == (1, 4, 8, 9)
    assert torch.bincount(labels.flatten()).tolist() == [4 * 8 * 9 // 24] * 24
    assert labels[0, 2, 6, 8] == 1 * 12 + 3 * 3 + 2  # second in time, last row, last column
    ((_, table),) = cut_supervoxels([clip_of(4, 8, 9)], SegmentOptions(), source=source)
    assert table["t1"].tolist() == [2] * 12 + [4] * 12
    assert set(table["resolution"]) == {24}


@pytest.mark.parametrize("spec", ["grid:2x4", "grid:0x1x1", "flow:0", "gird:1x1x1", "no/such/folder"])
def test_another_spec_is_refused(spec):
    with pytest.raises(InputError, match=r"regions to be supervoxels, grid:TxHxW, flow, flow:N or a folder"):
        open_source(spec, SAMPLING)
    assert open_source("supervoxels", SAMPLING) is None


def test_a_grid_finer_than_the_clip_is_refused():
    with pytest.raises(
        InputError, match=r"at most a voxel a box \(5x1x1\), got a clip of 4 by 8 by 8 voxels"
    ):
        TubeletGrid(5, 1, 1).label_clips([clip_of(4, 8, 8)])


# Flow -------------------------------------------------------------------------------------------


def texture(rng: np.random.Generator, side: int) -> np.ndarray:
    smooth = gaussian_filter(rng.normal(size=(side, side, 3)), (1.5, 1.5, 0))
    return (255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)


def test_flow_tells_apart_what_moves_apart():
    pytest.importorskip("cv2")
    rng = np.random.default_rng(0)
    frames = np.repeat(texture(rng, 96)[None], 8, axis=0)
    masks = np.zeros((2, 8, 96, 96), dtype=np.bool_)
    moving = texture(rng, 28)  # the same picture twice: only motion tells them apart
    for t in range(8):
        for mover, (y, x) in enumerate([(8, 6 + 3 * t), (56, 62 - 3 * t)]):
            frames[t, y : y + 28, x : x + 28] = moving
            masks[mover, t, y : y + 28, x : x + 28] = True
    clip = Clip(Video("a", Path("a"), "a", "a"), 0, 0.0, torch.from_numpy(frames))
    (labels,) = open_source("flow:20", SAMPLING).label_clips([clip])
    assert labels.shape == (1, 8, 96, 96)
    values = labels[0].numpy()
    owners = []
    for mask in masks:
        inside = np.bincount(values[mask], minlength=values.max() + 1)
        purity = inside / np.bincount(values.flatten())
        owners.append(set(np.flatnonzero(purity > 0.5)))
        assert inside[purity > 0.5].sum() > 0.8 * mask.sum()  # most of it lies in segments of its own
    assert not owners[0] & owners[1]


def test_a_missing_opencv_is_told(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(InputError, match=r"OpenCV to be installed, got .*; pip install 'ace3d_fast\[flow\]'"):
        open_source("flow", SAMPLING)


# Shapes -----------------------------------------------------------------------------------------


def test_run_lengths_go_down_the_columns():
    mask = decode_rle({"size": [2, 3], "counts": [1, 2, 3]})
    assert mask.tolist() == [[False, True, False], [True, False, False]]


def rle_text(runs: list[int]) -> str:
    """As pycocotools writes them."""
    text = ""
    for i, run in enumerate(runs):
        value, more = run - (runs[i - 2] if i > 2 else 0), True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != (-1 if bits & 0x10 else 0)
            text += chr((bits | 0x20 if more else bits) + 48)
    return text


def test_compressed_run_lengths_are_those_that_were_written():
    rng = np.random.default_rng(0)
    for density in (0.02, 0.5):
        mask = rng.random((40, 70)) < density
        flat = mask.T.flatten()
        ends = np.flatnonzero(np.diff(np.concatenate([[False], flat]).astype(np.int8))).tolist()
        runs = np.diff([0, *ends, flat.size]).tolist()
        for counts in (runs, rle_text(runs)):
            assert np.array_equal(decode_rle({"size": [40, 70], "counts": counts}), mask)
    assert rle_text([6, 1, 40, 4, 5, 4, 5, 4, 21]) == "61X13mN000`0"  # an example of pycocotools


@pytest.mark.parametrize("counts", [[1, 2], [7, -1], "61", "~~", "a"])
def test_run_lengths_that_do_not_fill_the_mask_are_refused(counts):
    with pytest.raises(ValueError, match=r"runs of|run lengths"):
        decode_rle({"size": [2, 3], "counts": counts})


def test_boxes_and_capsules_hold_the_pixels_whose_centres_they_hold():
    assert box_mask([1, 0, 2, 3], (4, 6)).nonzero()[0].tolist() == [0, 0, 1, 1, 2, 2]
    capsule = capsule_mask([1.5, 1.5], [4.5, 1.5], 1.0, (4, 6))
    assert capsule.astype(int).tolist() == [
        [0, 1, 1, 1, 1, 0],
        [1, 1, 1, 1, 1, 1],
        [0, 1, 1, 1, 1, 0],
        [0, 0, 0, 0, 0, 0],
    ]
    assert capsule_mask([2.5, 2.5], [2.5, 2.5], 0.5, (4, 6)).sum() == 1  # a point


# Files ------------------------------------------------------------------------------------------


def test_a_label_volume_comes_back(tmp_path):
    labels = np.random.default_rng(0).integers(-1, 9, (2, 5, 4, 6))
    np.savez(tmp_path / "a.npz", labels=labels, fps=4.0)
    found = open_labels(tmp_path / "a.npz")
    assert (found.size, found.fps, found.num_frames) == ((4, 6), 4.0, 5)
    assert np.array_equal(found.read([0, 2, 4], WHOLE), labels[:, [0, 2, 4]])


def test_labels_beyond_32_bits_do_not_wrap_around(tmp_path):
    labels = np.zeros((1, 4, 6), dtype=np.int64)
    labels[0, 0] = np.iinfo(np.int64).min  # background, by its low bits region 0
    np.savez(tmp_path / "a.npz", labels=labels)
    assert (open_labels(tmp_path / "a.npz").read([0], WHOLE)[0, 0, 0] < 0).all()
    np.savez(tmp_path / "a.npz", labels=labels + 2**32)
    with pytest.raises(InputError, match="region 4294967296, above 2147483647"):
        open_labels(tmp_path / "a.npz")


def test_a_video_of_ids_comes_back(tmp_path):
    ids = np.random.default_rng(0).integers(0, 256, (5, 48, 64))
    write_ids(tmp_path / "a.mkv", ids)
    found = open_labels(tmp_path / "a.mkv")
    assert (found.size, found.fps, found.num_frames) == ((48, 64), 8.0, 5)
    places = (np.arange(0, 48, 2), np.arange(64))
    assert np.array_equal(found.read([1, 3], places)[0], ids[[1, 3], ::2] - 1)


def write_json(path: Path, objects: list[dict[str, object]], **more: object) -> Path:
    path.write_text(json.dumps({"width": 6, "height": 4, "fps": 2, "objects": objects, **more}))
    return path


def test_objects_stand_where_their_shapes_say(tmp_path):
    rle = {"size": [4, 6], "counts": [0, 4, 20]}  # the left column
    box, covered = {"box": [3, 0, 3, 4]}, {"box": [5, 0, 1, 1]}
    objects = [{"frames": {"0": {"rle": rle}}}, {"frames": {"0": box, "1": box}}, {"frames": {"1": covered}}]
    found = open_labels(write_json(tmp_path / "a.json", objects)).read([0, 1, 2], WHOLE)
    assert found.shape == (2, 3, 4, 6)  # the third object covers the second
    assert found[0, 0, 0].tolist() == [0, -1, -1, 1, 1, 1]
    assert found[0, 1, 0].tolist() == [-1, -1, -1, 1, 1, 1]
    assert found[1, 1, 0].tolist() == [-1] * 5 + [2]
    assert (found[:, 2] == -1).all()


def test_each_bone_between_keypoints_is_a_region(tmp_path):
    frames = {
        "0": {"keypoints": [[0.5, 0.5], [3.5, 0.5], [3.5, 3.5]]},
        "1": {"keypoints": [[0.5, 0.5, 2], [3.5, 0.5, 0], None]},
    }
    about = {"bones": [[0, 1], [1, 2]], "radius_px": 0.4}
    path = write_json(tmp_path / "a.json", [{"frames": frames}], **about)
    found = open_labels(path).read([0, 1], WHOLE)
    assert found[0, 0, 0].tolist() == [0, 0, 0, 0, -1, -1]
    assert found[1, 0, :, 3].tolist() == [1, 1, 1, 1]  # they meet in a keypoint, so in a map of its own
    assert (found[:, 1] == -1).all()  # not seen


def of_one_shape(shape: dict[str, object]) -> bytes:
    return json.dumps({"height": 4, "width": 6, "objects": [{"frames": {"0": shape}}]}).encode()


@pytest.mark.parametrize(
    ("name", "content", "fact"),
    [
        ("a.npz", b"no zip", "pickled"),
        ("a.npz", {"masks": np.zeros((1, 2, 2), np.int32)}, "labels"),
        ("a.npz", {"labels": np.zeros((1, 2, 2))}, r"labels of shape \(1, 2, 2\) and type float64"),
        ("a.npz", {"labels": np.zeros((2, 2), np.int32)}, r"labels of shape \(2, 2\)"),
        ("a.npz", {"labels": np.zeros((1, 2, 2), np.int32), "fps": 0.0}, r"fps 0\.0"),
        ("a.mkv", b"no video", "Invalid data"),
        ("a.json", b"{", "Expecting"),
        ("a.json", b'{"height": 4, "width": 6}', "none of the name 'objects'"),
        ("a.json", of_one_shape({"circle": 1}), "'rle'"),
        ("a.json", of_one_shape({"box": [1, 1, 0, 2]}), "a box of"),
        ("a.json", of_one_shape({"rle": {"size": [2, 2], "counts": [4]}}), r"a mask of \(2, 2\) in frames"),
        ("a.json", of_one_shape({"keypoints": [[1, 1]]}), "radius_px"),
    ],
)  # fmt: skip
def test_a_malformed_file_is_refused_in_one_line(tmp_path, name, content, fact):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.savez(path, **content)
    with pytest.raises(
        InputError, match=f"regions: expected .*{name} to be a label file, got .*{fact}"
    ) as caught:
        open_labels(path).read([0], WHOLE)
    assert "\n" not in str(caught.value)


def test_a_video_in_colour_is_refused(tmp_path):
    write_video(tmp_path / "a.mp4", np.zeros((4, 16, 16, 3), np.uint8), 8)
    with pytest.raises(InputError, match=r"a\.mp4 to be a label file, got a video in yuv420p, not in grey"):
        open_labels(tmp_path / "a.mp4")


# Folders ----------------------------------------------------------------------------------------


def video_of(folder: Path, num_frames: int = 16, size: tuple[int, int] = (48, 64), fps: int = 8) -> Video:
    """A bright square that moves with time over a dark ground; `square_labels` says where."""
    frames = np.zeros((num_frames, *size, 3), dtype=np.uint8)
    frames[square_labels(num_frames, size) == 0] = 255
    (folder / "a").mkdir(parents=True, exist_ok=True)
    write_video(folder / "a" / "v.mp4", frames, fps, crf=1)
    return Video("a/v.mp4", folder / "a" / "v.mp4", "a", "a/v.mp4")


def square_labels(num_frames: int, size: tuple[int, int]) -> np.ndarray:
    labels = np.full((num_frames, *size), -1, dtype=np.int32)
    for t in range(num_frames):
        labels[t, 10:30, 8 + 2 * t : 24 + 2 * t] = 0
    return labels


@pytest.mark.parametrize("suffix", ["npz", "mkv"])
@pytest.mark.parametrize("fps", [8.0, 4.0])
def test_labels_lie_on_the_clips_they_were_made_for(tmp_path, suffix, fps):
    """Whatever the size, the crop and the rates: the labels are where the picture is bright."""
    video = video_of(tmp_path / "videos")
    labels = square_labels(16, (48, 64))
    (tmp_path / "labels/a").mkdir(parents=True)
    if suffix == "npz":
        np.savez(tmp_path / "labels/a/v.npz", labels=labels)
    else:
        write_ids(tmp_path / "labels/a/v.mkv", labels + 1)
    sampling = ClipSampling(4, fps, 36, 32, target_segment_fps=fps)
    source = open_source(str(tmp_path / "labels"), sampling)
    clips = list(read_clips(video, sampling))
    assert len(clips) == (4 if fps == 8 else 2)
    for clip, found in zip(clips, source.label_clips(clips), strict=True):
        bright = clip.frames.float().mean(-1) > 127
        agree = ((found[0] == 0) == bright).float().mean()
        assert agree > 0.97  # but for edges
        assert bright.any()


@pytest.mark.parametrize("suffix", ["npz", "mkv"])
def test_of_two_label_frames_equally_near_the_earlier_is_taken(tmp_path, suffix):
    video = video_of(tmp_path / "videos")
    (tmp_path / "labels/a").mkdir(parents=True)
    labels = np.broadcast_to(np.arange(8)[:, None, None], (8, 48, 64))
    if suffix == "npz":
        np.savez(tmp_path / "labels/a/v.npz", labels=labels, fps=4.0)
    else:
        write_ids(tmp_path / "labels/a/v.mkv", labels + 1, fps=4)
    sampling = ClipSampling(4, 8.0, 36, 32)
    (first, *_) = open_source(str(tmp_path / "labels"), sampling).label_clips(
        list(read_clips(video, sampling))
    )
    assert first[0, :, 0, 0].tolist() == [0, 0, 1, 1]  # at 0, 1/8, 2/8 and 3/8 s


def test_the_limits_of_videos_are_those_of_the_run(tmp_path):
    video = video_of(tmp_path / "videos")
    (tmp_path / "labels/a").mkdir(parents=True)
    np.savez(tmp_path / "labels/a/v.npz", labels=square_labels(16, (48, 64)))
    sampling = ClipSampling(4, 8.0, 36, 32)
    clips = list(read_clips(video, sampling))
    source = open_source(str(tmp_path / "labels"), replace(sampling, max_frame_pixels=48 * 64 - 1))
    with pytest.raises(VideoError, match="frames of at most 3071 pixels"):
        source.label_clips(clips)


def test_the_pipeline_goes_on_from_files(tmp_path):
    """Two clips, one without any region."""
    video = video_of(tmp_path / "videos")
    labels = square_labels(16, (48, 64))
    labels[8:] = -1
    (tmp_path / "labels/a").mkdir(parents=True)
    np.savez(tmp_path / "labels/a/v.npz", labels=np.stack([labels, labels + 7 * (labels >= 0)]))
    sampling = ClipSampling(8, 8.0, 64, 64, target_segment_fps=8.0)
    source = RegionFolder(tmp_path / "labels", sampling)
    clips = list(read_clips(video, sampling))
    cut = cut_supervoxels(clips, SegmentOptions(max_jaccard=1.0), source=source)
    assert [segmented.num_regions for segmented, _ in cut] == [2, 0]
    assert cut[0][1]["index"].tolist() == [0, 1]
    only_one = cut_supervoxels(clips, SegmentOptions(), source=source)
    assert [segmented.num_regions for segmented, _ in only_one] == [1, 0]  # the second map is the first again
    network = Network(PlantedNet(), "conv4", KINETICS, CLASSES)
    found = describe_regions(cut, network, FeatureOptions(), num_frames=8, class_index=0)
    assert [len(part.features) for part in found] == [2, 0]


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("a/other.npz", (16, 48, 64), "one label file for a/v.mp4 to exist, got none at .*labels/a/v"),
        (
            "a/v.npz",
            (6, 48, 64),
            "as long as its video, got labels of 0.75 s for a clip that begins at 0.00 s",
        ),
        ("a/v.npz", (16, 48, 48), "of its video's shape, got 48 by 48 pixels for a video of 64 by 48"),
        ("a/v.txt", (16, 48, 64), "of label files, got .* without"),
    ],
)
def test_a_file_that_does_not_fit_its_video_is_refused(tmp_path, name, shape, message):
    video = video_of(tmp_path / "videos")
    path = tmp_path / "labels" / name
    path.parent.mkdir(parents=True)
    with path.open("wb") as out:
        np.savez(out, labels=np.zeros(shape, np.int32))
    sampling = ClipSampling(16, 8.0, 48, 48)
    with pytest.raises(InputError, match=message):
        RegionFolder(tmp_path / "labels", sampling).label_clips(list(read_clips(video, sampling)))


# Runs -------------------------------------------------------------------------------------------


class Halves:
    """A source of one's own: left and right."""

    def label_clips(self, clips, frames=None):
        return [(torch.arange(64) // 32).int().expand(1, *clip.frames.shape[:2], 64) for clip in clips]


@pytest.fixture(scope="module")
def truth_folder(tmp_path_factory) -> Path:
    """Planted videos with their exact masks as label files."""
    folder = tmp_path_factory.mktemp("truth")
    videos = write_planted_videos(folder, videos_per_class=5, seed=1)
    for name in CLASSES[3:]:
        shutil.rmtree(videos / name)
    for video in videos.rglob("*.mp4"):
        masks, _ = read_truth(video)
        labels = np.full(masks.shape[1:], -1, dtype=np.int32)
        for number in range(len(PRIMITIVES)):
            labels[masks[number]] = number
        path = folder / "labels" / video.relative_to(videos).with_suffix(".npz")
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, labels=labels)
    return folder


@pytest.mark.parametrize("regions", ["grid:2x4x4", "labels", "own"])
def test_a_run_takes_its_regions_from_elsewhere(truth_folder, tmp_path, regions):
    given = {"labels": truth_folder / "labels", "own": Halves()}.get(regions, regions)
    run = explain(
        truth_folder / "videos",
        target_class=CLASSES[0],
        model="planted:net",
        out=tmp_path / "run",
        regions=given,
        num_clusters=2,
        forwards_per_concept=4,
    )
    sizes = run.regions.groupby("clip_id")["index"].count()
    if regions == "labels":
        assert sizes.between(3, 4).all()  # a primitive that decides, two or three that do not
        assert run.config["segment"]["regions"] == str(truth_folder / "labels")
    else:
        assert set(sizes) == {2 if regions == "own" else 32}
    assert isinstance(run.concepts, pd.DataFrame)
    assert run.report_path.is_file()


@dataclass(frozen=True)
class Table:
    """A source whose options do not show in its words."""

    rows: np.ndarray

    def label_clips(self, clips, frames=None):
        return Halves().label_clips(clips, frames)


def test_kept_work_is_taken_up_for_sources_that_are_known(tmp_path):
    options = run_options(tmp_path, target_class=CLASSES[0], model="planted:net")
    network = Network(PlantedNet(), "conv4", KINETICS, CLASSES)
    video = video_of(tmp_path)

    def digest(source: object) -> str:
        return Describer(options, network, {CLASSES[0]: 0}, source).digest(video)

    assert digest(TubeletGrid(2, 4, 4)) == digest(TubeletGrid(2, 4, 4)) != digest(TubeletGrid(2, 4, 5))
    tables = [Table(np.zeros(5000)), Table(np.eye(5000)[2500])]
    assert repr(tables[0]) == repr(tables[1])
    assert digest(tables[0]) != digest(tables[1])


def test_a_video_without_a_label_file_is_told_before_any_is_decoded(truth_folder, tmp_path, monkeypatch):
    labels = shutil.copytree(truth_folder / "labels", tmp_path / "labels")
    gone = max(labels.rglob("*.npz"))
    gone.unlink()
    monkeypatch.setattr("ace3d_fast.stages.clips.read_clips", None)
    with pytest.raises(InputError, match=f"one label file for .*{gone.stem}.mp4 to exist, got none"):
        explain(
            truth_folder / "videos",
            target_class=CLASSES[0],
            model="planted:net",
            out=tmp_path / "run",
            regions=labels,
        )


def test_a_source_that_returns_something_else_is_refused():
    class Wrong:
        def label_clips(self, clips, frames=None):
            return [torch.zeros(4, 8, 8, dtype=torch.int32)]

    with pytest.raises(
        InputError, match=re.escape("label maps of shape (S, T, H, W), got shapes [(4, 8, 8)]")
    ):
        cut_supervoxels([clip_of(4, 8, 8)], SegmentOptions(), source=Wrong())
