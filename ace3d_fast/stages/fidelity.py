"""scores → faithfulness: is what attributions and concepts foretell what the network does?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ace3d_fast.learn.fidelity import mu_fidelity, random_subsets, sobol_masks, sobol_total
from ace3d_fast.models.attributions import region_attributions
from ace3d_fast.models.network import Network
from ace3d_fast.models.probe import Probe, fill_frames, margins
from ace3d_fast.types import SegmentedClip

Floats = NDArray[np.float64]


def region_fidelity(
    clip: SegmentedClip, probe: Probe, class_index: int, *, num_subsets: int, seed: int
) -> dict[str, float]:
    """muFidelity of each way to attribute a logit to the regions of the finest resolution.

    Parameters
    ----------
    clip : SegmentedClip
        As long as the network's input.
    probe : Probe
    class_index : int
    num_subsets : int
        Subsets of a fifth of the regions that are replaced by the fill.
    seed : int

    Returns
    -------
    dict of str to float
        By `ATTRIBUTIONS`, and ``effect_deletion``: the logit lost when each region alone is removed.
    """
    regions = np.unique(clip.network_labels[-1].numpy())
    regions = regions[regions >= 0]
    subsets = random_subsets(len(regions), num_subsets, seed=seed)
    sets = [regions[subset].tolist() for subset in subsets] + [[int(region)] for region in regions]
    left = probe.without(clip, [*sets, []])[:, class_index]
    drops = left[-1] - left[:-1]
    found = {
        name: values.numpy()[regions]
        for name, values in region_attributions(probe.network, clip, class_index).items()
    }
    found["effect_deletion"] = drops[num_subsets:]
    return {name: mu_fidelity(values, subsets, drops[:num_subsets]) for name, values in found.items()}


def concept_sobol(
    clip: SegmentedClip,
    probe: Probe,
    class_index: int,
    concepts: Sequence[Sequence[int]],
    *,
    num_draws: int,
    seed: int,
) -> Floats:
    """Total Sobol index of each concept for a class's margin, (K,) float64.

    A concept that is not kept has its regions, listed in ``concepts``, replaced by the fill. A concept
    without regions in the clip has index 0; all are NaN where the margin never changes.
    """
    masks = sobol_masks(len(concepts), num_draws, seed=seed)
    removed = [
        frozenset(region for part in np.flatnonzero(~mask).tolist() for region in concepts[part])
        for mask in masks.reshape(-1, len(concepts))
    ]
    unique = sorted(set(removed), key=sorted)
    output = margins(probe.without(clip, [sorted(s) for s in unique]), [class_index])[:, 0]
    value = dict(zip(unique, output.tolist(), strict=True))
    return sobol_total(np.array([value[s] for s in removed]).reshape(masks.shape[:2]))


def latent_curves(
    network: Network, frames: Tensor, orders: Mapping[str, Floats], class_index: int
) -> dict[tuple[str, str, int], bool]:
    """C-insertion and C-deletion: is a clip recognised by its activation along k concepts, or without them?

    Parameters
    ----------
    network : Network
    frames : (T, H, W, 3) uint8
    orders : dict of str to (K, C) float
        Directions of the concepts, the first to be used first.
    class_index : int

    Returns
    -------
    dict of (curve, order, k) to bool
        ``insertion`` adds the projection of the activation onto the span of the first k directions to the
        activation of a clip that shows nothing but the fill; ``deletion`` takes it away from the clip's.
        k = 1 .. K.
    """
    x = network.prepare(frames[None])
    base = network.forward(network.prepare(fill_frames(frames, "mean")[None])).activation
    keys, projectors = [], []
    for order, directions in orders.items():
        for k in range(1, len(directions) + 1):
            basis = _span(directions[:k])
            projectors.append(torch.from_numpy(basis @ basis.T).to(base))
            keys.append((order, k))
    stack = torch.stack(projectors)
    found: dict[tuple[str, str, int], bool] = {}
    for curve in ("insertion", "deletion"):

        def edit(activation: Tensor, curve: str = curve) -> Tensor:
            part = torch.einsum("ncd,ndthw->ncthw", stack, activation - base)
            return base + part if curve == "insertion" else activation - part

        logits = network.edited(x.expand(len(stack), *x.shape[1:]), edit)
        right = (logits.argmax(1) == class_index).tolist()
        found |= {(curve, *key): bool(value) for key, value in zip(keys, right, strict=True)}
    return found


def _span(rows: Floats) -> Floats:
    """Orthonormal basis (C, rank) of what ``rows`` (K, C) span; they may depend on each other."""
    left, lengths, _ = np.linalg.svd(rows.T.astype(np.float64), full_matrices=False)
    basis: Floats = left[:, lengths > 1e-6 * lengths.max()]
    return basis
