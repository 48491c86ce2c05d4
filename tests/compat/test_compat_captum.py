"""Captum's TCAV with our classifier, and concepts that go there and back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sample_run import make_run
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

pytest.importorskip("captum")

from captum.concept import TCAV, Concept

from ace3d_fast.compat.captum import CavClassifier, RegionClips, from_captum, to_captum
from ace3d_fast.errors import InputError
from ace3d_fast.models.network import Network
from ace3d_fast.types import Normalization

GREY = Normalization((0.45,) * 3, (0.225,) * 3)
METHODS = ("lda", "fast", "sgd")


def small_net() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv3d(3, 6, 3, 2, 1), nn.ReLU(), nn.Conv3d(6, 6, 3, 2, 1))
    return nn.Sequential(layers, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(6, 3)).eval()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("captum") / "run")


@pytest.fixture(scope="module")
def network():
    return Network(small_net(), "0", GREY, ("a", "b", "c"), input_shape=(4, 48))


def blobs(num_classes, per_class=40, features=30, spread=4.0):
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(num_classes, features)) * spread
    rows = np.concatenate([c + rng.normal(size=(per_class, features)) for c in centers])
    labels = np.repeat(np.arange(num_classes) + 5, per_class)
    data = TensorDataset(torch.from_numpy(rows).float(), torch.from_numpy(labels))
    return DataLoader(data, batch_size=16, shuffle=True), centers


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("num_classes", [2, 4])
def test_directions_point_at_their_own_concept(method, num_classes):
    loader, centers = blobs(num_classes)
    classifier = CavClassifier(method)
    stats = classifier.train_and_eval(loader)
    assert classifier.classes() == [5, 6, 7, 8][:num_classes]
    assert float(stats["accs"]) > 0.95
    weights = classifier.weights().numpy()
    assert weights.shape == (num_classes, 30)
    assert ((weights @ centers.T).argmax(axis=1) == np.arange(num_classes)).all()
    if num_classes == 2:
        assert np.array_equal(weights[0], -weights[1])


def test_accuracy_is_that_of_examples_that_were_not_fitted():
    rng = np.random.default_rng(1)
    x = torch.from_numpy(rng.normal(size=(60, 500))).float()  # more features than rows: training is perfect
    loader = DataLoader(TensorDataset(x, torch.arange(60) % 2), batch_size=60)
    assert 0.1 < float(CavClassifier("lda").train_and_eval(loader)["accs"]) < 0.9


def test_without_test_examples_the_accuracy_is_nan():
    loader, _ = blobs(2)
    assert np.isnan(float(CavClassifier().train_and_eval(loader, test_split_ratio=0.0)["accs"]))


def test_wrong_options_are_named():
    loader, _ = blobs(2)
    with pytest.raises(InputError, match="expected method one of fast, lda, sgd"):
        CavClassifier("svm")
    with pytest.raises(InputError, match="test_split_ratio of at least 0 and below 1"):
        CavClassifier().train_and_eval(loader, test_split_ratio=1.0)
    with pytest.raises(InputError, match="train_and_eval before weights"):
        CavClassifier().weights()


def sets_of(concepts, randoms):
    return [[concept, other] for concept in concepts for other in randoms]


@pytest.mark.filterwarnings("ignore")
def test_tcav_runs_on_concepts_of_a_run(run, network, tmp_path):
    concepts, randoms = to_captum(
        run, network, ["concept_04", "concept_02"], num_examples=9, num_random_sets=2
    )
    assert [c.name for c in (*concepts, *randoms)][-2:] == ["random_00", "random_01"]
    inputs = network.prepare(run.read_clips(next(iter(run.videos)))[0].clip.network_frames[None])
    found = {}
    for name, classifier in (("ours", CavClassifier()), ("captum", None)):
        tcav = TCAV(network.module, ["0"], classifier=classifier, save_path=str(tmp_path / name))
        scores = tcav.interpret(inputs, sets_of(concepts, randoms), target=1)
        found[name] = {key: layers["0"] for key, layers in scores.items()}
        accuracies = [cavs["0"].stats["accs"] for cavs in tcav.cavs.values()]
        assert all(0 <= float(accuracy) <= 1 for accuracy in accuracies)
    assert found["ours"].keys() == found["captum"].keys()
    for scores in found["ours"].values():
        assert float(scores["sign_count"].sum()) == pytest.approx(1.0)


@pytest.mark.filterwarnings("ignore")
def test_activations_of_a_concept_are_read_once(run, network, tmp_path, monkeypatch):
    concepts, randoms = to_captum(run, network, ["concept_04"], num_examples=4, num_random_sets=3)
    classifier = CavClassifier("fast")
    tcav = TCAV(network.module, ["0"], classifier=classifier, save_path=str(tmp_path))
    tcav.compute_cavs(sets_of(concepts[:1], randoms))
    loads = []
    original = torch.load
    monkeypatch.setattr(torch, "load", lambda *a, **k: loads.append(a) or original(*a, **k))
    tcav.compute_cavs(sets_of(concepts[:1], randoms), force_train=True)
    assert len(loads) == 0 or len(loads) <= 4  # activations were written anew: each concept once


def test_a_clip_of_a_concept_shows_its_region_alone(run, network):
    rows = run.regions.iloc[:3]
    data = RegionClips(run, rows, network)
    clip = run.read_clip(rows["video"].iloc[0], int(rows["clip"].iloc[0]))
    mask = clip.network_labels[0] == int(rows["index"].iloc[0])
    whole = network.prepare(clip.clip.network_frames[None])[0]
    shown = data[0]
    assert len(data) == 3
    assert torch.equal(shown[:, mask], whole[:, mask])
    outside = shown[:, ~mask]
    assert torch.equal(outside, outside[:, :1].expand_as(outside))


def test_concepts_come_back_as_cavs(network):
    generator = torch.Generator().manual_seed(0)

    def concept(identity, shift):
        clips = torch.randn(12, 3, 4, 48, 48, generator=generator) * 0.1 + shift
        return Concept(identity, f"c{identity}", DataLoader(clips, batch_size=5))

    bright, dark = concept(0, 1.0), concept(1, -1.0)
    cav = from_captum(bright, [dark], network)
    assert cav.directions.shape[1] == 6
    assert cav.accuracy > 0.95
    means = [network.forward(next(iter(c.data_iter))).activation.mean((0, 2, 3, 4)) for c in (bright, dark)]
    assert float((means[0] - means[1]) @ torch.from_numpy(cav.directions.mean(0))) > 0


def test_an_unknown_concept_is_named(run, network):
    with pytest.raises(InputError, match="expected concepts among concept_"):
        to_captum(run, network, ["concept_99"])
    with pytest.raises(InputError, match="data_iter of empty"):
        from_captum(Concept(0, "empty", None), [], network)


def test_random_concepts_hold_no_region_of_a_concept_of_any_class(run, network, monkeypatch):
    """With a shared vocabulary the regions of other classes belong to concepts too."""
    number = np.arange(len(run.regions))
    shared = run.regions.assign(concept=number % 5, label=np.where(number < 18, "waving", "other"))
    monkeypatch.setitem(vars(run), "regions", shared)
    _, (random,) = to_captum(run, network, ["concept_04"], num_examples=len(shared), num_random_sets=1)
    drawn = pd.DataFrame(random.data_iter.dataset.regions, columns=["video", "clip", "index"])
    found = drawn.merge(shared, on=["video", "clip", "index"])
    assert len(found) == (shared["concept"] != 4).sum()
    assert 4 not in set(found["concept"])
