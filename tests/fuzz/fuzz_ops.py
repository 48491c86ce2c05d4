"""Throw arguments at the public ops: right ones, and right ones with one or two made wrong.

Each call has to give a result of the right shape or an InputError (or say that memory ran out, where it was
asked for terabytes). Everything else is a finding: a crash, another exception, another shape, a hang.

    python tests/fuzz/fuzz_ops.py --seconds 60          # until the time is over
    python tests/fuzz/fuzz_ops.py --case 1234           # one case again

Cases run in a child process; the parent sees it die or stall, prints the case, and goes on after it.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

HANG_SECONDS = 30
MEMORY_BYTES = 12 * 2**30  # of address space; what asks for more is told so instead of being killed
OUT_OF_MEMORY = (
    "can't allocate memory",
    "bad_alloc",
    "Storage size calculation overflowed",
    "aten::new_empty",
)


def run_case(case: int) -> str | None:
    """Make the call that belongs to ``case``; what is wrong with its outcome, if anything is."""
    from arguments import draw_call

    from ace3d_fast.errors import InputError

    call = draw_call(random.Random(case))
    try:
        result = call.function(**call.arguments)
    except InputError as error:
        return None if str(error).isprintable() else f"{call}: message of several lines: {error!r}"
    except MemoryError:
        return None
    except Exception as error:
        if any(words in str(error) for words in OUT_OF_MEMORY):
            return None
        frames = traceback.format_exc(limit=-4)
        return f"{call}: {type(error).__name__}\n{frames}"
    try:
        fault = call.fault_of(result)
    except Exception:
        fault = f"was taken, and its result has no right shape\n{traceback.format_exc(limit=-2)}"
    return f"{call}: {fault}" if fault else None


def child(first: int) -> None:
    """Run cases from ``first`` on, each announced on standard output before it starts."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[1]
    if "libasan" not in (Path("/proc/self/maps").read_text() if sys.platform == "linux" else ""):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, limit))
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


def watch(first: int, end_time: float) -> Iterator[tuple[int, str]]:
    """Yield (case, finding) of one child until the time is over or the child ends; then (next case, "")."""
    import select

    command = [sys.executable, __file__, "--child", str(first)]
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


def main() -> int:
    """Return 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--case", type=int, help="run this case alone, in this process")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    if options.child is not None:
        child(options.child)
    if options.case is not None:
        finding = run_case(options.case)
        print(finding or "no finding")
        return int(finding is not None)
    end_time, case, findings = time.monotonic() + options.seconds, options.first, 0
    while time.monotonic() < end_time:
        for case, finding in watch(case, end_time):  # noqa: B020 a new child goes on where the last one ended
            if finding:
                findings += 1
                print(f"case {case}: {finding}", flush=True)
    print(f"fuzz_ops: {case - options.first} cases, {findings} findings")
    return int(findings > 0)


if __name__ == "__main__":
    sys.exit(main())
