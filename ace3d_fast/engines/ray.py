"""Actors of a Ray cluster; each loads the network once, and has a few tasks at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

from ace3d_fast.engines.processes import TASKS_AT_ONCE, Answer, Prepare, Recipe, Task, name_of
from ace3d_fast.errors import Ace3dError, InputError, expected

MAX_RESTARTS = 3


def map_on_ray(
    prepare: Prepare[Recipe, Task, Answer],
    recipe: Recipe,
    tasks: Sequence[Task],
    num_workers: int,
    *,
    num_gpus: float = 0.0,
) -> Iterator[Answer]:
    """Yield the answers to ``tasks`` as they come; arguments as `map_on_processes`.

    Runs on the cluster that this process is connected to, else on that of ``RAY_ADDRESS``, else on one of
    this machine. Actors take one CPU and ``num_gpus`` GPUs each; there are ``num_workers`` of them, or as
    many as the cluster has room for. An actor that dies is started again, and its task with it.

    Raises
    ------
    InputError
        Ray is not installed, or the cluster has no room for one actor.
    Ace3dError
        An actor died more often than `MAX_RESTARTS` times.
    Exception
        What ``prepare``, or the server that it made, raised.
    """
    try:
        ray: Any = import_module("ray")
    except ImportError as error:
        todo = "pip install 'ace3d_fast[ray]'"
        raise InputError(expected("run", "Ray", "to be installed for --engine ray", "none", todo)) from error
    started = not ray.is_initialized()
    if started:
        ray.init(log_to_driver=False, logging_level="error", include_dashboard=False)
    try:
        room = _room(ray.cluster_resources(), num_gpus)
        if room < 1:
            fact = f"{ray.cluster_resources().get('GPU', 0):g} GPUs"
            raise InputError(expected("run", "the Ray cluster", f"to have {num_gpus:g} GPU", fact))
        kind = ray.remote(num_cpus=1, num_gpus=num_gpus, max_restarts=MAX_RESTARTS, max_task_retries=-1)(
            _Actor
        )
        actors = [kind.remote(prepare, recipe) for _ in range(min(num_workers, room))]
        try:
            yield from _answers(ray, actors, deque(tasks))
        finally:
            for actor in actors:
                ray.kill(actor)
    finally:
        if started:
            ray.shutdown()


def _answers(ray: Any, actors: Sequence[Any], waiting: deque[Any]) -> Iterator[Any]:
    at: dict[Any, tuple[Any, Any]] = {}
    for _ in range(TASKS_AT_ONCE):
        for actor in actors:
            if waiting:
                task = waiting.popleft()
                at[actor.answer.remote(task)] = actor, task
    while at:
        (ready,), _ = ray.wait(list(at), num_returns=1)
        actor, task = at.pop(ready)
        try:
            answer = ray.get(ready)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error
        except ray.exceptions.RayError as error:
            fact = f"{type(error).__name__} at {name_of(task)}"
            todo = "see `ray logs`; give its machines more memory, or leave that video out"
            raise Ace3dError(expected("run", "an actor of Ray", "to finish", fact, todo)) from error
        if waiting:
            task = waiting.popleft()
            at[actor.answer.remote(task)] = actor, task
        yield answer


def _room(resources: dict[str, float], num_gpus: float) -> int:
    """How many actors fit the cluster."""
    room = int(resources.get("CPU", 0))
    return min(room, int(resources.get("GPU", 0) / num_gpus)) if num_gpus else room


class _Actor:
    """One worker; it is prepared at the first task, whose caller then sees what goes wrong."""

    def __init__(self, prepare: Any, recipe: Any) -> None:
        self._prepare, self._recipe = prepare, recipe
        self._serve: Any = None

    def answer(self, task: Any) -> Any:
        """The answer to one task."""
        if self._serve is None:
            self._serve = self._prepare(self._recipe)
        answers: list[Any] = []
        self._serve([task], answers.append)
        return answers[0]
