"""Whole runs on the device "far": what they find is what the CPU finds."""

from __future__ import annotations

from pathlib import Path

import far
import pandas as pd
import pytest
import torch
from fast_run import fast_options
from small_run import TARGET
from torch import nn

from ace3d_fast import RunFolder, explain_video
from ace3d_fast.compat.skimage import slic
from ace3d_fast.config import Execution
from ace3d_fast.errors import Ace3dError
from ace3d_fast.pipeline import run_pipeline
from ace3d_fast.training import CavRefit, ConceptExamples, concept_penalty

TABLES = ("regions", "concepts", "scores", "evaluation")
CHANGES: dict[str, dict[str, object]] = {
    "high quality, controls": {"quality": "high", "controls": True},
    "patches, shared vocabulary": {"features": "patch", "vocabulary": "shared"},
    "reference ops, bfloat16": {"backend": "reference", "precision": "bfloat16"},
}


@pytest.fixture(scope="module")
def run_on(planted, few_videos, tmp_path_factory):
    """A function that makes a fast run on a device."""

    def run(device: str, **given: object) -> RunFolder:
        options = fast_options(few_videos, planted.weights_path, device=device, **given)
        folder = tmp_path_factory.mktemp(device) / "run"
        run_pipeline(options, folder, execution=Execution())
        return RunFolder.open(folder)

    return run


@pytest.fixture(scope="module")
def near_run(run_on) -> RunFolder:
    return run_on("cpu")


@pytest.fixture(scope="module")
def far_run(run_on) -> RunFolder:
    return run_on("far")


def assert_same_tables(found: Path, right: Path, names: tuple[str, ...] = TABLES, atol: float = 1e-4) -> None:
    for name in names:
        ours, theirs = (pd.read_parquet(folder / f"{name}.parquet") for folder in (found, right))
        pd.testing.assert_frame_equal(ours, theirs, check_exact=False, rtol=1e-3, atol=atol, obj=name)


def test_a_run_finds_what_it_finds_on_the_cpu(near_run, far_run):
    assert_same_tables(far_run.path, near_run.path)
    assert (far_run.path / "report.html").is_file()


@pytest.mark.parametrize("given", CHANGES.values(), ids=list(CHANGES))
def test_other_ways_find_what_they_find_on_the_cpu(run_on, given):
    found, right = (run_on(device, **given).path for device in ("far", "cpu"))
    assert_same_tables(found, right)
    if "controls" in given:  # rank correlations of curves in small steps
        assert_same_tables(found, right, ("controls",), atol=2e-3)


def test_a_run_in_a_third_of_the_memory_finds_the_same(near_run, run_on):
    with far.room(12_000_000):
        found = run_on("far")
    assert_same_tables(found.path, near_run.path)


@pytest.mark.parametrize(
    ("room", "wanted"), [(0, "for the network"), (3_000_000, "for one clip"), (6_000_000, "for one item of")]
)
def test_too_little_memory_is_told_in_one_line(run_on, room, wanted):
    message = f"expected memory {wanted}.*got less; use smaller clips, or device cpu"
    with far.room(room), pytest.raises(Ace3dError, match=message):
        run_on("far")


def test_a_new_video_is_explained_as_on_the_cpu(near_run, planted, tmp_path):
    video = sorted((planted.videos_folder / TARGET).glob("*.mp4"))[-1]
    found, right = (
        explain_video(video, near_run, out=tmp_path / device, device=device).folder
        for device in ("far", "cpu")
    )
    assert_same_tables(found, right, ("timeline",))


def test_slic_gives_labels_on_the_device_of_the_image():
    image = torch.rand(6, 24, 24, 3, generator=torch.Generator().manual_seed(0))
    found = slic(image.to("far"), n_segments=12, exact=False, channel_axis=-1)
    assert found.device == torch.device("far:0")
    assert torch.equal(found.cpu(), slic(image, n_segments=12, exact=False, channel_axis=-1))


def test_a_penalty_and_its_refit_train_there():
    grown = []
    for device in ("cpu", "far"):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv3d(3, 3, 1), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(3, 2)).to(
            device
        )
        clips = torch.rand(20, 3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
        red = clips.clone()
        red[:, 0] += 2
        penalty = concept_penalty(net, torch.zeros(3), layer="0")
        CavRefit(penalty, [ConceptExamples(red)], ConceptExamples(clips))()
        logits = net(clips.to(device))
        (logits[:, 0].sum() + penalty(logits)).backward()
        grown.append([parameter.grad.cpu() for parameter in net.parameters()])
    for ours, right in zip(*grown, strict=True):
        torch.testing.assert_close(ours, right)
