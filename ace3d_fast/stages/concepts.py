"""region features → concepts: clusters that enough videos share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ace3d_fast.config import ConceptOptions
from ace3d_fast.errors import InputError, expected
from ace3d_fast.learn.clusters import choose_num_clusters, fit_kmeans
from ace3d_fast.learn.keep import keep_calibrated, keep_published


@dataclass(frozen=True)
class Concepts:
    """Clusters of the regions of one class.

    Attributes
    ----------
    assignment : (rows,) int32
        Concept of each region.
    distance : (rows,) float32
        Euclidean distance of each region to its concept's centre.
    table : DataFrame
        A row per concept: ``concept``, ``kept``, ``reason``, ``num_regions``, ``num_clips``,
        ``num_videos``, ``largest_video_share``, counted over the videos that were clustered.
    stability : dict of int to float
        Mean adjusted Rand index between fits, for each number of clusters tried.
    """

    assignment: NDArray[np.int32]
    distance: NDArray[np.float32]
    table: pd.DataFrame
    stability: dict[int, float]


def find_concepts(
    features: NDArray[np.float32],
    regions: pd.DataFrame,
    options: ConceptOptions,
    *,
    discover: frozenset[str],
    seed: int,
) -> Concepts:
    """Cluster the regions of the videos ``discover``; give every region its nearest cluster.

    Parameters
    ----------
    features : (rows, C) float32
    regions : DataFrame
        A row per region of the explained class, with ``video`` and ``clip_id``.
    options : ConceptOptions
    discover : frozenset of str
        Ids of the videos that are clustered.
    seed : int

    Raises
    ------
    InputError
        The videos hold fewer regions than clusters.
    """
    found = regions["video"].isin(discover).to_numpy()
    x = features[found].astype(np.float64)
    k, stability = options.num_clusters, {}
    if k is None:
        groups = regions.loc[found, "video"].to_numpy()
        choice = choose_num_clusters(x, options.candidates, seed=seed, groups=groups)
        k = choice.num_clusters
        stability = dict(zip(choice.candidates, choice.stability.tolist(), strict=True))
    if len(x) < k:
        fact = f"{len(x)} regions for {k} clusters"
        raise InputError(expected("concepts", "the class", "to have more regions than clusters", fact))
    clusters = fit_kmeans(x, k, seed=seed)
    squares = (clusters.centers**2).sum(axis=1) - 2 * features.astype(np.float64) @ clusters.centers.T
    assignment = squares.argmin(axis=1).astype(np.int32)
    offset = features - clusters.centers[assignment]
    return Concepts(
        assignment,
        np.linalg.norm(offset, axis=1).astype(np.float32),
        _keep_table(assignment[found], regions[found], options, num_videos=len(discover), num_clusters=k),
        stability,
    )


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
