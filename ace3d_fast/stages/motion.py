"""concepts → motion: what is lost when the frames inside a concept's regions stand still or change order."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from ace3d_fast.learn.significance import bootstrap_mean
from ace3d_fast.models.probe import Probe, margins, region_masks
from ace3d_fast.types import SegmentedClip

Rows = NDArray[np.int64]
EDITS = ("frozen", "shuffled", "reversed")
MOTION_COLUMNS = ["concept", "score", "value", "low", "high"]


def measure_motion(
    members: Mapping[int, Rows],
    regions: pd.DataFrame,
    probe: Probe,
    load_clip: Callable[[str, int], SegmentedClip],
    class_index: int,
    clip_logits: NDArray[np.float32],
    deletion: NDArray[np.float32],
    *,
    num_members: int,
    num_bootstrap: int,
    seed: int,
) -> pd.DataFrame:
    """Freeze, shuffle and reverse the frames inside regions of each concept.

    Inside the union of a region's masks over time, all frames become the middle one, are shuffled, or run
    backwards; the rest of the clip stays.

    Parameters
    ----------
    members : dict of int to (n,) int64
        Rows of each concept, in the order they are taken.
    regions : DataFrame
        With ``video``, ``clip``, ``clip_id`` and ``index``.
    probe : Probe
    load_clip : callable
        Gives clip ``clip`` of ``video``.
    class_index : int
    clip_logits : (clips, K) float32
        Output for each whole clip, by ``clip_id``.
    deletion : (R,) float32
        Margin lost without each region.
    num_members : int
        Most regions of a concept.
    num_bootstrap, seed : int

    Returns
    -------
    DataFrame
        Columns `MOTION_COLUMNS`. For each concept ``drop_frozen``, ``drop_shuffled`` and ``drop_reversed``,
        the margin lost, mean over videos with a 95 % interval; and ``motion_dependence``, the first as a
        share of the margin lost when the regions are removed altogether, within [0, 1]; NaN where removal
        costs nothing.
    """
    rows = []
    for concept, all_rows in members.items():
        taken = all_rows[np.isfinite(deletion[all_rows])][:num_members]
        drops = np.array(
            [_drops(regions.iloc[r], probe, load_clip, class_index, clip_logits, seed) for r in taken]
        ).reshape(len(taken), len(EDITS))
        video = regions["video"].to_numpy()[taken]
        by_video = [video == name for name in sorted(set(video))]
        removed = float(np.mean([deletion[taken][here].mean() for here in by_video])) if by_video else 0.0
        for e, edit in enumerate(EDITS):
            found = bootstrap_mean([drops[here, e] for here in by_video], num_draws=num_bootstrap, seed=seed)
            rows.append([concept, f"drop_{edit}", *found])
            if edit == "frozen":
                share = np.array(found) / removed if removed > 0 else np.full(3, np.nan)
                rows.append([concept, "motion_dependence", *np.clip(share, 0.0, 1.0).tolist()])
    return pd.DataFrame(rows, columns=MOTION_COLUMNS)


def edit_frames(frames: Tensor, mask: Tensor, seed: int) -> Tensor:
    """The three edits of ``frames`` (T, H, W, 3) inside ``mask`` (T, H, W): (3, T, H, W, 3), as `EDITS`."""
    length = len(frames)
    shown = torch.nonzero(mask.flatten(1).any(1)).flatten()
    middle = int(shown[len(shown) // 2])
    edited = (frames[middle].expand_as(frames), frames[_other_order(length, seed)], frames.flip(0))
    inside = mask.any(0)[None, :, :, None]
    return torch.stack([torch.where(inside, edit, frames) for edit in edited])


def _other_order(length: int, seed: int) -> Tensor:
    """A random order of ``length`` frames that is not their own: of few, one draw in so many is."""
    rng, own = np.random.default_rng(seed), np.arange(length)
    order = rng.permutation(length)
    while length > 1 and np.array_equal(order, own):
        order = rng.permutation(length)
    return torch.from_numpy(order)


def _drops(
    region: pd.Series,
    probe: Probe,
    load_clip: Callable[[str, int], SegmentedClip],
    class_index: int,
    clip_logits: NDArray[np.float32],
    seed: int,
) -> NDArray[np.float32]:
    clip = load_clip(str(region["video"]), int(region["clip"]))
    mask = region_masks(clip, [[int(region["index"])]])[0]
    edited = edit_frames(clip.clip.network_frames, mask, seed)
    whole = margins(clip_logits[int(region["clip_id"])][None], [class_index])
    return np.asarray((whole - margins(probe.logits(edited), [class_index]))[:, 0], dtype=np.float32)
