"""On a network whose logit is the mean of the red channel, all is known by hand."""

import numpy as np
import pytest
import torch
from toys import RedNet, halves_clip, red_network

from ace3d_fast.models.attributions import clip_slopes, region_attributions
from ace3d_fast.models.network import Network
from ace3d_fast.models.probe import Probe, fill_frames
from ace3d_fast.stages.fidelity import concept_sobol, latent_curves, region_fidelity
from ace3d_fast.types import Normalization

RED = torch.eye(3)[0]


def test_slopes_of_a_linear_network_are_its_weights_and_add_up_to_its_output():
    clip = halves_clip(red=200)
    way, slopes = clip_slopes(red_network(), clip.clip.frames, 0)
    cells = way[0].numel()
    for slope in slopes.values():  # the other logit is constant, so the margin has the same slope
        torch.testing.assert_close(slope, (RED / cells).view(3, 1, 1, 1).expand_as(slope))
    assert set(slopes) == {"gradient", "margin", "integrated_gradients"}
    torch.testing.assert_close((slopes["gradient"] * way).sum(), torch.tensor(0.0), atol=1e-6, rtol=0)


def test_regions_contribute_what_they_change():
    clip = halves_clip(red=200)
    found = region_attributions(red_network(), clip, 0)
    half = 100 / 255 / 2  # the mean colour has 100 of red; each region is one half
    for name in ("gradient_x_activation", "margin_x_activation", "integrated_gradients"):
        torch.testing.assert_close(found[name], torch.tensor([half, -half]))
    assert found["grad_cam"][0] > 0
    assert found["grad_cam"][1] == 0


def test_true_attributions_are_faithful():
    found = region_fidelity(halves_clip(red=200), Probe(red_network(), 2), 0, num_subsets=12, seed=0)
    assert found == pytest.approx(dict.fromkeys(found, 1.0))
    assert {"effect_deletion", "grad_cam"} <= set(found)


def test_the_concept_that_decides_has_all_of_the_variance():
    probe, clip = Probe(red_network(), 2), halves_clip(red=200)
    found = concept_sobol(clip, probe, 0, [[0], []], num_draws=64, seed=0)
    np.testing.assert_allclose(found, [1, 0], atol=0.3)
    assert found[1] == 0


def test_a_clip_is_recognised_along_the_direction_that_decides_and_lost_without_it():
    frames = halves_clip(red=255).clip.frames.clone()
    frames[..., 0] = 255
    frames[0] = 0  # the fill has half of the red; recognised above a quarter
    orders = {"top": np.eye(3)[:1], "least": np.eye(3)[1:2]}
    network = red_network()
    found = latent_curves(network, frames, orders, 0)
    assert set(found) == {(c, o, 1) for c in ("insertion", "deletion") for o in ("top", "least")}
    assert found["insertion", "top", 1]
    assert found["deletion", "least", 1]


def test_what_is_projected_is_what_is_added_and_taken_away():
    dark = torch.zeros(2, 8, 8, 3, dtype=torch.uint8)
    dark[:1, :, :, 0] = 160  # mean 80 of 255: above a quarter
    edited = []
    network = red_network()
    kept = network.edited
    network.edited = lambda x, edit: edited.append(edit(network.forward(x).activation)) or kept(x, edit)
    latent_curves(network, dark, {"top": np.eye(3)[[1, 0]]}, 0)
    insertion, deletion = edited
    whole = network.forward(network.prepare(dark[None])).activation[0]
    base = torch.full((2, 8, 8), 80 / 255)
    torch.testing.assert_close(insertion[0, 0], base)  # along green: no red is added
    torch.testing.assert_close(insertion[1, 0], whole[0])
    torch.testing.assert_close(deletion[0, 0], whole[0])
    torch.testing.assert_close(deletion[1, 0], base)


def test_a_direction_that_comes_twice_adds_nothing():
    frames = halves_clip(red=255).clip.frames
    network, edited = red_network(), []
    kept = network.edited
    network.edited = lambda x, edit: edited.append(edit(network.forward(x).activation)) or kept(x, edit)
    twice = np.stack([[0.6, 0.8, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 0.0]])
    latent_curves(network, frames, {"top": twice}, 0)
    for curve in edited:
        torch.testing.assert_close(curve, curve[:1].expand_as(curve))


def test_integrated_gradients_add_up_where_slopes_change_on_the_way():
    class Energy(RedNet):
        def forward(self, x):
            energy = self.layer(x).square().mean((1, 2, 3, 4))
            return torch.stack([energy, torch.zeros_like(energy)], dim=1)

    unit = Normalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    network, frames = Network(Energy(), "layer", unit, ["red", "other"]), halves_clip(red=200).clip.frames
    way, slopes = clip_slopes(network, frames, 0)
    fill = fill_frames(frames, "mean")
    said = network.forward(network.prepare(torch.stack([frames, fill]))).logits[:, 0]
    assert said[0] > said[1] + 0.01
    torch.testing.assert_close((slopes["integrated_gradients"] * way).sum(), said[0] - said[1])
