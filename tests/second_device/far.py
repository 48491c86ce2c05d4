"""Makes the device "far" of second_device.cpp known to torch: a plugin of pytest, in a process of its own.

torch takes one such device for good, so no other test is to meet it.
"""

from __future__ import annotations

import ctypes
import os
import types
from collections.abc import Iterator
from contextlib import contextmanager

import torch

PATH = os.environ["ACE3D_SECOND_DEVICE"]

torch.utils.rename_privateuse1_backend("far")
torch.ops.load_library(PATH)
_module = types.ModuleType("far")
vars(_module).update(
    is_available=lambda: True,
    device_count=lambda: 1,
    current_device=lambda: 0,
    _is_in_bad_fork=lambda: False,
    manual_seed_all=lambda _seed: None,
    get_amp_supported_dtype=lambda: [torch.bfloat16],
)
torch._register_device_module("far", _module)
torch.utils.generate_methods_for_privateuse1_backend()

_library = ctypes.CDLL(PATH)
_library.set_room_bytes.argtypes = [ctypes.c_size_t]


@contextmanager
def room(num_bytes: int) -> Iterator[None]:
    """Let tensors take so much of the device beside what is taken, and no more."""
    _library.set_room_bytes(num_bytes)
    try:
        yield
    finally:
        _library.set_room_bytes(2**62)
