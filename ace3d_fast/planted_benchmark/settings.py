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
    candidates : tuple of int
        Numbers of clusters tried for a class; twice and four times as many are tried for all classes.
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
        Of muFidelity.
    control_networks : int
        Networks that the costly controls (peers, sanity, Sobol) are measured on.
    shortcut_networks : int
        Further networks, trained with a corner tag.
    """

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    videos_per_class: int = 24
    clips_per_video: int = 2
    num_steps: int = 200
    num_regions: tuple[int, ...] = (15, 50)
    candidates: tuple[int, ...] = (5, 6, 7, 8, 10, 12, 15, 20)
    forwards_per_concept: int = 32
    nulls_per_class: int = 10
    stce_videos_per_class: int = 12
    evaluated_videos: int = 4
    cluster_seeds: int = 5
    motion_members: int = 8
    fidelity_clips: int = 6
    fidelity_subsets: int = 100
    control_networks: int = 2
    shortcut_networks: int = 2


FULL = Settings()
QUICK = Settings(
    seeds=(0, 1),
    videos_per_class=15,
    num_steps=150,
    forwards_per_concept=24,
    stce_videos_per_class=6,
    evaluated_videos=2,
    cluster_seeds=3,
    motion_members=4,
    fidelity_clips=2,
    fidelity_subsets=60,
    control_networks=0,
    shortcut_networks=0,
)
