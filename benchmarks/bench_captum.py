"""Captum's TCAV of 25 concepts against 20 random sets, with its own classifier and with ours.

Concepts are patterns of more and less strength in noise, seen through a small network with random weights.
What CAVs are worth is compared before anything is reported: how well they tell fresh examples apart (AUROC).
(The accuracy that Captum's own classifier reports for two concepts is that of always naming the first.) The
time is that of Captum's `compute_cavs`, activations on disk: reading them, 500 fits, writing the CAVs.
"""

from __future__ import annotations

import random
import tempfile
import time
import warnings
from typing import Any

import numpy as np
import torch
from captum.concept import TCAV, Concept
from sklearn.metrics import roc_auc_score
from timing import parse_arguments, write_results
from torch import Tensor
from torch.utils.data import DataLoader

from ace3d_fast.compat.captum import CavClassifier
from ace3d_fast.models.planted import PlantedNet

NUM_CONCEPTS, NUM_RANDOM, NUM_EXAMPLES, LAYER = 25, 20, 64, "conv4"
SIDES = ("captum", "lda", "fast")


def clips(identity: int, strength: float, *, fresh: bool = False) -> Tensor:
    """(64, 3, 16, 32, 32): noise, and a pattern of the concept of so much strength."""
    generator = torch.Generator().manual_seed(identity)
    pattern = torch.nn.functional.interpolate(
        torch.randn(1, 3, 4, 8, 8, generator=generator), size=(16, 32, 32), mode="trilinear"
    )
    if fresh:
        generator.manual_seed(1000 + identity)
    return torch.randn(NUM_EXAMPLES, 3, 16, 32, 32, generator=generator) + strength * pattern


class StoredTCAV(TCAV):
    """Captum's TCAV, but for activations: they are on disk."""

    def generate_all_activations(self) -> None:
        pass


def concept(identity: int, name: str, strength: float) -> Concept:
    return Concept(identity, name, DataLoader(clips(identity, strength), batch_size=16))


@torch.no_grad()
def separations(net: PlantedNet, concepts: list[Concept], strengths: np.ndarray, cavs: Any) -> np.ndarray:
    """AUROC of each CAV on fresh clips of its concept against fresh noise."""
    part = net.conv1, net.conv2, net.conv3, net.conv4

    def activations(x: Tensor) -> np.ndarray:
        for layer in part:
            x = layer(x)
        return x.flatten(1).numpy()

    noise = activations(clips(10_000, 0.0))
    values = []
    for one, strength in zip(concepts, strengths, strict=True):
        shown = activations(clips(one.id, float(strength), fresh=True))
        for key, layers in cavs.items():
            if key.startswith(f"{one.id}-"):
                direction = layers[LAYER].stats["weights"][0].numpy()
                scores = np.concatenate([shown, noise]) @ direction
                values.append(roc_auc_score(np.repeat([1, 0], [len(shown), len(noise)]), scores))
    return np.array(values)


def main() -> None:
    arguments = parse_arguments(__doc__ or "")
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    net = PlantedNet().eval()
    strengths = np.linspace(0.05, 1.5, NUM_CONCEPTS)
    concepts = [concept(i, f"concept{i}", float(s)) for i, s in enumerate(strengths)]
    randoms = [concept(100 + i, f"random{i}", 0.0) for i in range(NUM_RANDOM)]
    sets = [[one, other] for one in concepts for other in randoms]
    seconds: dict[str, list[float]] = {name: [] for name in SIDES}
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        tcav = TCAV(net, [LAYER], save_path=folder)
        tcav.generate_activations({c: [LAYER] for c in (*concepts, *randoms)})
        for _ in range(arguments.repeats):
            for name in SIDES:
                random.seed(0)  # Captum splits its examples with Python's own generator
                classifier = None if name == "captum" else CavClassifier(name)
                tcav = StoredTCAV(net, [LAYER], classifier=classifier, save_path=folder)
                begin = time.process_time()
                found[name] = tcav.compute_cavs(sets, force_train=True)
                seconds[name].append(time.process_time() - begin)
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    values = {name: separations(net, concepts, strengths, found[name]) for name in SIDES}
    rows = [
        {
            "classifier": name,
            "seconds": medians[name],
            "ratio": medians["captum"] / medians[name],
            "mean_auroc": float(np.mean(values[name])),
            "standard_error": float(np.std(values[name]) / np.sqrt(len(values[name]))),
        }
        for name in SIDES
    ]
    for row in rows:
        print(", ".join(f"{k} {v:.3f}" if isinstance(v, float) else str(v) for k, v in row.items()))
    assert min(row["mean_auroc"] for row in rows[1:]) >= rows[0]["mean_auroc"] - rows[0]["standard_error"]
    write_results("captum", rows, arguments)


if __name__ == "__main__":
    main()
