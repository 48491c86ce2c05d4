"""Remove a shortcut from a trained network by a penalty on the concept behind it.

Networks learn PlantedVid with a coloured tag in the corner that tells the class of 95 % of the clips, and
of many clips it alone does. Each is then trained on twice with the same clips in the same order, with and
without `concept_penalty`, and asked about new clips without a tag, with a random one, with that of their
class and with that of another. What the tag looks like is told by a few clips that it is pasted into.

    python examples/remove_shortcut.py --seeds 2 3 4 --out shortcut.json
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ace3d_fast.models.layout import fast_convolutions, fast_parts
from ace3d_fast.models.planted import train_planted_network
from ace3d_fast.training import CavRefit, ConceptExamples, concept_penalty
from ace3d_fast.video.planted import CLASSES, TAG_COLORS, TAG_PX, make_clip

LAYER = "conv5"
BATCH = 16
SHOWN = ("no_tag", "random_tag", "own_tag", "other_tag")


def prepare(frames: NDArray[np.uint8]) -> Tensor:
    """(N, T, 64, 64, 3) uint8 as the network takes it."""
    x = torch.from_numpy(frames).permute(0, 4, 1, 2, 3).float().div(255).sub(0.45).div(0.225)
    return x.contiguous(memory_format=torch.channels_last_3d)


def tagged(frames: NDArray[np.uint8], color_index: int) -> NDArray[np.uint8]:
    """A copy of (T, 64, 64, 3) with a tag of that colour in its corner."""
    frames = frames.copy()
    frames[:, :TAG_PX, :TAG_PX] = TAG_COLORS[color_index]
    return frames


def tagged_clip(
    class_index: int, rng: np.random.Generator, agreement: float, drop_causal: float
) -> NDArray[np.uint8]:
    """A clip to train on."""
    dropped = bool(rng.random() < drop_causal)
    return make_clip(class_index, rng, tag_agreement=agreement, drop_causal=dropped).frames


def tag_examples(seed: int, per_color: int) -> tuple[list[ConceptExamples], list[ConceptExamples]]:
    """Clips with the tag of each colour, and the same clips with another tag or none."""
    rng = np.random.default_rng([seed, 1])
    plain = [make_clip(number % len(CLASSES), rng).frames for number in range(per_color)]
    kinds = range(len(CLASSES))
    shown = [prepare(np.stack([tagged(frames, k) for frames in plain])) for k in kinds]
    shown.append(prepare(np.stack(plain)))
    others = [torch.cat([clips for j, clips in enumerate(shown) if j != k]) for k in kinds]
    return [ConceptExamples(shown[k]) for k in kinds], [ConceptExamples(clips) for clips in others]


def train_on(
    net: nn.Module,
    frames: NDArray[np.uint8],
    labels: Tensor,
    *,
    seed: int,
    num_epochs: int,
    learning_rate: float,
    start_epoch: Callable[[], None] | None = None,
    penalty: Callable[[Tensor], Tensor] | None = None,
    weight: float = 0.0,
) -> None:
    """Train ``net`` on, with a penalty or without."""
    rng = np.random.default_rng([seed, 2])
    torch.manual_seed(seed)
    parts = fast_parts(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=learning_rate)
    num_steps = num_epochs * (len(frames) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=num_steps)
    for _ in range(num_epochs):
        if start_epoch is not None:
            start_epoch()
        net.train()
        order = rng.permutation(len(frames))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            optimizer.zero_grad()
            with fast_convolutions(parts):
                logits = net(prepare(frames[rows]))
                loss = F.cross_entropy(logits, labels[torch.from_numpy(rows)])
                if penalty is not None:
                    loss = loss + weight * penalty(logits)
            loss.backward()
            optimizer.step()
            schedule.step()
    net.eval()


def held_out(seed: int, per_class: int) -> tuple[dict[str, NDArray[np.uint8]], NDArray[np.int64]]:
    """New clips, each as all of `SHOWN`, and their classes."""
    rng = np.random.default_rng([seed, 3])
    labels = np.arange(per_class * len(CLASSES)) % len(CLASSES)
    plain = [make_clip(int(label), rng).frames for label in labels]
    others = (labels + rng.integers(1, len(CLASSES), len(labels))) % len(CLASSES)
    colors = {
        "random_tag": rng.integers(0, len(CLASSES), len(labels)),
        "own_tag": labels,
        "other_tag": others,
    }
    shown = {
        name: np.stack([tagged(f, int(c)) for f, c in zip(plain, k, strict=True)])
        for name, k in colors.items()
    }
    return {"no_tag": np.stack(plain), **shown}, labels


def ask(net: nn.Module, clips: dict[str, NDArray[np.uint8]], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(4, N): whether the network is right of each clip, shown in each way."""
    parts, right = fast_parts(net), []
    with torch.no_grad(), fast_convolutions(parts):
        for name in SHOWN:
            said = [net(prepare(clips[name][i : i + BATCH])).argmax(1) for i in range(0, len(labels), BATCH)]
            right.append(torch.cat(said).numpy() == labels)
    return np.stack(right)


def interval(values: NDArray[np.float64], seed: int = 0, num_bootstrap: int = 10_000) -> dict[str, float]:
    """Mean of (networks, videos) and its 95 % interval: networks and videos drawn with repetition."""
    rng = np.random.default_rng(seed)
    networks, videos = values.shape
    means = [
        values[rng.integers(0, networks, networks)][:, rng.integers(0, videos, videos)].mean()
        for _ in range(num_bootstrap)
    ]
    low, high = np.quantile(means, [0.025, 0.975])
    return {"mean": float(values.mean()), "low": float(low), "high": float(high)}


def measure(
    seeds: Sequence[int],
    *,
    num_steps: int = 120,
    num_clips: int = 480,
    num_more_clips: int = 320,
    num_epochs: int = 6,
    weight: float = 3.0,
    learning_rate: float = 5e-3,
    agreement: float = 0.95,
    drop_causal: float = 0.4,
    per_class: int = 40,
    per_color: int = 12,
) -> dict[str, Any]:
    """Train the networks of ``seeds``, train them on in both ways, and compare what they rely on."""
    clips, classes = held_out(2000, per_class)
    right: dict[str, list[NDArray[np.bool_]]] = {"shortcut": [], "trained_on": [], "penalty": []}
    accuracies, seconds = [], {"trained_on": 0.0, "penalty": 0.0}
    for seed in seeds:
        net = train_planted_network(
            seed,
            num_steps=num_steps,
            num_clips=num_clips,
            tag_agreement=agreement,
            drop_causal=drop_causal,
        )
        right["shortcut"].append(ask(net, clips, classes))
        rng = np.random.default_rng([seed, 4])
        labels = torch.arange(num_more_clips) % len(CLASSES)
        frames = np.stack([tagged_clip(int(k), rng, agreement, drop_causal) for k in labels])
        for name in ("trained_on", "penalty"):
            ours = copy.deepcopy(net)
            start = time.process_time()
            if name == "penalty":
                concepts, others = tag_examples(seed, per_color)
                penalty = concept_penalty(ours, torch.zeros(len(concepts), 64), layer=LAYER)
                refit = CavRefit(penalty, concepts, others, seed=seed)
                train_on(
                    ours,
                    frames,
                    labels,
                    seed=seed,
                    num_epochs=num_epochs,
                    learning_rate=learning_rate,
                    start_epoch=refit,
                    penalty=penalty,
                    weight=weight,
                )
                penalty.remove()
                accuracies.append([[cav.accuracy for cav in cavs] for cavs in refit.history])
            else:
                train_on(ours, frames, labels, seed=seed, num_epochs=num_epochs, learning_rate=learning_rate)
            seconds[name] += time.process_time() - start
            right[name].append(ask(ours, clips, classes))
    found = {name: np.stack(some).astype(float) for name, some in right.items()}
    reliance = {
        name: some[:, SHOWN.index("own_tag")] - some[:, SHOWN.index("other_tag")]
        for name, some in found.items()
    }
    return {
        "seeds": list(seeds),
        "options": {
            "num_steps": num_steps,
            "num_clips": num_clips,
            "num_more_clips": num_more_clips,
            "num_epochs": num_epochs,
            "weight": weight,
            "learning_rate": learning_rate,
            "agreement": agreement,
            "drop_causal": drop_causal,
            "layer": LAYER,
            "videos": len(classes),
            "tags_per_color": per_color,
        },
        "accuracy": {
            name: {way: interval(some[:, i]) for i, way in enumerate(SHOWN)} for name, some in found.items()
        },
        "reliance": {name: interval(some) for name, some in reliance.items()},
        "reliance_removed": interval(reliance["trained_on"] - reliance["penalty"]),
        "accuracy_gained": {
            way: interval((found["penalty"] - found["trained_on"])[:, SHOWN.index(way)]) for way in SHOWN
        },
        "cav_accuracy": accuracies,
        "cpu_seconds": seconds,
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[2, 3, 4])
    parser.add_argument("--weight", type=float, default=3.0)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = measure(given.seeds, weight=given.weight, num_epochs=given.epochs)
    for name, some in found["accuracy"].items():
        print(f"{name:>10}: " + ", ".join(f"{way} {100 * a['mean']:.1f} %" for way, a in some.items()))
    removed = found["reliance_removed"]
    print(f"reliance removed: {removed['mean']:.3f} [{removed['low']:.3f}, {removed['high']:.3f}]")
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
