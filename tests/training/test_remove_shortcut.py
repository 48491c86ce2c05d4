"""The example that removes a shortcut: a tiny run of it, and what its measured run says."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "examples"))

from remove_shortcut import interval, measure  # noqa: E402


def test_the_interval_is_over_networks_and_videos():
    same = interval(np.full((3, 40), 0.25))
    assert same == {"mean": 0.25, "low": 0.25, "high": 0.25}
    networks = interval(np.repeat([[0.0], [0.5], [1.0]], 40, axis=1))
    assert networks["low"] == 0
    assert networks["high"] == 1


def test_a_tiny_run_fills_every_field():
    found = measure([0], num_steps=2, num_clips=16, num_more_clips=16, num_epochs=2, per_class=1, per_color=2)
    measured = json.loads((ROOT / "benchmarks/results/remove_shortcut.json").read_text())
    assert set(found) == set(measured)
    assert set(found["accuracy"]["penalty"]) == set(measured["accuracy"]["penalty"])
    assert np.shape(found["cav_accuracy"]) == (1, 2, 6)
    for way, each in found["accuracy"]["penalty"].items():
        gained = each["mean"] - found["accuracy"]["trained_on"][way]["mean"]
        assert found["accuracy_gained"][way]["mean"] == pytest.approx(gained)


def test_docs_give_the_measured_figures():
    measured = json.loads((ROOT / "benchmarks/results/remove_shortcut.json").read_text())
    removed = measured["reliance_removed"]
    page = (ROOT / "docs/drop-in.md").read_text()
    said = "by {:.1f} [{:.1f}, {:.1f}]".format(*(100 * removed[key] for key in ("mean", "low", "high")))
    assert removed["low"] > 0
    assert said in page
    for way, label in (("random_tag", "a random tag"), ("no_tag", "no tag")):
        values = [
            100 * measured["accuracy"][name][way]["mean"] for name in ("shortcut", "trained_on", "penalty")
        ]
        assert f"| {label} | {' | '.join(f'{value:.1f} %' for value in values)} |" in page
