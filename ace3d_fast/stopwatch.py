"""Where the time of a run goes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock


class Stopwatch:
    """Adds up seconds and counts by name; names are leaves and do not nest."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._lock = Lock()  # decoding runs in a thread of its own
        self.seconds: dict[str, float] = {}
        self.counts: dict[str, int] = {}

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Add the time spent inside the block to ``name``."""
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - started
            with self._lock:
                self.seconds[name] = self.seconds.get(name, 0.0) + spent

    def count(self, name: str, steps: int = 1) -> None:
        """Add ``steps`` to the count of ``name``."""
        with self._lock:
            self.counts[name] = self.counts.get(name, 0) + steps

    def add(self, seconds: Mapping[str, float], counts: Mapping[str, int]) -> None:
        """Add what another watch found."""
        with self._lock:
            for name, spent in seconds.items():
                self.seconds[name] = self.seconds.get(name, 0.0) + spent
            for name, steps in counts.items():
                self.counts[name] = self.counts.get(name, 0) + steps

    def take(self) -> Stopwatch:
        """What was found so far, which is forgotten here."""
        taken = Stopwatch()
        with self._lock:
            taken.seconds, self.seconds = self.seconds, {}
            taken.counts, self.counts = self.counts, {}
        return taken

    def to_dict(self) -> dict[str, object]:
        """``total_seconds``, ``stages`` (seconds) and ``counts``, ready for JSON."""
        return {
            "total_seconds": time.perf_counter() - self._started,
            "stages": dict(self.seconds),
            "counts": dict(self.counts),
        }
