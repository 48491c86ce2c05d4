"""The current stream is found in a CUDA torch as Python loads it, and missed in a torch without CUDA."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

# What stands for torch's library: as there, a shim that says 0 and gives a stream.
SHIM = """
extern "C" int aoti_torch_get_current_cuda_stream(int device_index, void** stream) {
  *stream = reinterpret_cast<void*>(4000L + device_index);
  return 0;
}
"""
CALLER = """
#include "common/torch_stream.h"
extern "C" long stream_of(int device_index) {
  void* stream = nullptr;
  if (ace3d::torch_stream() == nullptr) return -1;
  return ace3d::torch_stream()(device_index, &stream) == 0 ? reinterpret_cast<long>(stream) : -2;
}
"""


def compiled(folder: Path, name: str, code: str) -> Path:
    library = folder / name
    command = ["g++", "-std=c++20", "-shared", "-fPIC", f"-I{ROOT / 'csrc'}", f"-Wl,-soname,{name}"]
    subprocess.run([*command, "-x", "c++", "-", "-o", str(library)], input=code, text=True, check=True)
    return library


def stream_of(device_index: int, *libraries: Path) -> int:
    """Load libraries one after the other, each with symbols of its own, and ask the last."""
    code = f"import ctypes; [*_, last] = map(ctypes.CDLL, {[str(path) for path in libraries]}); "
    code += f"last.stream_of.restype = ctypes.c_long; print(last.stream_of({device_index}))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return int(done.stdout)


def test_the_stream_of_a_torch_loaded_out_of_sight(tmp_path):
    assert ctypes.DEFAULT_MODE == 0  # RTLD_LOCAL, as for torch's own libraries
    shim, caller = compiled(tmp_path, "libtorch_cuda.so", SHIM), compiled(tmp_path, "caller.so", CALLER)
    assert stream_of(3, shim, caller) == 4003


def test_none_in_a_torch_without_cuda(tmp_path):
    assert stream_of(3, compiled(tmp_path, "caller.so", CALLER)) == -1
