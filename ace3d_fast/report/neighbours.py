"""Concepts that lie near each other in the layer's space."""

from __future__ import annotations

import numpy as np

from ace3d_fast.report.records import RunRecords


def nearest_concepts(run: RunRecords, *, most: int = 2) -> dict[int, list[tuple[int, float]]]:
    """The nearest other concepts of each tested one, with the cosine of their mean directions.

    Returns
    -------
    dict of int to list of (int, float)
        For each concept that has a direction, up to ``most`` others, the nearest first.
    """
    concepts = [int(concept) for concept in run.concepts["concept"]]
    found = {concept: run.cavs.get(f"concept_{concept:02d}") for concept in concepts}
    known = {
        concept: sets.mean(axis=0, dtype=np.float64) for concept, sets in found.items() if sets is not None
    }
    units = {c: mean / np.linalg.norm(mean) for c, mean in known.items() if np.linalg.norm(mean) > 0}
    nearest = {}
    for concept, direction in units.items():
        others = [(other, float(direction @ units[other])) for other in units if other != concept]
        nearest[concept] = sorted(others, key=lambda pair: -pair[1])[:most]
    return nearest
