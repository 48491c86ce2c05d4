"""Whole runs on a GPU, or the device that stands for one: what they find is what the CPU finds.

They need what the package needs, which the image of a GPU machine may not hold: no part of `make gpu-check`.
"""

from __future__ import annotations

import pytest
import torch
from compared import DEVICE
from fast_run import assert_same_tables, fast_options
from small_run import TARGET
from torch import nn

from ace3d_fast import RunFolder, explain_video
from ace3d_fast.compat.skimage import slic
from ace3d_fast.config import Execution
from ace3d_fast.pipeline import run_pipeline
from ace3d_fast.training import CavRefit, ConceptExamples, concept_penalty

CHANGES: dict[str, dict[str, object]] = {
    "high quality, controls": {"quality": "high", "controls": True},
    "patches, shared vocabulary": {"features": "patch", "vocabulary": "shared"},
    "reference ops, bfloat16": {"backend": "reference", "precision": "bfloat16"},
}


@pytest.fixture(autouse=True, scope="module")
def _whole_products():
    torch.backends.cudnn.allow_tf32 = False


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


def test_a_run_finds_what_it_finds_on_the_cpu(near_run, run_on):
    found = run_on(DEVICE).path
    assert_same_tables(found, near_run.path)
    assert (found / "report.html").is_file()


@pytest.mark.parametrize("given", CHANGES.values(), ids=list(CHANGES))
def test_other_ways_find_what_they_find_on_the_cpu(run_on, given):
    found, right = (run_on(device, **given).path for device in (DEVICE, "cpu"))
    assert_same_tables(found, right)
    if "controls" in given:  # rank correlations of curves in small steps
        assert_same_tables(found, right, ("controls",), atol=2e-3)


def test_a_new_video_is_explained_as_on_the_cpu(near_run, planted, tmp_path):
    video = sorted((planted.videos_folder / TARGET).glob("*.mp4"))[-1]
    found, right = (
        explain_video(video, near_run, out=tmp_path / device, device=device).folder
        for device in (DEVICE, "cpu")
    )
    assert_same_tables(found, right, ("timeline",))


def test_slic_gives_labels_on_the_device_of_the_image():
    image = torch.rand(6, 24, 24, 3, generator=torch.Generator().manual_seed(0))
    found = slic(image.to(DEVICE), n_segments=12, exact=False, channel_axis=-1)
    assert found.device.type == DEVICE
    assert torch.equal(found.cpu(), slic(image, n_segments=12, exact=False, channel_axis=-1))


def test_a_penalty_and_its_refit_train_there():
    grown = []
    for device in ("cpu", DEVICE):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv3d(3, 3, 1), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(3, 2))
        net.to(device)
        clips = torch.rand(20, 3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
        red = clips.clone()
        red[:, 0] += 2
        penalty = concept_penalty(net, torch.zeros(3), layer="0", class_index=0)
        CavRefit(penalty, [ConceptExamples(red)], ConceptExamples(clips))()
        logits = net(clips.to(device))
        (logits[:, 1].sum() + penalty(logits)).backward()
        grown.append([parameter.grad.cpu() for parameter in net.parameters()])
    for ours, right in zip(*grown, strict=True):
        torch.testing.assert_close(ours, right)
