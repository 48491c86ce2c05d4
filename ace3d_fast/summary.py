"""Facts about a run as a whole: `summary.json`."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax

from ace3d_fast import __version__
from ace3d_fast.config import RunOptions
from ace3d_fast.learn.significance import lowest_p
from ace3d_fast.learn.splits import Split
from ace3d_fast.words import count, percent


def summarize(
    options: RunOptions,
    clips: pd.DataFrame,
    logits: NDArray[np.float32],
    classes: Mapping[str, int],
    split: Split,
    facts: Mapping[str, Any],
    skipped: Sequence[Mapping[str, str]],
) -> dict[str, Any]:
    """Put together what holds for the whole run.

    Parameters
    ----------
    options : RunOptions
    clips : DataFrame
        A row per clip, with ``video`` and ``label``.
    logits : (clips, K) float32
    classes : mapping
        Position among the logits of each explained class.
    split : Split
    facts : mapping
        ``class_names`` in the order of the logits, ``num_tested``, ``statuses`` (concepts of each),
        ``cluster_ami``, ``gradient_cosine``, ``null_saturation`` and, where effects were measured,
        ``pooled_against_masked``.
    skipped : sequence of mapping
        ``video`` and ``reason`` of each video that could not be used.
    """
    names = facts["class_names"]
    explained = {label: _class_facts(clips, logits, label, index, names) for label, index in classes.items()}
    mine = explained[options.target_class]
    found: dict[str, Any] = {
        "target_class": options.target_class,
        "num_videos": int(clips["video"].nunique()),
        "num_target_videos": mine["num_videos"],
        "num_clips": len(clips),
        "num_target_clips": mine["num_clips"],
        "accuracy": mine["accuracy"],
        "target": options.target,
        "probability": mine["probability"],
        "mistaken_for": mine["mistaken_for"],
        "mistaken": mine["mistaken"],
        "classes": explained,
        "lowest_p": lowest_p(options.scores.num_permutations),
        "split": _split_name(split),
        **facts,
        "skipped": list(skipped),
        "versions": _versions(),
    }
    warnings = _warnings(found, options.scores.measure_effects)
    if options.target is None and _are_probabilities(logits):
        warnings.insert(
            0,
            "the network's outputs look like probabilities, as a softmax gives them: effects shrink "
            "where it is sure; let it return logits",
        )
    return {**found, "warnings": warnings}


def _are_probabilities(logits: NDArray[np.float32]) -> bool:
    """Whether each row is of no negative numbers that sum to 1."""
    return bool((logits >= 0).all() and np.allclose(logits.sum(axis=1), 1.0, atol=1e-3))


def _class_facts(
    clips: pd.DataFrame,
    logits: NDArray[np.float32],
    label: str,
    class_index: int,
    class_names: Sequence[str],
) -> dict[str, Any]:
    """How well the network knows one class, and for which other one it mistakes it most."""
    mine = (clips["label"] == label).to_numpy()
    probability = softmax(logits[mine].astype(np.float64), axis=1)[:, class_index]
    votes = np.bincount(logits[mine].argmax(axis=1), minlength=logits.shape[1])
    votes[class_index] = 0
    other = int(votes.argmax())
    return {
        "num_videos": int(clips.loc[mine, "video"].nunique()),
        "num_clips": int(mine.sum()),
        "accuracy": float((logits[mine].argmax(axis=1) == class_index).mean()),
        "probability": float(probability.mean()),
        "mistaken_for": class_names[other] if votes[other] > 0 else None,
        "mistaken": float(votes[other] / mine.sum()),
    }


def _split_name(split: Split) -> str:
    if split.leave_one_out:
        return "leave-one-out"
    return "thirds" if split.discover != split.score else "none"


def _versions() -> dict[str, str]:
    packages = ("torch", "numpy", "scipy", "scikit-learn", "av")
    found = {name: metadata.version(name) for name in packages}
    return {"ace3d_fast": __version__, "python": platform.python_version(), **found}


def _warnings(facts: dict[str, Any], has_effects: bool) -> list[str]:
    """What a reader must know before trusting the numbers."""
    warnings = []
    if facts["cluster_ami"] < 0.5:
        warnings.append(
            f"clusters change with the videos (adjusted mutual information {facts['cluster_ami']:.2f}): "
            "the concepts below are one of many ways to cut these regions; more videos help"
        )
    if facts["gradient_cosine"] > 0.9:
        warnings.append(
            f"the gradients of different clips are nearly parallel (cosine {facts['gradient_cosine']:.2f}): "
            "the head above this layer is almost linear, so TCAV signs tend to exactly 0 or 1; "
            "try an earlier layer"
        )
    if facts["null_saturation"] > 0.5:
        advice = "read the region effect, not the sign" if has_effects else "the sign alone says little"
        warnings.append(
            f"{percent(facts['null_saturation'])} of random region sets get a TCAV sign of exactly 0 or 1: "
            f"{advice}"
        )
    num_context = facts["statuses"].get("context", 0)
    if not facts["statuses"].get("accepted", 0) and num_context > facts["num_tested"] / 2:
        tested = count(facts["num_tested"], "tested concept")
        warnings.append(
            f"{num_context} of {tested} are context, and none is accepted: this layer's cells "
            "see much beside the regions; try an earlier layer"
        )
    if facts["accuracy"] < 0.5:
        said = f"the network recognises the class in {percent(facts['accuracy'])} of its clips"
        advice = "check normalisation, frame rate and class names"
        if facts["target"] is not None:
            said = f"the target is positive in {percent(facts['accuracy'])} of the clips of the class"
        elif facts["mistaken"] > 0.5:
            said += f", and says {facts['mistaken_for']} in {percent(facts['mistaken'])}"
            advice += ", which --labels gives in the order of the logits,"
        warnings.append(f"{said}: {advice} before reading the concepts")
    return warnings
