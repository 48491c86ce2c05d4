import json
from dataclasses import replace

import pytest

from ace3d_fast.config import ConceptOptions, RunOptions, ScoreOptions, SegmentOptions, with_preset
from ace3d_fast.errors import InputError
from ace3d_fast.types import ClipSampling, Normalization

OPTIONS = RunOptions(
    ("videos",),
    "dive",
    "net.py:net",
    "layer4",
    ClipSampling(4, 2.5, 182, 160),
    Normalization((0.45,) * 3, (0.2,) * 3),
)


def test_options_come_back_from_json():
    options = with_preset(replace(OPTIONS, seed=3, weights="w.safetensors"), "stce")
    assert RunOptions.from_dict(json.loads(json.dumps({**options.to_dict(), "version": "0.1.0"}))) == options


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_that_a_generator_would_not_take_is_refused(seed):
    with pytest.raises(InputError, match=f"run: expected seed at least 0 and below 2147483648, got {seed}"):
        replace(OPTIONS, seed=seed)


def test_options_of_another_version_are_named():
    with pytest.raises(InputError, match=r"that this version knows, got speed; read the run with"):
        RunOptions.from_dict({**OPTIONS.to_dict(), "speed": 3})
    with pytest.raises(InputError, match=r"to be whole.* write the run again"):
        RunOptions.from_dict({"seed": 3})


def test_slow_networks_are_cut_at_an_integer_multiple_of_their_rate():
    sampling = OPTIONS.sampling
    assert (sampling.stride, sampling.segment_fps, sampling.num_segment_frames) == (3, 7.5, 12)
    assert sampling.span_seconds == pytest.approx(1.6)


@pytest.mark.parametrize(("fps", "stride"), [(7.5, 1), (30, 1), (5, 2), (1, 8)])
def test_the_stride_never_falls_below_one(fps, stride):
    assert replace(OPTIONS.sampling, fps=fps).stride == stride


def test_calibrated_is_the_default_of_every_option():
    assert with_preset(OPTIONS, "calibrated") == OPTIONS


def test_the_published_recipe_differs_where_the_paper_does():
    stce = with_preset(OPTIONS, "stce")
    assert (stce.features.mode, stce.concepts.num_clusters, stce.cavs.method) == ("patch", 25, "sgd")
    assert (stce.scores.test, stce.scores.max_p) == ("paired_t", 0.01)
    assert not stce.scores.retention_gate
    assert stce.segment == OPTIONS.segment


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ClipSampling(0, 2.5, 182, 160), "sampling: expected clip frames of at least 1, got 0"),
        (lambda: ClipSampling(4, 0, 182, 160), "expected clip fps above 0, got 0"),
        (lambda: ClipSampling(4, float("nan"), 182, 160), "expected clip fps above 0, got nan"),
        (lambda: ClipSampling(4, 2.5, 100, 160), "between 1 and resize, got size 160 of resize 100"),
        (lambda: SegmentOptions(num_regions=()), "expected num_regions of at least 1 each"),
        (lambda: SegmentOptions(frame_distance_px=0), "expected frame_distance_px to be positive, got 0"),
        (lambda: SegmentOptions(num_regions=(15, 0)), "expected num_regions of at least 1 each"),
        (lambda: ConceptOptions(num_clusters=1), "expected num_clusters of at least 2, got 1"),
        (lambda: ScoreOptions(forwards_per_concept=0), "expected forwards_per_concept of at least 1"),
        (lambda: with_preset(OPTIONS, "paper"), "expected preset calibrated or stce, got 'paper'"),
    ],
)
def test_options_that_make_no_sense_are_refused(make, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        make()
