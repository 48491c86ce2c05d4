"""What the small run that several tests share is made with."""

from __future__ import annotations

from typing import Any

from ace3d_fast.models.planted import PlantedDemo

TARGET = "red_checker"
FEW: dict[str, Any] = {"num_regions": [15, 50], "num_clusters": 8, "forwards_per_concept": 8}


def few_options(planted: PlantedDemo) -> dict[str, Any]:
    """Options of `ace3d_fast.explain` for it."""
    return {"target_class": TARGET, "model": "planted:net", "weights": planted.weights_path, **FEW}
