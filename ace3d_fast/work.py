"""Who describes the videos of a run: this process, worker processes, or the actors of a Ray cluster."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from torch import nn

from ace3d_fast.config import Execution, RunOptions
from ace3d_fast.describer import VIDEOS, Describer
from ace3d_fast.engines.processes import Serve, map_on_processes
from ace3d_fast.errors import InputError, VideoError, expected
from ace3d_fast.models.load import digest, load_module
from ace3d_fast.models.network import Network
from ace3d_fast.models.targets import OutputTarget, load_target
from ace3d_fast.regions.source import RegionSource
from ace3d_fast.shelf import Shelf
from ace3d_fast.threads import one_torch_thread
from ace3d_fast.types import Video

Task = tuple[Video, str]
Report = tuple[str, VideoError | None, dict[str, float], dict[str, int]]


@dataclass(frozen=True)
class Recipe:
    """What a worker needs; ``module`` and ``target`` are None where ``options`` name them."""

    options: RunOptions
    classes: dict[str, int]
    class_names: list[str]
    network_digest: str
    shelf: Shelf
    module: nn.Module | None
    regions: RegionSource | None
    target: OutputTarget | None
    target_digest: str | None

    def describer(self) -> Describer:
        """Load the network and check that it is the same.

        Raises
        ------
        InputError
            It, or the target, is another one.
        """
        options = self.options
        module = self.module
        if module is None:
            module = load_module(options.model, options.weights).module
        found = digest(module)
        if found != self.network_digest:
            fact = f"digest {found[:12]} where {self.network_digest[:12]} was loaded first"
            todo = "give every machine the same files, and leave them alone during a run"
            raise InputError(expected("run", "the network of a worker", "to be the same", fact, todo))
        network = Network(
            module,
            options.layer,
            options.normalization,
            self.class_names,
            device=options.device,
            precision=options.precision,
            target=self.found_target(),
        )
        return Describer(options, network, self.classes, self.regions)

    def found_target(self) -> OutputTarget | None:
        """The target, loaded where it has a name.

        Raises
        ------
        InputError
            It is another one.
        """
        if self.target_digest is None or self.target is not None:
            return self.target
        assert self.options.target is not None
        found = load_target(self.options.target)
        if found.digest != self.target_digest:
            todo = "give every machine the same files, and leave them alone during a run"
            raise InputError(expected("run", "the target of a worker", "to be the same", "other code", todo))
        return found


def threads(execution: Execution) -> AbstractContextManager[None]:
    """One thread for each worker, so that sums come in the same order for any number of them."""
    return nullcontext() if execution.workers is None else one_torch_thread()


def describe_videos(
    describer: Describer,
    tasks: Sequence[Task],
    shelf: Shelf,
    execution: Execution,
    module: nn.Module | None,
    done: Callable[[Video, VideoError | None], None],
) -> None:
    """Put the pieces of all ``tasks`` that are not there on the shelf; tell ``done`` of each video."""
    missing = []
    for video, name in tasks:
        if shelf.find(VIDEOS, name) is None:
            missing.append((video, name))
        else:
            done(video, None)
    if execution.workers is None:
        describer.describe(missing, shelf, done)
        return
    target = describer.network.target
    recipe = Recipe(
        describer.options,
        describer.classes,
        describer.network.class_names,
        digest(describer.network.module),
        shelf,
        module,
        describer.regions,
        None if target is None or target.loaded else _picklable(target),
        None if target is None else target.digest,
    )
    videos = {video.id: video for video, _ in missing}
    for name, error, seconds, counts in _map(recipe, missing, execution):
        describer.watch.add(seconds, counts)
        done(videos[name], error)


def _picklable(target: OutputTarget) -> OutputTarget:
    """``target``, which is in memory.

    Raises
    ------
    InputError
        It cannot be pickled, or is of the script that was started, which no worker runs.
    """
    todo = "give it as path/to/file.py:function"
    try:
        written = pickle.dumps(target)
    except Exception as error:  # of any kind: the user's object is asked
        fact = f"{target.name}, which cannot be pickled"
        raise InputError(expected("run", "target", "that workers can get", fact, todo)) from error
    if b"__main__" in written:
        fact = f"{target.name}, of the script that was started"
        raise InputError(expected("run", "target", "that workers can get", fact, todo))
    return target


def _map(recipe: Recipe, tasks: Sequence[Task], execution: Execution) -> Iterator[Report]:
    assert execution.workers is not None
    num_workers = min(execution.workers, len(tasks))
    if not tasks:
        return iter(())
    if execution.engine == "ray":
        from ace3d_fast.engines.ray import map_on_ray

        on_gpu = recipe.options.device.startswith("cuda")
        gpus = 1.0 if on_gpu else 0.0
        if on_gpu:  # Ray shows each actor its own GPU alone
            recipe = replace(recipe, options=replace(recipe.options, device="cuda"))
        return map_on_ray(server, recipe, tasks, num_workers, num_gpus=gpus)
    return map_on_processes(server, recipe, tasks, num_workers)


def server(recipe: Recipe) -> Serve[Task, Report]:
    """The work of one worker: describe videos as they come, and tell of each."""
    describer = recipe.describer()

    def serve(tasks: Iterable[Task], tell: Callable[[Report], None]) -> None:
        def done(video: Video, error: VideoError | None) -> None:
            watch = describer.watch.take()
            tell((video.id, error, watch.seconds, watch.counts))

        with one_torch_thread(), recipe.shelf.at_worker() as shelf:
            describer.describe(tasks, shelf, done)

    return serve
