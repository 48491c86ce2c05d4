"""Captum's TCAV of 25 concepts against 20 random sets, with its own classifier and with ours.

Concepts are blobs of clips that a small network with random weights tells apart to different degrees.
Accuracies are compared before anything is reported. ``whole`` is the time of ``TCAV.interpret``, its forwards,
files and scores included; ``fits`` is that of its second call, with activations on disk and CAVs asked for anew.
The default classifier takes minutes, so each side runs once.
"""

from __future__ import annotations

import random
import tempfile
import time
import warnings

import numpy as np
import torch
from captum.concept import TCAV, Concept
from timing import parse_arguments, write_results
from torch import Tensor
from torch.utils.data import DataLoader

from ace3d_fast.compat.captum import CavClassifier
from ace3d_fast.models.planted import PlantedNet

NUM_CONCEPTS, NUM_RANDOM, NUM_EXAMPLES, LAYER = 25, 20, 24, "conv4"


def clips(identity: int, strength: float) -> Tensor:
    """(24, 3, 16, 64, 64): noise, and a pattern of the concept of so much strength."""
    generator = torch.Generator().manual_seed(identity)
    pattern = torch.nn.functional.interpolate(
        torch.randn(1, 3, 4, 8, 8, generator=generator), size=(16, 64, 64), mode="trilinear"
    )
    return torch.randn(NUM_EXAMPLES, 3, 16, 64, 64, generator=generator) + strength * pattern


def concept(identity: int, name: str, strength: float) -> Concept:
    return Concept(identity, name, DataLoader(clips(identity, strength), batch_size=8))


def main() -> None:
    arguments = parse_arguments(__doc__ or "")
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    net = PlantedNet().eval()
    strengths = np.linspace(0.02, 0.5, NUM_CONCEPTS)
    concepts = [concept(i, f"concept{i}", float(s)) for i, s in enumerate(strengths)]
    randoms = [concept(100 + i, f"random{i}", 0.0) for i in range(NUM_RANDOM)]
    sets = [[one, other] for one in concepts for other in randoms]
    inputs = clips(999, 0.2)[:8]
    rows = []
    for name in ("captum", "lda", "fast"):
        random.seed(0)  # Captum splits its examples with Python's own generator
        with tempfile.TemporaryDirectory() as folder:
            classifier = None if name == "captum" else CavClassifier(name)
            tcav = TCAV(net, [LAYER], classifier=classifier, save_path=folder)
            begin = time.process_time()
            tcav.interpret(inputs, sets, target=0)
            whole = time.process_time() - begin
            begin = time.process_time()
            tcav.compute_cavs(sets, force_train=True)
            fits = time.process_time() - begin
        accuracies = [float(layers[LAYER].stats["accs"]) for layers in tcav.cavs.values()]
        row = {
            "classifier": name,
            "whole_seconds": whole,
            "fits_seconds": fits,
            "mean_accuracy": float(np.mean(accuracies)),
            "standard_error": float(np.std(accuracies) / np.sqrt(len(accuracies))),
        }
        rows.append(row)
        print(row, flush=True)
    for row in rows[1:]:
        row["ratio_whole"] = rows[0]["whole_seconds"] / row["whole_seconds"]
        row["ratio_fits"] = rows[0]["fits_seconds"] / row["fits_seconds"]
        print(row["classifier"], f"whole {row['ratio_whole']:.1f} x, fits {row['ratio_fits']:.1f} x")
    assert max(row["mean_accuracy"] for row in rows[1:]) >= rows[0]["mean_accuracy"]
    write_results("captum", rows, arguments)


if __name__ == "__main__":
    main()
