from __future__ import annotations

import numpy as np
import torch

from ace3d_fast.models.load import load_module
from ace3d_fast.models.network import Network
from ace3d_fast.models.planted import planted_accuracy, train_planted_network
from ace3d_fast.models.registry import find_entry
from ace3d_fast.video.planted import CLASSES, SAMPLING, make_clip


def trained(planted) -> Network:
    loaded = load_module("planted:net", planted.weights_path)
    return Network(
        loaded.module, "conv4", loaded.entry.normalization, loaded.entry.class_names, input_shape=(16, 64)
    )


def share_right(net: Network, **options) -> float:
    clips = [make_clip(i % 6, np.random.default_rng([99, i]), **options) for i in range(60)]
    frames = torch.from_numpy(np.stack([clip.frames for clip in clips]))
    answers = torch.cat([net.forward(net.prepare(part)).logits.argmax(1) for part in frames.split(20)])
    return float((answers == torch.tensor([clip.class_index for clip in clips])).float().mean())


def test_new_videos_are_classified_rightly_after_mp4(planted):
    assert planted.accuracy >= 0.98
    assert planted_accuracy(trained(planted).module, planted.videos_folder) == planted.accuracy


def test_the_planted_primitive_is_the_cause(planted):
    net = trained(planted)
    assert share_right(net) >= 0.98
    assert share_right(net, drop_causal=True) < 0.4  # chance is 1/6


def test_the_fourth_convolution_makes_the_grid_to_explain(planted):
    net = trained(planted)
    outputs = net.forward(net.prepare(torch.zeros(1, 16, 64, 64, 3, dtype=torch.uint8)))
    assert outputs.activation.shape == (1, 64, 4, 8, 8)
    assert outputs.activation.min() >= 0  # after the ReLU
    entry = find_entry("planted:net")
    assert (entry.sampling, entry.layers, entry.class_names) == (SAMPLING, ("conv4",), CLASSES)


def test_a_seed_decides_the_weights():
    def weights(seed: int, **options) -> torch.Tensor:
        net = train_planted_network(seed, num_steps=2, num_clips=16, **options)
        return torch.cat([value.flatten().double() for value in net.state_dict().values()])

    torch.manual_seed(123)
    before = torch.get_rng_state()
    one = weights(0)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, weights(0))
    assert not torch.equal(one, weights(1))
    assert not torch.equal(one, weights(0, tag_agreement=1.0))


def test_training_tells_its_advance():
    told = []

    class Told:
        def start(self, stage, total):
            told.append((stage, total))

        def advance(self, steps=1):
            told.append(steps)

        def finish(self):
            told.append("end")

    train_planted_network(0, num_steps=2, num_clips=16, progress=Told())
    assert told == [("generate clips", 16), *[1] * 16, "end", ("train", 2), 1, 1, "end"]
