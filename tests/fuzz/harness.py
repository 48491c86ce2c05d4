"""What the fuzz targets share: cases run in a child process.

The parent sees it die or stall, prints the case, and goes on after it.
"""

from __future__ import annotations

import argparse
import resource
import select
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

HANG_SECONDS = 30


def child(run_case: Callable[[int], str | None], first: int, memory_bytes: int) -> None:
    """Run cases from ``first`` on, each announced on standard output before it starts."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[1]
    if "libasan" not in (Path("/proc/self/maps").read_text() if sys.platform == "linux" else ""):
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, limit))
    warnings.simplefilter("ignore")
    import torch

    torch.set_num_threads(1)
    case = first
    while True:
        print(case, flush=True)
        finding = run_case(case)
        if finding:
            print(f"! {finding!r}", flush=True)
        case += 1


def watch(script: str, first: int, end_time: float) -> Iterator[tuple[int, str]]:
    """Yield (case, finding) of one child until the time is over or the child ends; then (next case, "")."""
    command = [sys.executable, script, "--child", str(first)]
    case = first
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=False, bufsize=0) as process:
        assert process.stdout is not None
        rest = b""
        started = False
        while time.monotonic() < end_time:
            patience = HANG_SECONDS if started else 10 * HANG_SECONDS
            ready, _, _ = select.select([process.stdout], [], [], min(patience, end_time - time.monotonic()))
            if not ready:
                if time.monotonic() < end_time:
                    yield case, f"no answer within {patience} s"
                    case += 1
                break
            chunk = process.stdout.read(65536)
            if not chunk:
                yield case, f"the process ended with status {process.wait()}"
                case += 1
                break
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                text = line.decode()
                if text.startswith("!"):
                    yield case, text[2:]
                else:
                    case, started = int(text), True
        process.kill()
    yield case, ""


def main(script: str, words: str, run_case: Callable[[int], str | None], *, memory_bytes: int) -> int:
    """The command line of a target; 1 if anything was found."""
    parser = argparse.ArgumentParser(description=words, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--case", type=int, help="run this case alone, in this process")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        child(run_case, options.child, memory_bytes)
    if options.case is not None:
        finding = run_case(options.case)
        print(finding or "no finding")
        return int(finding is not None)
    end_time, case, findings = time.monotonic() + options.seconds, options.first, 0
    while time.monotonic() < end_time:
        for case, finding in watch(script, case, end_time):  # noqa: B020 a new child goes on where one ended
            if finding:
                findings += 1
                print(f"case {case}: {finding}", flush=True)
    print(f"{Path(script).stem}: {case - options.first} cases, {findings} findings")
    return int(findings > 0)
