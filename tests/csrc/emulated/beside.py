"""The CUDA ops as the CPU runs them, to be called beside those of the CPU.

``ACE3D_EXAMPLES`` is the share of hypothesis' examples that are run: 1 unless it is set.
"""

from __future__ import annotations

import os

import torch
from hypothesis import settings

from ace3d_fast.ops import build_info

build_info()  # importing the ops registers those of the CPU
torch.ops.load_library(os.environ["ACE3D_EMULATED_LIBRARY"])
emulated = torch.ops.ace3d_emulated
native = torch.ops.ace3d


def examples(number: int) -> settings:
    return settings(max_examples=max(1, round(number * float(os.environ.get("ACE3D_EXAMPLES", "1")))))


settings.register_profile("emulated", examples(settings().max_examples), deadline=None, derandomize=True)
settings.load_profile("emulated")
