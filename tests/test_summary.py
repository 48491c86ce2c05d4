"""What is said of a run as a whole."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ace3d_fast.config import RunOptions
from ace3d_fast.learn.splits import Split
from ace3d_fast.summary import summarize
from ace3d_fast.types import ClipSampling, Normalization

NAMES = ["dive", "serve", "wave"]
FACTS = {
    "class_names": NAMES,
    "num_tested": 3,
    "cluster_ami": 0.9,
    "gradient_cosine": 0.2,
    "statuses": {"accepted": 1},
}
SAMPLING = ClipSampling(num_frames=4, fps=2.5, resize_px=52, crop_px=48)
GREY = Normalization((0.45,) * 3, (0.225,) * 3)


def summary_of(said: list[str], *, target: str | None = None, scale: float = 3.0, **changes: object) -> dict:
    """Of a run over one clip of ``serve`` for each name in ``said``, which the network gives it."""
    options = RunOptions(
        videos=("videos",),
        target_class="serve",
        model="net.py:net",
        layer="conv",
        sampling=SAMPLING,
        normalization=GREY,
        target=target,
    )
    clips = pd.DataFrame({"video": [f"v{i}" for i in range(len(said))], "label": "serve"})
    logits = np.array([[scale * (name == each) for name in NAMES] for each in said], np.float32)
    nobody: frozenset[str] = frozenset()
    facts = FACTS | {"null_saturation": 0.1} | changes
    return summarize(options, clips, logits, {"serve": 1}, Split(nobody, nobody, nobody, False), facts, [])


def test_a_class_that_is_recognised_needs_no_warning():
    found = summary_of(["serve", "serve", "wave"])
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert (found["mistaken_for"], found["mistaken"]) == ("wave", pytest.approx(1 / 3))
    assert found["warnings"] == []


def test_without_a_mistake_no_other_class_is_named():
    found = summary_of(["serve", "serve"])
    assert (found["mistaken_for"], found["mistaken"]) == (None, 0.0)


def test_names_in_another_order_are_told_by_what_the_network_says():
    (warning,) = summary_of(["wave", "wave", "wave", "dive", "serve"])["warnings"]
    assert warning.startswith(
        "the network recognises the class in 20 % of its clips, and says wave in 60 %: check normalisation"
    )
    assert "--labels" in warning


def test_mistakes_all_over_the_place_name_no_class():
    (warning,) = summary_of(["wave", "dive", "wave", "dive", "serve"])["warnings"]
    assert warning.startswith("the network recognises the class in 20 % of its clips: check normalisation")
    assert "says" not in warning


def test_a_target_that_is_not_positive_is_no_mistake_of_a_class():
    (warning,) = summary_of(["wave", "wave"], target="net.py:score")["warnings"]
    assert warning.startswith("the target is positive in 0 % of the clips of the class: check")


def test_a_saturated_sign_is_told():
    (warning,) = summary_of(["serve"], null_saturation=0.94)["warnings"]
    assert warning.startswith("94 % of random region sets get a TCAV sign of exactly 0 or 1")


def test_a_layer_that_sees_past_its_regions_is_told_where_it_leaves_nothing():
    (warning,) = summary_of(["serve"], statuses={"context": 2, "not_significant": 1})["warnings"]
    assert warning.startswith("2 of 3 tested concepts are context, and none is accepted")
    assert warning.endswith("try an earlier layer")
    assert summary_of(["serve"], statuses={"context": 2, "accepted": 1})["warnings"] == []
    assert summary_of(["serve"], statuses={"context": 1, "not_significant": 2})["warnings"] == []


def test_probabilities_in_place_of_logits_are_told():
    (warning,) = summary_of(["serve", "serve", "wave"], scale=1.0)["warnings"]
    assert warning.startswith("the network's outputs look like probabilities")
    assert summary_of(["serve"], scale=1.0, target="net.py:score")["warnings"] == []
