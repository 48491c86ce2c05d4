"""Which videos discover concepts, which train their directions, which score them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ace3d_fast.errors import InputError, expected

ROLES = ("discover", "train", "score")
MIN_VIDEOS = 3
MIN_VIDEOS_FOR_THIRDS = 12


@dataclass(frozen=True, slots=True)
class Split:
    """The role of each video of a class.

    Attributes
    ----------
    discover, train, score : frozenset of str
        Ids of the videos that are clustered, that fit the directions, and that score them.
        Disjoint, except when ``leave_one_out``: then each holds all videos.
    leave_one_out : bool
        Each video is scored by directions fitted without it (and without its group).
    """

    discover: frozenset[str]
    train: frozenset[str]
    score: frozenset[str]
    leave_one_out: bool


def split_thirds(video_ids: Sequence[str], groups: Sequence[str], seed: int) -> dict[str, set[str]]:
    """Deal videos into thirds ``discover``, ``train`` and ``score``, disjoint by group.

    Parameters
    ----------
    video_ids, groups : sequences of str
        Each video and its group; videos of one group get the same role.
    seed : int
        Decides within equal sizes; the order of the videos does not matter.

    Returns
    -------
    dict of str to set of str
        The largest group is dealt first, always to the smallest third.

    Raises
    ------
    InputError
        Fewer than three groups, or not one group for each video.
    """
    members = _by_group("split_thirds", video_ids, groups)
    if len(members) < len(ROLES):
        fact = f"{len(members)} ({len(video_ids)} videos)"
        raise InputError(expected("split_thirds", "groups", "of at least 3 different sources", fact))
    rng = np.random.default_rng(seed)
    names = sorted(members)
    names = [names[i] for i in rng.permutation(len(names))]
    names.sort(key=lambda name: -len(members[name]))  # stable: equal sizes stay shuffled
    roles = [ROLES[i] for i in rng.permutation(len(ROLES))]
    thirds: dict[str, set[str]] = {role: set() for role in ROLES}
    for name in names:
        smallest = min(roles, key=lambda role: len(thirds[role]))
        thirds[smallest].update(members[name])
    return thirds


def cross_fit(video_ids: Sequence[str], groups: Sequence[str], where: str = "run") -> Split:
    """Let every video discover, train and score, leaving its own group out when it is scored.

    Parameters
    ----------
    video_ids, groups : sequences of str
    where : str
        Begins the error message.

    Raises
    ------
    InputError
        Fewer than three videos or groups.
    """
    members = _by_group(where, video_ids, groups)
    if len(members) < MIN_VIDEOS:
        requirement = f"at least {MIN_VIDEOS} videos of different sources"
        fact = f"{_count(len(set(video_ids)), 'video')} from {_count(len(members), 'source')}"
        todo = "add videos of the class, or name another class"
        raise InputError(expected(where, "the target class", f"to have {requirement}", fact, todo))
    ids = frozenset(video_ids)
    return Split(ids, ids, ids, True)


def split_videos(video_ids: Sequence[str], groups: Sequence[str], *, seed: int, where: str = "run") -> Split:
    """Split the videos of a class into thirds, or cross-fit when there are fewer than 12 groups.

    Parameters
    ----------
    video_ids, groups : sequences of str
        The videos of the class and their groups (a video's own id where it has none).
    seed : int
    where : str
        Begins the error message.

    Returns
    -------
    Split

    Raises
    ------
    InputError
        Fewer than three videos or groups; the message says what to do.
    """
    members = _by_group(where, video_ids, groups)
    if len(members) < MIN_VIDEOS_FOR_THIRDS:
        return cross_fit(video_ids, groups, where)
    thirds = split_thirds(video_ids, groups, seed)
    discover, train, score = (frozenset(thirds[role]) for role in ROLES)
    return Split(discover, train, score, False)


def _by_group(where: str, video_ids: Sequence[str], groups: Iterable[str]) -> dict[str, list[str]]:
    """Sorted videos of each group."""
    names = list(groups)
    if len(names) != len(video_ids):
        raise InputError(expected(where, "groups", f"one for each of {len(video_ids)} videos", len(names)))
    if len(set(video_ids)) != len(video_ids):
        raise InputError(expected(where, "video_ids", "all different", "a repeated id"))
    members: dict[str, list[str]] = {}
    for video, name in sorted(zip(video_ids, names, strict=True)):
        members.setdefault(name, []).append(video)
    return members


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
