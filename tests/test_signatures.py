"""Arguments of public functions against their annotations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from torch import nn

from ace3d_fast.api import explain, run_options
from ace3d_fast.errors import InputError
from ace3d_fast.new_video import explain_video
from ace3d_fast.notebook import view_run
from ace3d_fast.run_comparison import compare_runs
from ace3d_fast.signatures import checked
from ace3d_fast.types import Progress, SilentProgress


@checked
def takes(
    path: str | Path = "",
    *,
    count: int | None = None,
    counts: int | Sequence[int] | None = None,
    share: float = 0.0,
    kind: Literal["a", "b"] = "a",
    whether: bool = False,
    module: nn.Module | None = None,
    function: str | Callable[[Any], int] = "",
    progress: Progress | None = None,
    **more: Any,
) -> tuple[object, ...]:
    """Give back what it is given."""
    return (path, count, counts, share, kind, whether, module, function, progress, more)


@pytest.mark.parametrize(
    "given",
    [
        {"path": Path("here")},
        {"count": 3, "counts": [1, 2], "share": 1},
        {"count": np.int64(3), "counts": np.arange(3), "share": np.float32(0.5)},
        {"counts": (), "kind": "c", "whether": True},
        {"counts": np.int32(4), "module": nn.ReLU(), "function": len, "progress": SilentProgress()},
        {"count": None, "module": None, "what": object()},
    ],
)
def test_what_the_annotations_allow_is_passed_on(given):
    assert [value for value in takes(**given)[:-1] if any(value is each for each in given.values())]
    assert takes(**given)[-1] == {name: value for name, value in given.items() if name == "what"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"path": 3}, r"path to be text or a path, got 3 \(int\)"),
        ({"count": "3"}, r"count to be an integer, got '3' \(str\)"),
        ({"count": 3.0}, r"count to be an integer, got 3\.0 \(float\)"),
        ({"count": True}, r"count to be an integer, got True \(bool\)"),
        ({"counts": "15,50"}, r"counts to be an integer or a sequence, each an integer, got '15,50' \(str\)"),
        ({"counts": [15, "50"]}, r"counts to be .*, got \[15, '50'\] \(list\)"),
        ({"counts": {15: 0}}, r"counts to be .*, got \{15: 0\} \(dict\)"),
        ({"share": None}, r"share to be a number, got None \(NoneType\)"),
        ({"kind": 1}, r"kind to be text, got 1 \(int\)"),
        ({"whether": 1}, r"whether to be True or False, got 1 \(int\)"),
        ({"module": nn.ReLU}, "module to be a Module, got the class ReLU itself"),
        ({"function": 3}, r"function to be text or a function, got 3 \(int\)"),
        ({"progress": print}, r"progress to be a Progress, got <built-in function print>"),
        ({"path": ["x" * 80]}, "path to be text or a path, got a list$"),
    ],
)
def test_another_type_is_told_by_name(given, message):
    with pytest.raises(InputError, match=f"^takes: expected {message}"):
        takes(**given)


def test_arguments_that_do_not_exist_or_lack_are_what_they_are_in_python():
    with pytest.raises(TypeError, match=r"run_options\(\) missing 1 required keyword-only argument: 'model'"):
        run_options("videos", target_class="wave")
    with pytest.raises(TypeError, match=r"compare_runs\(\) got an unexpected keyword argument 'first'"):
        compare_runs("a", "b", first=1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: explain(5, target_class="a", model="m", out="o"), "explain: expected videos to be"),
        (
            lambda: explain_video("a.mp4", None),
            "explain_video: expected run to be a RunFolder or text or a path",
        ),
        (lambda: compare_runs("a", 3), "compare_runs: expected b to be"),
        (lambda: view_run(3), "view_run: expected run to be"),
    ],
)
def test_the_public_functions_are_checked(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_one_number_stands_for_a_list_of_one():
    many = {"target_class": "red_checker", "model": "planted:net"}
    options = run_options("videos", num_regions=15, mean=0.5, std=np.float64(0.25), **many)
    assert options == run_options(["videos"], num_regions=[15], mean=[0.5], std=(0.25,) * 3, **many)
    assert options.segment.num_regions == (15,)
    assert options.normalization.mean == (0.5, 0.5, 0.5)
