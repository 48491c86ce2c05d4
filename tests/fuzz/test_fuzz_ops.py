import random
import time

import arguments
import calls
import fuzz_ops
import harness
import pytest
import torch

from ace3d_fast import ops
from ace3d_fast.errors import InputError


def test_right_and_wrong_arguments_find_nothing():
    assert [fuzz_ops.run_case(case) for case in range(40)] == [None] * 40


@pytest.mark.parametrize("wrong", [KeyError("x"), RuntimeError("CUDA error"), InputError("two\nlines")])
def test_other_errors_are_findings(monkeypatch, wrong):
    def broken(**_):
        raise wrong

    monkeypatch.setattr(arguments, "CALLS", [lambda rng: calls.Call(broken, {"x": 1}, lambda a: [])])
    assert type(wrong).__name__ in fuzz_ops.run_case(0)


def test_a_wrong_shape_is_a_finding():
    call = calls.Call(lambda x: torch.zeros(x), {"x": 3}, lambda a: [(4,)])
    assert call.fault_of(torch.zeros(3)) == "gave shapes [(3,)] instead of [(4,)]"


def test_the_parent_sees_a_child_die(tmp_path):
    script = tmp_path / "child.py"
    script.write_text("import os; print(7, flush=True); os.abort()")
    found = list(harness.watch(str(script), 5, time.monotonic() + 30))
    assert found == [(7, "the process ended with status -6"), (8, "")]


def test_a_case_is_its_number():
    first, again = (str(arguments.draw_call(random.Random(3))) for _ in range(2))
    assert first == again


def test_every_public_op_is_called():
    no_ops = {"KmeansRuns", "build_info", "StreamedFrames", "stream_supervoxels"}
    assert {draw.__name__.removeprefix("_") for draw in arguments.CALLS} == set(ops.__all__) - no_ops
