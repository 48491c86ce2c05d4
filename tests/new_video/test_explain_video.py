"""A new video against the concepts of a run, on planted videos whose truth is known."""

from __future__ import annotations

import json
import shutil
import weakref
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from small_run import TARGET
from typer.testing import CliRunner

from ace3d_fast import RunFolder, explain_video
from ace3d_fast.cli.app import app
from ace3d_fast.describer import Describer
from ace3d_fast.errors import InputError
from ace3d_fast.models.planted import PlantedNet
from ace3d_fast.new_video import explain as explain_module
from ace3d_fast.new_video.learned import LearnedConcepts
from ace3d_fast.new_video.overlay import concept_colors
from ace3d_fast.new_video.readings import REGION_COLUMNS, TIMELINE_COLUMNS
from ace3d_fast.stages.supervoxels import cut_supervoxels
from ace3d_fast.types import Video
from ace3d_fast.video.decode import probe_video, read_clips
from ace3d_fast.video.planted import SAMPLING
from ace3d_fast.video.write import write_video


@pytest.fixture(scope="session")
def found(few_run, mixed_video, tmp_path_factory):
    return explain_video(mixed_video, few_run, out=tmp_path_factory.mktemp("explained") / "mixed")


def best_concept(run: RunFolder) -> int:
    """The accepted concept."""
    (concept,) = run.concepts.loc[run.concepts["status"] == "accepted", "concept"]
    return int(concept)


def test_a_video_of_the_run_gets_the_runs_own_assignments(few_run, tmp_path):
    mine = few_run.regions[few_run.regions["label"] == TARGET]
    assert mine["video"].nunique() == 10
    for number, (video, own) in enumerate(mine.groupby("video")):
        path = few_run.videos[video].path
        regions = explain_video(path, few_run, out=tmp_path / str(number), num_removed=0).regions
        assert regions["index"].tolist() == own["index"].tolist()
        assert regions["concept"].tolist() == own["concept"].tolist()
        np.testing.assert_allclose(regions["distance"], own["distance"], rtol=1e-4)
        np.testing.assert_allclose(regions["sensitivity"], own["sensitivity"], rtol=1e-3, atol=1e-7)


def test_concepts_move_the_logit_when_the_class_is_there(found):
    there, elsewhere = [1, 2, 5], [0, 3, 4, 6, 7, 8]
    most = found.timeline.groupby("clip")[["logit_drop", "logit_estimate"]].max()
    assert most.loc[there, "logit_drop"].min() > 1.5
    assert most.loc[elsewhere, "logit_drop"].max() < 0.8
    clips = found.timeline.drop_duplicates("clip").set_index("clip")
    assert clips.loc[there, "probability"].min() > 0.5 > clips.loc[elsewhere, "probability"].max()
    assert set(clips.loc[there, "predicted"]) == {TARGET}
    assert TARGET not in set(clips.loc[elsewhere, "predicted"])


def test_an_accepted_concept_is_found_in_clips_of_its_class_alone(found, few_run):
    mine = found.timeline[found.timeline["concept"] == best_concept(few_run)].set_index("clip")
    present = set(mine.index[mine["num_regions"] > 0])
    assert present
    assert present <= {1, 2, 5}
    assert mine.loc[sorted(present), "logit_drop"].min() > 1


def test_the_timeline_covers_the_whole_video(found, few_run):
    timeline = found.timeline
    assert timeline.columns.tolist() == TIMELINE_COLUMNS
    assert len(timeline) == 9 * len(few_run.concepts)
    clips = timeline.drop_duplicates("clip")
    assert clips["start_seconds"].tolist() == [2.0 * k for k in range(9)]
    assert clips["end_seconds"].tolist() == [2.0 * k for k in range(1, 9)] + [17.0]
    assert found.num_seconds == 17.0
    assert found.regions.columns.tolist() == REGION_COLUMNS
    assert found.regions["end_seconds"].max() == 17.0
    assert set(found.regions["concept"]) <= {-1, *few_run.concepts["concept"]}


def test_a_drop_is_the_logit_without_the_concept(found, few_run, mixed_video):
    """The same removal by hand."""
    row = found.timeline.loc[found.timeline["logit_drop"].idxmax()]
    clip = list(read_clips(Video("v", mixed_video, "", "v"), SAMPLING))[int(row["clip"])]
    learned = LearnedConcepts.of(few_run)
    ((cut, _),) = cut_supervoxels([clip], learned.options.segment)
    regions = found.regions[found.regions["clip"] == row["clip"]]
    members = regions.loc[regions["concept"] == row["concept"], "index"]
    mask = np.isin(cut.network_labels.numpy(), members).any(axis=0)
    frames = clip.frames.clone()
    frames[mask] = clip.frames.reshape(-1, 3).float().mean(0).round().to(frames.dtype)
    network = learned.network()
    with_it, without_it = network.forward(network.prepare(torch.stack([clip.frames, frames]))).logits[:, 0]
    assert row["logit_drop"] == pytest.approx(float(with_it - without_it), abs=1e-3)
    assert row["area_share"] == pytest.approx(mask.mean())


def test_only_the_strongest_concepts_of_a_clip_are_removed(few_run, mixed_video, tmp_path):
    timeline = explain_video(mixed_video, few_run, out=tmp_path / "one", num_removed=1).timeline
    removed = timeline.groupby("clip")["logit_drop"].count()
    assert removed.max() == 1
    for _, rows in timeline.groupby("clip"):
        known = rows[rows["logit_estimate"].notna()]
        if len(known):
            strongest = known["logit_estimate"].abs().idxmax()
            assert rows["logit_drop"].notna()[strongest]
    none = explain_video(mixed_video, few_run, out=tmp_path / "none", num_removed=0).timeline
    assert none["logit_drop"].isna().all()
    assert none["logit_estimate"].notna().any()


def test_csv_and_parquet_hold_the_same(found):
    table = pd.read_csv(found.folder / "timeline.csv")
    pd.testing.assert_frame_equal(table, found.timeline, check_dtype=False, rtol=1e-4)


def read_whole(path: Path) -> np.ndarray:
    clips = read_clips(Video("v", path, "", "v"), SAMPLING, keep_tail=True)
    return np.concatenate([clip.frames.numpy() for clip in clips]).astype(float)


def test_the_overlay_has_every_frame_and_colours_the_concept(found, few_run, mixed_video):
    shown, plain = (read_whole(path) for path in (found.folder / "overlay.mp4", mixed_video))
    assert probe_video(found.folder / "overlay.mp4").num_frames == 8 * 16 + 8
    concept = best_concept(few_run)
    mine = found.regions[found.regions["concept"] == concept]
    region = mine.loc[mine["num_voxels"].idxmax()]
    box = region[["clip", "t0", "t1", "y0", "y1", "x0", "x1"]].astype(int)
    times = slice(16 * box["clip"] + box["t0"], 16 * box["clip"] + box["t1"])
    at = times, (box["y0"] + box["y1"]) // 2, (box["x0"] + box["x1"]) // 2
    color = np.array(concept_colors(few_run.concepts["concept"].tolist())[concept])
    mixed = 0.55 * color + 0.45 * plain[at]
    assert np.median(np.abs(shown[at] - mixed)) < 20
    assert np.median(np.abs(shown[at] - plain[at])) > 20


def test_a_region_further_out_than_every_region_of_the_run_belongs_to_none(few_run):
    learned = LearnedConcepts.of(few_run)
    far = learned.centers.astype(np.float32) * 50
    assert set(learned.assign(far)[0]) == {-1}
    assert learned.assign(learned.centers.astype(np.float32))[0].tolist() == list(range(8))


class Alive:
    """How many of the tensors that it was shown are still held by somebody."""

    def __init__(self) -> None:
        self._known: list[weakref.ref[torch.Tensor]] = []
        self.most = 0

    def note(self, tensor: torch.Tensor) -> None:
        self._known = [known for known in self._known if known() is not None] + [weakref.ref(tensor)]
        self.most = max(self.most, len(self._known))


def test_memory_does_not_grow_with_the_video(few_run, mixed_video, tmp_path, monkeypatch):
    """Clips and their supervoxels are let go: no more of them live in a long video than in a short one."""
    frames = read_whole(mixed_video).astype(np.uint8)
    decode, cut = explain_module.sample_clips, Describer.describe_blocks
    most = []
    for repeats in (2, 8):
        decoded, labels = Alive(), Alive()

        def noted(*given, alive=decoded, **options):
            for block in decode(*given, **{**options, "block_clips": 4}):
                for clip in block:
                    alive.note(clip.frames)
                yield block

        def described(self, blocks, alive=labels):
            found = cut(self, blocks)
            for clip, _ in found[0][0]:
                alive.note(clip.labels)
            return found

        monkeypatch.setattr(explain_module, "sample_clips", noted)
        monkeypatch.setattr(Describer, "describe_blocks", described)
        again = (frame for _ in range(repeats) for frame in frames)
        video = write_video(tmp_path / f"{repeats}.mp4", again, SAMPLING.fps)
        made = explain_video(video, few_run, out=tmp_path / str(repeats), num_removed=0)
        most.append((decoded.most, labels.most))
    assert made.num_clips == 8 * 9
    assert most[0][0] <= 16  # the block at work, the one before, one that waits and one that is decoded
    assert most[0][1] <= 8
    assert most[1] <= (16, 8)


@pytest.fixture
def copied(few_run, tmp_path) -> Path:
    folder = tmp_path / "copy"
    shutil.copytree(few_run.path, folder, ignore=shutil.ignore_patterns("explained", "clips"))
    return folder


def edit(folder: Path, name: str, **changes) -> None:
    value = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**value, **changes}))


MISTAKES = {
    "no video": (lambda f: None, {"video": "nowhere.mp4"}, "nowhere.mp4 to be a video file, got no such"),
    "no run": (lambda f: (f / "config.json").unlink(), {}, "run folder of a complete run"),
    "an old run": (lambda f: (f / "centers.safetensors").unlink(), {}, "write the run again"),
    "weights moved": (
        lambda f: edit(f, "config.json", weights="gone.safetensors"),
        {},
        "gone.safetensors; say where it is with --weights",
    ),
    "other weights": (lambda f: None, {"module": PlantedNet()}, "to be that of the run, got other weights"),
    "whole videos": (
        lambda f: edit(f, "config.json", backend="reference", preset="stce"),
        {},
        "write the run with --backend native",
    ),
    "a negative number": (lambda f: None, {"num_removed": -1}, "num_removed of at least 0, got -1"),
    "no such device": (lambda f: None, {"device": "abacus"}, "abacus"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_users_mistake_is_one_line_and_leaves_nothing(copied, mixed_video, tmp_path, name):
    spoil, changes, message = MISTAKES[name]
    spoil(copied)
    given = {"video": mixed_video, "run": copied, "out": tmp_path / "out", **changes}
    with pytest.raises(InputError) as caught:
        explain_video(given.pop("video"), given.pop("run"), **given)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]


def test_results_of_another_video_are_not_replaced(found, few_run):
    other = next(iter(few_run.videos.values())).path
    with pytest.raises(InputError, match="made with video "):
        explain_video(other, few_run, out=found.folder)
    assert (found.folder / "explain.html").is_file()


def test_the_command_prints_what_was_found(few_run, tmp_path):
    video = next(iter(few_run.videos.values())).path
    command = ["explain", str(video), "--run", str(few_run.path), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0
    assert f"Concept {best_concept(few_run)}" in result.output
    assert "explain.html" in result.output
    assert result.output.startswith(f"The network gives {TARGET} a mean probability of ")
    assert " over 2.0 s (1 clip). " in result.output
    missing = CliRunner().invoke(app, ["explain", "nowhere.mp4", *command[2:]])
    assert missing.exit_code == 2
    assert "nowhere.mp4" in missing.output
    assert len(missing.output.strip().splitlines()) == 1
