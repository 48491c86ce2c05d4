"""Trials of an explanation of planted videos: what has to hold, holds; what must not, does not."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from fast_run import fast_options

from ace3d_fast import explain, trials
from ace3d_fast.api import estimate
from ace3d_fast.learn.clusters import fit_clusters
from ace3d_fast.models.load import load_module
from ace3d_fast.models.network import Network
from ace3d_fast.models.planted import PlantedNet
from ace3d_fast.models.registry import find_entry
from ace3d_fast.pipeline import run_pipeline
from ace3d_fast.video.planted import CLASSES


@pytest.fixture(scope="module")
def told_and_done(planted, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trials, "NUM_NULLS", 20)
        patch.setattr(trials, "NUM_CLIPS", 3)
        patch.setattr(trials, "NUM_SUBSETS", 40)
        patch.setattr(trials, "NUM_RANDOMISED", 2)
        module = load_module("planted:net", planted.weights_path).module
        before = {name: value.clone() for name, value in module.state_dict().items()}
        options = {
            "target_class": "red_checker",
            "model": "planted:net",
            "module": module,
            "num_clusters": 8,
            "num_regions": (15, 50),
            "forwards_per_concept": 16,
        }
        told = [estimate(planted.videos_folder, **options, controls=controls) for controls in (False, True)]
        out = tmp_path_factory.mktemp("runs") / "trials"
        run = explain(planted.videos_folder, **options, out=out, controls=True)
    for name, value in module.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)  # the weights are back
    return told, run


@pytest.fixture(scope="module")
def found(told_and_done):
    return told_and_done[1].controls.set_index(["measure", "of"])


def test_a_dry_run_counts_the_forwards_of_the_trials(told_and_done):
    (without, told), run = told_and_done
    done = run.timings["counts"]["forwards"]
    assert abs(told.num_forwards - done) < 0.25 * done
    assert told.num_forwards - without.num_forwards > 0.25 * done
    assert told.seconds["put it through trials"] > 0


def test_every_trial_has_a_value(found):
    assert list(found.index.get_level_values(0).unique()) == [
        "false_positives",
        "stability",
        "mu_fidelity",
        "c_deletion_gap",
        "c_insertion_gap",
        "randomised",
    ]
    assert (found["num"] > 0).all()
    assert found["value"].notna().all()
    assert (found["low"] <= found["value"]).all()
    assert (found["value"] <= found["high"]).all()


def test_null_concepts_are_rarely_significant(found):
    assert (found.loc["false_positives", "num"] == 20).all()
    assert (found.loc["false_positives", "value"] <= 0.2).all()


def test_clusters_of_other_seeds_are_alike(found):
    assert found.loc[("stability", "cosine"), "num"] == 10  # pairs of five seeds
    assert found.loc[("stability", "cosine"), "value"] > 0.85
    assert found.loc[("stability", "ami"), "value"] > 0.5


def test_removing_regions_one_by_one_foretells_removing_several(found):
    assert found.loc[("mu_fidelity", "effect_deletion"), "value"] > 0.3
    names = {"gradient_x_activation", "margin_x_activation", "integrated_gradients", "grad_cam"}
    assert names < set(found.loc["mu_fidelity"].index)


def test_the_network_is_randomised_from_the_head_down(found):
    rows = found.loc["randomised"]
    assert rows.index.tolist() == ["head", "conv5", "conv4", "conv3", "conv2", "conv1"]
    assert np.abs(rows["value"]).max() < 0.9
    assert rows["num"].min() > 20  # regions, not concepts


def test_nulls_that_could_not_be_tested_are_no_negatives(planted, few_videos, tmp_path, monkeypatch):
    for name, number in (("NULLS", 3), ("CLIPS", 1), ("SUBSETS", 3), ("RANDOMISED", 1)):
        monkeypatch.setattr(trials, f"NUM_{name}", number)
    options = fast_options(few_videos, planted.weights_path)
    strict = replace(options.concepts, min_videos=99)  # keeps no concept: nothing is forwarded
    run = run_pipeline(replace(options, controls=True, concepts=strict), tmp_path / "run")
    nulls = run.controls[run.controls["measure"] == "false_positives"]
    assert nulls["num"].tolist() == [0, 0]
    assert nulls["value"].isna().all()


def stability_of(features, num_concepts):
    """Stability over two seeds; every other region is of a video that discovers concepts."""
    steps = SimpleNamespace(
        options=SimpleNamespace(target_class="a", seed=0),
        gradients=lambda *_: SimpleNamespace(mean=np.arange(2.0 * features.shape[1]).reshape(2, -1)),
    )
    videos = pd.DataFrame({"video": ["one", "two"] * (len(features) // 2)})
    described = SimpleNamespace(features=features.astype(np.float32), regions=videos)
    split = SimpleNamespace(discover=frozenset({"one"}), score=frozenset({"two"}))
    tested = SimpleNamespace(concepts=pd.DataFrame({"concept": range(num_concepts)}))
    found = trials.stability_rows(steps, described, tested, split, num_seeds=2)
    assert len(found) == 1
    return found.iloc[0]


def test_clusters_that_are_there_are_stable_and_others_are_not():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(400, 16))
    groups = 9 * np.eye(16)[rng.integers(0, 4, 400)]
    stable, unstable = stability_of(groups + noise, 4), stability_of(noise, 8)
    assert stable["cosine"] > 0.99
    assert stable["ami"] > 0.99
    assert stable["spearman"] == 1
    assert unstable["ami"] < 0.5
    assert unstable["cosine"] < stable["cosine"]


def test_no_more_regions_are_clustered_again_than_the_first_time(monkeypatch):
    clustered = []
    monkeypatch.setattr(trials, "MAX_CLUSTERED_ROWS", 50)
    monkeypatch.setattr(
        trials, "fit_clusters", lambda x, *a, **k: clustered.append(len(x)) or fit_clusters(x, *a, **k)
    )
    stability_of(np.random.default_rng(0).normal(size=(400, 3)), 4)
    assert clustered == [50, 50]


def test_a_randomised_network_computes_as_the_one_before():
    module = load_module("planted:net").module
    entry = find_entry("planted:net")
    network = Network(module, "conv4", entry.normalization, CLASSES, precision="bfloat16")
    assert trials._rebuilt(network).precision == "bfloat16"


def test_parts_that_hold_most_of_the_weights_are_taken_apart():
    wrapped = torch.nn.Sequential()
    wrapped.add_module("body", PlantedNet())
    wrapped.add_module("scale", torch.nn.Identity())
    names = [name for name, _ in trials._parts(wrapped)]
    assert names == ["body.conv1", "body.conv2", "body.conv3", "body.conv4", "body.conv5", "body.head"]
