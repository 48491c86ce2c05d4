"""How much the benchmark measures; fixed before the seeds that are reported were run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Sizes of the benchmark.

    Attributes
    ----------
    seeds : tuple of int
        One network each.
    videos_per_class, clips_per_video : int
    num_steps : int
        Training steps of a network.
    num_regions : tuple of int
        Resolutions of the supervoxels.
    candidates, shared_candidates : tuple of int
        Numbers of clusters tried for a class, and for all classes together.
    forwards_per_concept : int
    nulls_per_class : int
        Null concepts of each class and network.
    stce_videos_per_class : int
        Videos that the published recipe and scikit-image's path describe: each region is one forward.
    evaluated_videos : int
        Videos of a class whose SSC and SDC curves are drawn.
    cluster_seeds : int
        Seeds compared for stability.
    motion_members : int
        Regions of a concept that are frozen, shuffled and reversed.
    fidelity_clips, fidelity_subsets : int
        Videos of a class, and subsets of regions, of muFidelity.
    sobol_clips, sobol_draws : int
        Videos of a class, and random masks of concepts, of the Sobol indices.
    control_networks : int
        Networks that the costly controls (peers, sanity, Sobol) are measured on.
    shortcut_networks : int
        Further networks, trained with a corner tag; every second one has no use for it.
    """

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    videos_per_class: int = 24
    clips_per_video: int = 2
    num_steps: int = 200
    num_regions: tuple[int, ...] = (15, 50)
    candidates: tuple[int, ...] = (5, 6, 7, 8, 10, 12, 15, 20)
    shared_candidates: tuple[int, ...] = (10, 12, 15, 20, 24, 30, 40)
    forwards_per_concept: int = 24
    nulls_per_class: int = 10
    stce_videos_per_class: int = 12
    evaluated_videos: int = 4
    cluster_seeds: int = 5
    motion_members: int = 8
    fidelity_clips: int = 2
    fidelity_subsets: int = 100
    sobol_clips: int = 2
    sobol_draws: int = 16
    control_networks: int = 1
    shortcut_networks: int = 4


FULL = Settings()
QUICK = Settings(
    seeds=(0, 1),
    videos_per_class=15,
    candidates=(6, 8, 10, 12),
    shared_candidates=(12, 20, 30),
    forwards_per_concept=16,
    stce_videos_per_class=0,
    evaluated_videos=2,
    cluster_seeds=3,
    motion_members=4,
    control_networks=0,
    shortcut_networks=0,
)
