"""region features → concepts: clusters that enough videos share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from ace3d_fast.config import ConceptOptions
from ace3d_fast.errors import InputError, expected
from ace3d_fast.learn.clusters import Lloyd, fit_clusters
from ace3d_fast.learn.keep import keep_calibrated, keep_published
from ace3d_fast.learn.recurrence import choose_num_clusters, measure_recurrence
from ace3d_fast.ops import kmeans
from ace3d_fast.rows import RowsOf, draw_rows

NO_CONCEPT = -1
REACH_TOLERANCE = 1e-5  # relative; features differ in their last bits between sizes of batches
MAX_CLUSTERED_ROWS = 20_000
MAX_ROWS_CLUSTERED_AGAIN = 8_000  # ten times, to see which clusters recur
_BLOCK_ROWS = 2**16
_MAX_ROWS_OF_STARTS = 4096  # k-means++ draws the starts of a GPU from so many rows


@dataclass(frozen=True)
class Concepts:
    """Clusters of regions, of one class or of several.

    Attributes
    ----------
    assignment : (rows,) int32
        Concept of each region; -1 where it belongs to none.
    distance : (rows,) float32
        Euclidean distance of each region to its concept's centre, or where it has none to the nearest.
    centers : (num_clusters, C) float64
        Mean feature of each concept among the videos that were clustered.
    reach : (num_clusters,) float64
        Distance of the outermost region from each centre; what lies further out belongs to no concept.
    tables : dict of str to DataFrame
        For each class a row per concept: ``concept``, ``kept``, ``reason``, ``num_regions``, ``num_clips``,
        ``num_videos``, ``largest_video_share``, counted over the videos of the class that were clustered,
        and ``recurrence`` (see `ace3d_fast.learn.recurrence`).
    num_recurring : dict of int to int
        Clusters that recur, for each number of clusters tried.
    ami : float
        Mean adjusted mutual information between clusterings of different subsamples.
    """

    assignment: NDArray[np.int32]
    distance: NDArray[np.float32]
    centers: NDArray[np.float64]
    reach: NDArray[np.float64]
    tables: dict[str, pd.DataFrame]
    num_recurring: dict[int, int]
    ami: float

    @property
    def kept(self) -> list[int]:
        """Concepts that at least one class keeps."""
        return sorted({c for table in self.tables.values() for c in table.loc[table["kept"], "concept"]})

    def to_values(self) -> dict[str, Any]:
        """Arrays and tables, for a shelf."""
        tables = {f"table_{i}": table for i, table in enumerate(self.tables.values())}
        labels = pd.DataFrame({"label": list(self.tables)})
        tried = np.array(list(self.num_recurring.items()), dtype=np.int64).reshape(-1, 2)
        arrays = {name: getattr(self, name) for name in ("assignment", "distance", "centers", "reach")}
        return {**tables, **arrays, "labels": labels, "num_recurring": tried, "ami": np.array([self.ami])}

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Concepts:
        """What gave `to_values`."""
        arrays = {name: values[name] for name in ("assignment", "distance", "centers", "reach")}
        tables = {label: values[f"table_{i}"] for i, label in enumerate(values["labels"]["label"])}
        tried = {int(k): int(count) for k, count in values["num_recurring"]}
        return cls(**arrays, tables=tables, num_recurring=tried, ami=float(values["ami"][0]))


def find_concepts(
    features: NDArray[np.float32] | RowsOf,
    regions: pd.DataFrame,
    options: ConceptOptions,
    *,
    discover: frozenset[str],
    seed: int,
    device: torch.device | None = None,
) -> Concepts:
    """Cluster the regions of the videos ``discover``; give every region its nearest cluster.

    Of more than ``MAX_CLUSTERED_ROWS`` regions a random selection of as many is clustered, and the others are
    read block by block.

    Parameters
    ----------
    features : (rows, C) float32, or RowsOf
    regions : DataFrame
        A row per region, with ``video``, ``label`` and ``clip_id``.
    options : ConceptOptions
    discover : frozenset of str
        Ids of the videos that are clustered.
    seed : int
    device : torch.device, optional
        Where k-means is computed; by default, and on the CPU, scikit-learn does it.

    Raises
    ------
    InputError
        The videos hold fewer regions than clusters.
    """
    found = regions["video"].isin(discover).to_numpy()
    rows = np.flatnonzero(found)
    clustered = rows[draw_rows(len(rows), MAX_CLUSTERED_ROWS, seed)]
    x = features[clustered].astype(np.float64)
    groups = regions["video"].to_numpy()[clustered]
    method, min_size = options.method, options.min_regions
    k, num_recurring = options.num_clusters, {}
    lloyd = None if device is None or device.type == "cpu" else kmeans_on(device)
    if k is None and method != "hdbscan":
        choice = choose_num_clusters(
            x, options.candidates, method=method, seed=seed, groups=groups, min_size=min_size, lloyd=lloyd
        )
        k = choice.num_clusters
        num_recurring = dict(zip(choice.candidates, choice.num_recurring.tolist(), strict=True))
    if len(x) < (k or 2):
        fact = f"{len(x)} regions for {k or 2} clusters"
        raise InputError(
            expected(
                "concepts",
                "the class",
                "to have more regions than clusters",
                fact,
                "give more videos, or set --num-clusters lower",
            )
        )
    clusters = fit_clusters(x, k or 2, method=method, seed=seed, min_size=min_size, lloyd=lloyd)
    some = draw_rows(len(x), MAX_ROWS_CLUSTERED_AGAIN, seed)
    recurrence = measure_recurrence(
        x[some],
        replace(clusters, labels=clusters.labels[some], distances=clusters.distances[some]),
        method=method,
        seed=seed,
        groups=groups[some],
        min_size=min_size,
        lloyd=lloyd,
    )
    centers = np.asarray(clusters.centers, dtype=np.float64)
    assignment, distance = nearest_concepts(features, centers)
    reach = np.zeros(len(centers))
    if method == "hdbscan":  # a region further out than every member belongs to none
        members = clusters.labels >= 0
        np.maximum.at(reach, clusters.labels[members], clusters.distances[members])
        assignment[distance > reach[assignment] * (1 + REACH_TOLERANCE)] = NO_CONCEPT
        assignment[clustered[~members]] = NO_CONCEPT
    else:
        np.maximum.at(reach, assignment, distance)
    tables = {}
    for label in sorted(set(regions.loc[found, "label"])):
        mine = found & (regions["label"] == label).to_numpy()
        table = _keep_table(
            assignment[mine],
            regions[mine],
            options,
            num_videos=regions.loc[mine, "video"].nunique(),
            num_clusters=len(clusters.centers),
        )
        tables[str(label)] = table.assign(recurrence=recurrence.of_cluster)
    return Concepts(assignment, distance, centers, reach, tables, num_recurring, recurrence.ami)


def nearest_concepts(
    features: NDArray[np.float32] | RowsOf,
    centers: NDArray[np.float64],
    reach: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The concept of each row, (rows,) int32, and its distance to that centre, (rows,) float32.

    Parameters
    ----------
    features : (rows, C) float32, or RowsOf
    centers : (num_clusters, C) float64
    reach : (num_clusters,) float64, optional
        A row further from its nearest centre than this gets `NO_CONCEPT`.
    """
    assignment = np.empty(len(features), dtype=np.int32)
    distance = np.empty(len(features), dtype=np.float32)
    for start in range(0, len(features), _BLOCK_ROWS):
        here = slice(start, start + _BLOCK_ROWS)
        x = features[here]
        squares = (centers**2).sum(axis=1) - 2 * x.astype(np.float64) @ centers.T
        assignment[here] = squares.argmin(axis=1)
        distance[here] = np.linalg.norm(x - centers[assignment[here]], axis=1)
    if reach is not None:
        assignment[distance > reach[assignment] * (1 + REACH_TOLERANCE)] = NO_CONCEPT
    return assignment, distance


def kmeans_on(device: torch.device) -> Lloyd:
    """k-means in float32 on ``device``, all starts side by side."""

    def lloyd(
        matrix: NDArray[Any], num_clusters: int, seed: int, num_starts: int
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        from sklearn.cluster import kmeans_plusplus

        rng = np.random.RandomState(seed)
        some = matrix
        if len(matrix) > max(num_clusters, _MAX_ROWS_OF_STARTS):
            some = matrix[rng.choice(len(matrix), max(num_clusters, _MAX_ROWS_OF_STARTS), replace=False)]
        starts = [kmeans_plusplus(some, num_clusters, random_state=rng)[0] for _ in range(num_starts)]
        points, centers = (torch.from_numpy(a).float().to(device) for a in (matrix, np.stack(starts)))
        runs = kmeans(points, centers)
        best = int(runs.inertia.argmin())
        found = runs.centers[best].double().cpu().numpy()
        return found.astype(matrix.dtype), runs.labels[best].cpu().numpy().astype(np.int64)

    return lloyd


def _keep_table(
    assignment: NDArray[np.int32],
    regions: pd.DataFrame,
    options: ConceptOptions,
    *,
    num_videos: int,
    num_clusters: int,
) -> pd.DataFrame:
    labels, videos, clips = assignment, regions["video"].to_numpy(), regions["clip_id"].to_numpy()
    sizes = {"num_videos": num_videos, "num_clusters": num_clusters, "min_regions": options.min_regions}
    if options.keep_rule == "published":
        verdicts = keep_published(labels, videos, clips, **sizes)
    else:
        verdicts = keep_calibrated(
            labels,
            videos,
            clips,
            **sizes,
            num_clips=regions["clip_id"].nunique(),
            min_clips=options.min_clips,
            min_video_share=options.min_video_share,
            min_videos=options.min_videos,
            max_video_share=options.max_video_share,
        )
    return pd.DataFrame(
        {
            "concept": np.arange(num_clusters, dtype=np.int32),
            "kept": [v.kept for v in verdicts],
            "reason": [v.reason for v in verdicts],
            "num_regions": np.array([v.num_regions for v in verdicts], dtype=np.int32),
            "num_clips": np.array([v.num_clips for v in verdicts], dtype=np.int32),
            "num_videos": np.array([v.num_videos for v in verdicts], dtype=np.int32),
            "largest_video_share": [v.largest_video_share for v in verdicts],
        }
    )
