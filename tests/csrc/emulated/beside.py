"""The CUDA ops as the CPU runs them, to be called beside those of the CPU."""

from __future__ import annotations

import os

import torch

from ace3d_fast.ops import build_info

build_info()  # importing the ops registers those of the CPU
torch.ops.load_library(os.environ["ACE3D_EMULATED_LIBRARY"])
emulated = torch.ops.ace3d_emulated
native = torch.ops.ace3d
