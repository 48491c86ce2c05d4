"""What a run knows about its concepts: enough to find them in another video."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from ace3d_fast.config import RunOptions
from ace3d_fast.errors import InputError, RunFolderError, expected
from ace3d_fast.models.load import digest, load_module
from ace3d_fast.models.network import Network
from ace3d_fast.models.targets import OutputTarget, load_target
from ace3d_fast.report.facts import concept_name
from ace3d_fast.stages.concepts import nearest_concepts
from ace3d_fast.store import RunFolder

WHERE = "explain"


@dataclass(frozen=True)
class LearnedConcepts:
    """The concepts of a run, and how it told them apart.

    Attributes
    ----------
    options : RunOptions
    table : DataFrame
        ``concept``, ``status`` and ``region_effect``, in the order of the run's own table.
    directions : dict of int to (C,) float32
        Mean unit direction of each concept that was tested.
    centers : (num_clusters, C) float64
    reach : (num_clusters,) float64
    class_names : list of str
    network_digest : str
    target_digest : str or None
    given_names : dict of int to str
        What people call them.
    """

    options: RunOptions
    table: pd.DataFrame
    directions: dict[int, NDArray[np.float32]]
    centers: NDArray[np.float64]
    reach: NDArray[np.float64]
    class_names: list[str]
    network_digest: str
    target_digest: str | None
    given_names: dict[int, str]

    @classmethod
    def of(cls, run: RunFolder) -> LearnedConcepts:
        """Read the concepts of ``run``.

        Raises
        ------
        InputError
            The run was written by a version that did not keep them, or its clips are whole videos.
        """
        options = RunOptions.from_dict(run.config)
        if options.whole_videos:
            todo = "write the run with --backend native"
            raise InputError(expected(WHERE, "a run", "of clips", "one of whole videos", todo))
        found = run.centers
        missing = [name for name in ("class_names", "network_digest") if name not in run.summary]
        if missing:
            todo = "write the run again with this version"
            raise RunFolderError(expected(WHERE, "summary.json", f"with {missing[0]}", run.path, todo))
        means = {int(name.rpartition("_")[2]): cavs.mean(axis=0) for name, cavs in run.cavs.items()}
        directions = {
            concept: (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)
            for concept, mean in means.items()
        }
        return cls(
            options,
            run.concepts[["concept", "status", "region_effect"]],
            directions,
            found["centers"],
            found["reach"],
            list(run.summary["class_names"]),
            str(run.summary["network_digest"]),
            run.summary.get("target_digest"),
            run.names,
        )

    def name(self, concept: int) -> str:
        """How a concept is called: the name that was given to it with its number, or its number."""
        given = self.given_names.get(concept)
        return f"{given} ({concept})" if given else concept_name(concept)

    @property
    def statuses(self) -> dict[int, str]:
        """Verdict on each concept, best concept first."""
        return dict(zip(self.table["concept"].tolist(), self.table["status"].tolist(), strict=True))

    def assign(self, features: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The concept of each region, (R,) int32, -1 for none, and its distance from that centre.

        ``features`` are those of the run's own kind, (R, C) float32, centred if the run centres them.
        """
        return nearest_concepts(features, self.centers, self.reach)

    def network(
        self,
        *,
        module: nn.Module | None = None,
        model: str | None = None,
        weights: str | Path | None = None,
        device: str | None = None,
    ) -> Network:
        """The run's network, cut at its layer; loaded from where the run found it unless told.

        Raises
        ------
        InputError
            It is not there any more, or is another one.
        """
        options = self.options
        if module is None:
            for name, path in (("model", model or options.model), ("weights", weights or options.weights)):
                file = Path(str(path).rpartition(":")[0] if name == "model" else str(path))
                known = path is None or (name == "model" and file.suffix != ".py")
                if not known and not file.is_file():
                    todo = f"say where it is with --{name}, or work in the folder where the run was made"
                    raise InputError(expected(WHERE, f"the {name} of the run", "to be there", file, todo))
            module = load_module(model or options.model, weights or options.weights).module
        if digest(module) != self.network_digest:
            todo = "give the run's own network with --model and --weights, or write the run again"
            raise InputError(expected(WHERE, "the network", "to be that of the run", "other weights", todo))
        sampling = options.sampling
        return Network(
            module,
            options.layer,
            options.normalization,
            self.class_names,
            device=device or options.device,
            precision=options.precision,
            input_shape=(sampling.num_frames, sampling.crop_px),
            target=self._target(),
        )

    def _target(self) -> OutputTarget | None:
        """The run's target, where it explains none of the logits."""
        if self.options.target is None:
            return None
        found = load_target(self.options.target)
        if found.digest != self.target_digest:
            todo = "give the run its target as path/to/file.py:function, and leave that file alone"
            raise InputError(expected(WHERE, "the target", "to be that of the run", "other code", todo))
        return found
