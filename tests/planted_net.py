"""The network that tests explain: a kept one, since no two kinds of processor train it to the same weights.

``python tests/planted_net.py`` trains and keeps another, longer than a demo does: its concepts are alike from
one clustering seed to the next.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from ace3d_fast.models.planted import PlantedNet, train_planted_network
from ace3d_fast.tensor_files import save_tensors

KEPT = Path(__file__).with_suffix(".safetensors")
SEED = 1
NUM_STEPS = 400


def kept_network() -> PlantedNet:
    """The network that is kept, in evaluation mode."""
    net = PlantedNet().eval()
    net.load_state_dict({name: value.float() for name, value in load_file(KEPT).items()})
    return net


def _halved(value: Tensor) -> Tensor:
    """Weights of convolutions as half floats; statistics need more."""
    return (value.half() if value.dim() > 1 else value).contiguous()


if __name__ == "__main__":
    torch.set_num_threads(1)
    trained = train_planted_network(SEED, num_steps=NUM_STEPS)
    save_tensors({name: _halved(value) for name, value in trained.state_dict().items()}, KEPT)
