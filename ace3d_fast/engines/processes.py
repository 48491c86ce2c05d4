"""Worker processes on this machine, each fed over a socket; one that dies is replaced."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import tempfile
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, TypeVar

from ace3d_fast.errors import Ace3dError, expected, kind_and_line

Recipe = TypeVar("Recipe")
Task = TypeVar("Task")
Answer = TypeVar("Answer")
Serve = Callable[[Iterable[Task], Callable[[Answer], None]], None]
Prepare = Callable[[Recipe], Serve[Task, Answer]]

TASKS_AT_ONCE = 2  # one is computed while the next is read
MAX_DEATHS = 3  # of workers over one task


def map_on_processes(
    prepare: Prepare[Recipe, Task, Answer], recipe: Recipe, tasks: Sequence[Task], num_workers: int
) -> Iterator[Answer]:
    """Yield the answers to ``tasks`` as they come.

    Parameters
    ----------
    prepare : callable
        A function of a module: makes a server of ``recipe``. A server gets an iterable of tasks and a
        function to call with the answer to each, in the order of the tasks.
    recipe : object
        What can be pickled.
    tasks : sequence
    num_workers : int

    Raises
    ------
    Ace3dError
        A worker died over the same task `MAX_DEATHS` times.
    Exception
        What ``prepare``, or the server that it made, raised.
    """
    waiting = deque((task, 0) for task in tasks)
    workers: list[_Worker] = []
    num_left = len(waiting)
    scratch = tempfile.TemporaryDirectory(prefix="ace3d_workers_", ignore_cleanup_errors=True)
    try:
        while num_left:
            while len(workers) < min(num_workers, num_left):
                workers.append(_Worker(prepare, recipe, scratch.name))
            for _ in range(TASKS_AT_ONCE):  # in turn, so that none has two tasks while another has none
                for worker in workers:
                    if waiting and len(worker.tasks) < TASKS_AT_ONCE:
                        worker.give(*waiting.popleft())
            for ready in wait([worker.connection for worker in workers]):
                worker = next(each for each in workers if each.connection is ready)
                try:
                    kind, answer = worker.connection.recv()
                except (EOFError, OSError, pickle.UnpicklingError):
                    workers.remove(worker)
                    waiting.extendleft(reversed(worker.bury()))
                    continue
                if kind == "error":
                    raise answer
                worker.tasks.popleft()
                num_left -= 1
                yield answer
    finally:
        for worker in workers:
            worker.end()
        scratch.cleanup()  # a worker is killed: what it had there, it left there


def name_of(task: object) -> str:
    """A task in a message: the id of what it begins with, if that has one."""
    first = task[0] if isinstance(task, tuple) else task
    return str(getattr(first, "id", first))


class _Worker:
    """One process, and the tasks it has: (task, how many workers died over it)."""

    def __init__(self, prepare: Any, recipe: Any, scratch: str) -> None:
        ours, theirs = socket.socketpair()
        self.tasks: deque[tuple[Any, int]] = deque()
        folders = os.pathsep.join(str(Path(folder).absolute()) for folder in sys.path)
        environment = {**os.environ, "PYTHONPATH": folders, "TMPDIR": scratch}
        with theirs:
            command = [sys.executable, "-m", "ace3d_fast.engines.worker", str(theirs.fileno())]
            self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environment)
        self.connection = Connection(ours.detach())
        self._send((prepare, recipe))

    def give(self, task: Any, num_deaths: int) -> None:
        self.tasks.append((task, num_deaths))
        self._send(task)

    def _send(self, message: Any) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # it died: reading from it says so
            self.connection.send(message)

    def bury(self) -> list[tuple[Any, int]]:
        """The tasks of a worker that died; the first, which it was at, counts one more death."""
        self.connection.close()
        code = self.process.wait()
        tasks = list(self.tasks)
        if not tasks:
            return []
        task, num_deaths = tasks[0]
        if num_deaths + 1 == MAX_DEATHS:
            how = f"signal {-code}" if code < 0 else f"exit status {code}"
            fact = f"{MAX_DEATHS} that died ({how}) at {name_of(task)}"
            todo = "look at its message above, give more memory or fewer --workers, or leave that video out"
            raise Ace3dError(expected("run", "a worker process", "to finish", fact, todo))
        return [(task, num_deaths + 1), *tasks[1:]]

    def end(self) -> None:
        """Stop the process; what it is at is lost."""
        self.connection.close()
        self.process.kill()
        self.process.wait()


def work(connection: Connection) -> None:
    """What a worker process does: serve until the other side closes the connection."""

    def tasks() -> Iterator[Any]:
        while True:
            try:
                yield connection.recv()
            except (EOFError, OSError):
                os._exit(0)  # the run ended, or its process died

    try:
        prepare, recipe = connection.recv()
        prepare(recipe)(tasks(), lambda answer: connection.send(("answer", answer)))
    except (BrokenPipeError, ConnectionResetError):
        os._exit(0)
    except BaseException as error:  # raised again by the process that gave the task
        if not isinstance(error, Ace3dError | OSError):
            traceback.print_exc()
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            error = Ace3dError(kind_and_line(error))
        connection.send(("error", error))
