"""CAVs that follow a network."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ace3d_fast.errors import InputError
from ace3d_fast.training import CavRefit, ConceptExamples, concept_penalty, lightning_callback

SHAPE = (3, 2, 4, 4)


def net_of():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Identity(), nn.BatchNorm3d(3), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(3, 2)
    )


def examples(num=20, shift=0.0):
    x = torch.rand(num, *SHAPE, generator=torch.Generator().manual_seed(0))
    x[:, 0] += shift
    return x


@pytest.fixture
def parts():
    net = net_of()
    penalty = concept_penalty(net, torch.zeros(3), layer="0")
    refit = CavRefit(penalty, [ConceptExamples(examples(shift=2.0))], ConceptExamples(examples()))
    return net, penalty, refit


def test_directions_are_the_way_from_the_others_to_the_concept(parts):
    _, penalty, refit = parts
    refit()
    torch.testing.assert_close(penalty.directions, torch.tensor([[2.0, 0, 0]]), atol=0.02, rtol=0)
    assert refit.history[0][0].accuracy == 1


def test_they_follow_the_network():
    net = net_of()
    net[0] = nn.Conv3d(3, 3, 1, bias=False)
    net[0].weight.data = torch.eye(3).view(3, 3, 1, 1, 1)
    penalty = concept_penalty(net, torch.zeros(3), layer="0")
    refit = CavRefit(penalty, [ConceptExamples(examples(shift=2.0))], ConceptExamples(examples()))
    refit()
    net[0].weight.data = 3 * net[0].weight.data.flip(0)
    refit()
    torch.testing.assert_close(penalty.directions, torch.tensor([[0, 0, 6.0]]), atol=0.06, rtol=0)


def test_masks_say_where_to_look():
    shown, masks = examples(), torch.zeros(20, *SHAPE[1:], dtype=torch.bool)
    shown[:, 1, :, :2] += 4.0
    masks[:, :, :2] = True
    penalty = concept_penalty(net_of(), torch.zeros(3), layer="0")
    CavRefit(penalty, [ConceptExamples(shown, masks)], ConceptExamples(examples()))()
    np.testing.assert_allclose(penalty.directions, [[0, 4, 0]], atol=0.1)


def test_modes_and_statistics_are_left_alone(parts):
    net, _, refit = parts
    net.train()
    net[4].eval()
    before = net[1].running_mean.clone()
    refit()
    assert [part.training for part in net] == [True, True, True, True, False]
    assert torch.equal(net[1].running_mean, before)


def test_every_second_epoch(parts):
    _, penalty, refit = parts
    refit = CavRefit(penalty, [ConceptExamples(examples(shift=2.0))], ConceptExamples(examples()), every=2)
    for _ in range(5):
        refit()
    assert len(refit.history) == 3


def test_what_cannot_be_used_is_refused(parts):
    _, penalty, _ = parts
    some = ConceptExamples(examples())
    with pytest.raises(InputError, match="counterexamples of all concepts, or of each, got 2 for 1"):
        CavRefit(penalty, [some], [some, some])
    with pytest.raises(InputError, match="every of at least 1"):
        CavRefit(penalty, [some], some, every=0)
    with pytest.raises(InputError, match="clips"):
        ConceptExamples(torch.rand(3, 2))
    with pytest.raises(InputError, match="masks"):
        ConceptExamples(examples(), torch.ones(20, 2, 4, 3))


def test_lightning_fits_at_the_start_of_each_epoch(parts, tmp_path):
    lightning = pytest.importorskip("pytorch_lightning")
    net, penalty, refit = parts

    class Task(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = net

        def training_step(self, batch, _index):
            logits = self.net(batch[0])
            return F.cross_entropy(logits, batch[1]) + penalty(logits)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    data = torch.utils.data.TensorDataset(examples(8), torch.arange(8) % 2)
    trainer = lightning.Trainer(
        max_epochs=3, accelerator="cpu", callbacks=[lightning_callback(refit)], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(Task(), torch.utils.data.DataLoader(data, batch_size=4))
    assert len(refit.history) == 3


def test_without_lightning_one_line_says_so(parts, monkeypatch):
    for name in ("lightning.pytorch", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=r"Lightning to be installed, got none; pip install"):
        lightning_callback(parts[2])
