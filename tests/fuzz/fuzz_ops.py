"""Throw arguments at the public ops: right ones, and right ones with one or two made wrong.

Each call has to give a result of the right shape or an InputError (or say that memory ran out, where it was
asked for terabytes). Everything else is a finding: a crash, another exception, another shape, a hang.

    python tests/fuzz/fuzz_ops.py --seconds 60          # until the time is over
    python tests/fuzz/fuzz_ops.py --case 1234           # one case again

See `harness` for how cases are run.
"""

from __future__ import annotations

import random
import sys
import traceback

import harness

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


if __name__ == "__main__":
    sys.exit(harness.main(__file__, __doc__ or "", run_case, memory_bytes=MEMORY_BYTES))
