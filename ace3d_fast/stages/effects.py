"""concepts → region effects: some regions forwarded alone, and their clips without them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ace3d_fast.learn.matching import match_sizes
from ace3d_fast.models.probe import Probe, View, margins
from ace3d_fast.rows import KnownRows, draw_rows, is_among
from ace3d_fast.types import Progress, SegmentedClip

MAX_STRANGERS = 2**16  # regions of other classes from which counterexamples are drawn
VIDEOS_AT_ONCE = 16  # that fill batches together, and are kept together
LoadClip = Callable[[str, int], SegmentedClip]
Rows = NDArray[np.int64]
Floats = NDArray[np.float32]
Recall = Callable[[Sequence[str], Sequence[NDArray[Any]], Callable[[], dict[str, Any]]], dict[str, Any]]


@dataclass(frozen=True)
class ForwardPlan:
    """Rows of the region table to forward.

    Attributes
    ----------
    members : dict of int to (n,) int64
        Regions of each concept.
    alone : (n,) int64
        All regions that are kept alone: members, the pool matched to them, and counterexamples.
    removed : (n,) int64
        Regions whose removal is measured too: members and pool of the videos that score.
    negatives : (n,) int64
        Counterexamples: regions of other classes, of like sizes.
    """

    members: dict[int, Rows]
    alone: Rows
    removed: Rows
    negatives: Rows


@dataclass(frozen=True)
class RegionResponses:
    """What the network says of regions; NaN, or not known, for one that was not forwarded.

    Attributes
    ----------
    features : KnownRows of (R, C) float32
        Pooled under the region when it stands alone, in place, minus what the fill alone gives there.
    classes : tuple of int
        Classes whose margins were measured.
    insertion : (R, classes) float32
        Margin of the region alone minus margin of the fill.
    deletion : (R, classes) float32
        Margin of the clip minus margin of the clip without the region.
    """

    features: KnownRows
    classes: tuple[int, ...]
    insertion: NDArray[np.float32]
    deletion: NDArray[np.float32]

    def effects(self, class_index: int) -> dict[str, NDArray[np.float32]]:
        """Effects on one class's margin, (R,) float32 each; the region effect is the mean of both kinds."""
        at = self.classes.index(class_index)
        insertion, deletion = self.insertion[:, at], self.deletion[:, at]
        both = np.asarray((insertion + deletion) / 2, dtype=np.float32)
        return {"region_effect": both, "effect_deletion": deletion, "effect_insertion": insertion}


def plan_forwards(
    regions: pd.DataFrame,
    concepts: list[int],
    *,
    train: frozenset[str],
    score: frozenset[str],
    per_concept: int,
    num_negatives: int,
    target_class: str,
    seed: int,
) -> ForwardPlan:
    """Choose the regions to forward.

    Parameters
    ----------
    regions : DataFrame
        A row per region, with ``video``, ``label``, ``concept`` and ``num_voxels``.
    concepts : list of int
        Concepts that are tested.
    train, score : frozenset of str
        Videos of the explained class that fit directions, and that score them.
    per_concept : int
        Most members of a concept; they are spread evenly over its videos. The pool holds as many
        regions as the members of the scoring videos, of the same videos and like sizes.
    num_negatives : int
        Regions of other classes, of like sizes.
    target_class : str
    seed : int
    """
    rng = np.random.default_rng(seed)
    video = regions["video"].to_numpy()
    concept = regions["concept"].to_numpy()
    sizes = regions["num_voxels"].to_numpy()
    usable = is_among(video, train | score)
    members = {c: _spread(np.flatnonzero(usable & (concept == c)), video, per_concept, rng) for c in concepts}
    chosen = _union(*members.values())
    scoring = chosen[is_among(video[chosen], score)]
    pool = []
    rows_of = pd.Series(np.arange(len(video))).groupby(video).indices if len(scoring) else {}
    for name in sorted(set(video[scoring])):
        here = scoring[video[scoring] == name]
        others = np.setdiff1d(rows_of[name], scoring)
        if len(others):
            pool.append(others[match_sizes(sizes[here], sizes[others], num=len(here), seed=seed)])
    strangers = np.flatnonzero(regions["label"].to_numpy() != target_class)
    strangers = strangers[draw_rows(len(strangers), MAX_STRANGERS, seed)]
    negatives = np.zeros(0, dtype=np.int64)
    if len(chosen) and len(strangers):
        picked = match_sizes(sizes[chosen], sizes[strangers], num=num_negatives, seed=seed + 1)
        negatives = strangers[picked]
    removed = _union(scoring, *pool)
    return ForwardPlan(members, _union(chosen, removed, negatives), removed, negatives)


def join_plans(plans: Sequence[ForwardPlan]) -> ForwardPlan:
    """All regions of ``plans`` to forward; the concepts of the first."""
    alone, removed = (_union(*(getattr(plan, name) for plan in plans)) for name in ("alone", "removed"))
    return ForwardPlan(plans[0].members, alone, removed, plans[0].negatives)


def measure_regions(
    plan: ForwardPlan,
    regions: pd.DataFrame,
    probe: Probe,
    load_clip: LoadClip,
    classes: Sequence[int],
    clip_logits: NDArray[np.float32],
    *,
    recall: Recall | None = None,
    progress: Progress,
) -> RegionResponses:
    """Forward the planned regions, clip by clip; one forward serves all classes.

    Parameters
    ----------
    plan : ForwardPlan
    regions : DataFrame
        With ``video``, ``clip``, ``clip_id`` and ``index``.
    probe : Probe
    load_clip : callable
        Gives clip ``clip`` of ``video``.
    classes : sequence of int
        Classes whose margins are measured.
    clip_logits : (clips, K) float32
        Output for each whole clip, by ``clip_id``.
    recall : callable, optional
        Given some videos, what is asked of them and a function that finds that out: keeps the answer.
    progress : Progress
        Advanced by the regions of a clip as each is done, and at once by those that are recalled.
    """
    shape = (len(regions), len(classes))
    insertion, deletion = (np.full(shape, np.nan, dtype=np.float32) for _ in range(2))
    known: list[tuple[Rows, NDArray[np.float32]]] = []
    videos = regions["video"].to_numpy()[plan.alone]
    clip_ids, clips, index = (regions[name].to_numpy() for name in ("clip_id", "clip", "index"))
    names = pd.unique(videos)
    for start in range(0, len(names), VIDEOS_AT_ONCE):
        some = [str(name) for name in names[start : start + VIDEOS_AT_ONCE]]
        rows = plan.alone[np.isin(videos, some)]
        removed = np.isin(rows, plan.removed)
        of_video = regions["video"].to_numpy()[rows]

        counted: list[int] = []

        def count(num_regions: int, counted: list[int] = counted) -> None:
            counted.append(num_regions)
            progress.advance(num_regions)

        def measure(
            rows: Rows = rows, out: Any = removed, of: Any = of_video, count: Any = count
        ) -> dict[str, Any]:
            asked = pd.DataFrame({"video": of, "clip": clips[rows], "index": index[rows], "removed": out})
            logits = clip_logits[clip_ids[rows]]
            return _measure_rows(asked, probe, load_clip, classes, logits, count)

        asked = (of_video, clips[rows], index[rows], removed)
        found = measure() if recall is None else recall(some, asked, measure)
        known.append((rows, found["features"]))
        insertion[rows], deletion[rows] = found["insertion"], found["deletion"]
        progress.advance(len(rows) - sum(counted))
    if not known:
        known.append((plan.alone, np.zeros((0, 0), dtype=np.float32)))
    rows, values = (np.concatenate(parts) for parts in zip(*known, strict=True))
    order = np.argsort(rows)
    return RegionResponses(KnownRows(rows[order], values[order]), tuple(classes), insertion, deletion)


def _measure_rows(
    asked: pd.DataFrame,
    probe: Probe,
    load_clip: LoadClip,
    classes: Sequence[int],
    logits: NDArray[np.float32],
    count: Callable[[int], None],
) -> dict[str, NDArray[np.float32]]:
    """Responses of the regions ``asked`` of; ``logits`` (n, K) are those of their whole clips.

    ``count`` is told of the regions of each clip when its views are on their way.
    """
    groups = asked.groupby(["video", "clip"], sort=False).indices
    by_clip: list[tuple[Any, Rows]] = [(key, np.asarray(rows)) for key, rows in groups.items()]

    def views() -> Iterator[View]:
        for (video, clip), rows in by_clip:
            loaded = load_clip(str(video), int(clip))
            sets = [(int(i),) for i in asked["index"].to_numpy()[rows]]
            yield View(loaded, (), under=sets)
            yield from (View(loaded, regions, under=(regions,)) for regions in sets)
            taken = asked["removed"].to_numpy()[rows]
            yield from (View(loaded, sets[i], keep=False) for i in np.flatnonzero(taken))
            count(len(rows))

    seen = probe.see(views())
    said = margins(seen.logits, classes)
    features: Floats = np.empty((len(asked), seen.features.shape[1]), dtype=np.float32)
    insertion: Floats = np.empty((len(asked), len(classes)), dtype=np.float32)
    deletion = np.full_like(insertion, np.nan)
    view = pooled = 0
    for _, rows in by_clip:
        num, taken = len(rows), rows[asked["removed"].to_numpy()[rows]]
        blank, alone = seen.features[pooled : pooled + num], seen.features[pooled + num : pooled + 2 * num]
        features[rows] = np.subtract(alone, blank)
        insertion[rows] = said[view + 1 : view + 1 + num] - said[view]
        last = view + 1 + num
        deletion[taken] = margins(logits[taken], classes) - said[last : last + len(taken)]
        view, pooled = last + len(taken), pooled + 2 * num
    return {"features": features, "insertion": insertion, "deletion": deletion}


def _union(*rows: Rows) -> Rows:
    return np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *rows]))


def _spread(rows: Rows, video: NDArray[np.object_], most: int, rng: np.random.Generator) -> Rows:
    """Up to ``most`` of ``rows``, drawn in turn from each video."""
    if len(rows) <= most:
        return rows
    shuffled = rng.permutation(rows)
    turn = pd.Series(video[shuffled]).groupby(video[shuffled]).cumcount().to_numpy()
    return np.sort(shuffled[np.argsort(turn, kind="stable")[:most]])
