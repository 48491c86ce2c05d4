"""Freed memory goes back to the system, and a run asks for that."""

import subprocess
import sys

import pytest
from fast_run import fast_run

from ace3d_fast import memory

# In a process of its own: holes that others left in this one's heap would take the records.
FREED = """
import re
from pathlib import Path

from ace3d_fast.memory import release_memory


def held_bytes():
    return 1024 * int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])


clips, records = [], []
for _ in range(1500):
    clips.append(bytearray(100_000))
    clips[-1][::4096] = b"x" * len(clips[-1][::4096])
    records.append(bytearray(1000))
clips.clear()
before = held_bytes()
release_memory()
print(before - held_bytes())
"""


@pytest.mark.skipif(not hasattr(memory._library(), "malloc_trim"), reason="another C library than glibc")
def test_what_was_freed_between_records_that_stay_is_given_back():
    done = subprocess.run([sys.executable, "-c", FREED], check=True, capture_output=True, text=True)
    assert int(done.stdout) > 100_000_000


def test_a_run_gives_memory_back_after_every_block(planted, few_videos, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr("ace3d_fast.describer.release_memory", lambda: calls.append(1))
    fast_run(planted, few_videos, tmp_path / "run")
    assert len(calls) >= 20  # videos of one block each
