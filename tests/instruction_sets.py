"""The instruction sets that the kernels are compiled for, compared bit for bit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch
from torch import Tensor

# The op library falls back to AVX2 where the machine has no AVX-512.
INSTRUCTION_SETS = ("baseline", "avx2", "avx512")
FIRST_LINES = "import sys, torch; sys.path.insert(0, sys.argv[2]); torch.set_num_threads(1)\n"
LAST_LINE = "\ntorch.save(results, sys.argv[1])\n"


def same_bits(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are alike in type, shape and every bit; so a NaN equals the same NaN."""
    if (a.dtype, a.shape) != (b.dtype, b.shape):
        return False
    return torch.equal(*(tensor.contiguous().flatten().view(torch.uint8) for tensor in (a, b)))


def assert_instruction_sets_agree(script: str, tmp_path: Path) -> None:
    """Run ``script``, which leaves a list of tensors in ``results``, with each set: all bits are the same.

    The choice is made once in a process, so each set is asked for in one of its own.
    """
    runs = []
    for instruction_set in INSTRUCTION_SETS:
        file = tmp_path / f"{instruction_set}.pt"
        environment = {**os.environ, "ACE3D_INSTRUCTION_SET": instruction_set}
        code = FIRST_LINES + script + LAST_LINE
        subprocess.run(
            [sys.executable, "-c", code, str(file), str(Path(__file__).parent)], env=environment, check=True
        )
        runs.append(torch.load(file, weights_only=True))
    for number, (first, *others) in enumerate(zip(*runs, strict=True)):
        for instruction_set, other in zip(INSTRUCTION_SETS[1:], others, strict=True):
            assert same_bits(first, other), f"result {number}: {instruction_set} differs from baseline"
