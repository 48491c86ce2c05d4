"""Captum's TCAV of 25 concepts against 20 random sets, with its own classifier and with ours.

Concepts are patterns of more and less strength in noise, seen through a small network with random weights.
Accuracies are compared before anything is reported. ``cavs`` is the time of Captum's `compute_cavs` with the
activations on disk (reading them, 500 fits, writing CAVs); ``interpret`` that of `TCAV.interpret` after it,
which does not depend on the classifier. Every side runs `repeats` times in turn.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from captum.concept import TCAV, Concept
from timing import parse_arguments, write_results
from torch import Tensor
from torch.utils.data import DataLoader

from ace3d_fast.compat.captum import CavClassifier
from ace3d_fast.models.planted import PlantedNet

NUM_CONCEPTS, NUM_RANDOM, NUM_EXAMPLES, LAYER = 25, 20, 64, "conv4"
SIDES = ("captum", "lda", "fast")


def clips(identity: int, strength: float) -> Tensor:
    """(64, 3, 16, 32, 32): noise, and a pattern of the concept of so much strength."""
    generator = torch.Generator().manual_seed(identity)
    pattern = torch.nn.functional.interpolate(
        torch.randn(1, 3, 4, 8, 8, generator=generator), size=(16, 32, 32), mode="trilinear"
    )
    return torch.randn(NUM_EXAMPLES, 3, 16, 32, 32, generator=generator) + strength * pattern


def concept(identity: int, name: str, strength: float) -> Concept:
    return Concept(identity, name, DataLoader(clips(identity, strength), batch_size=16))


def main() -> None:
    arguments = parse_arguments(__doc__ or "")
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    net = PlantedNet().eval()
    strengths = np.linspace(0.05, 1.5, NUM_CONCEPTS)
    concepts = [concept(i, f"concept{i}", float(s)) for i, s in enumerate(strengths)]
    randoms = [concept(100 + i, f"random{i}", 0.0) for i in range(NUM_RANDOM)]
    sets = [[one, other] for one in concepts for other in randoms]
    inputs = clips(999, 0.2)[:8]
    seconds: dict[str, list[float]] = {name: [] for name in SIDES}
    accuracies: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        TCAV(net, [LAYER], save_path=folder).generate_activations({c: [LAYER] for c in (*concepts, *randoms)})
        for _ in range(arguments.repeats):
            for name in SIDES:
                random.seed(0)  # Captum splits its examples with Python's own generator
                classifier = None if name == "captum" else CavClassifier(name)
                tcav = TCAV(net, [LAYER], classifier=classifier, save_path=folder)
                begin = time.process_time()
                tcav.compute_cavs(sets)
                seconds[name].append(time.process_time() - begin)
                accuracies[name] = [float(layers[LAYER].stats["accs"]) for layers in tcav.cavs.values()]
                if name != "fast" or len(seconds[name]) < arguments.repeats:
                    shutil.rmtree(Path(folder) / "default_model_id")
        begin = time.process_time()
        tcav.interpret(inputs, sets, target=0)
        interpret = time.process_time() - begin
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    rows = [
        {
            "classifier": name,
            "cavs_seconds": medians[name],
            "ratio": medians["captum"] / medians[name],
            "mean_accuracy": float(np.mean(accuracies[name])),
            "standard_error": float(np.std(accuracies[name]) / np.sqrt(len(sets))),
        }
        for name in SIDES
    ]
    for row in rows:
        print(", ".join(f"{k} {v:.3f}" if isinstance(v, float) else str(v) for k, v in row.items()))
    print(f"interpret after that: {interpret:.1f} s")
    assert rows[1]["mean_accuracy"] >= rows[0]["mean_accuracy"]
    rows.append({"interpret_seconds": interpret})
    write_results("captum", rows, arguments)


if __name__ == "__main__":
    main()
