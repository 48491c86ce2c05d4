"""Peak memory of a call, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# A small call first loads what the call needs; then the kernel forgets the peak so far.
SCRIPT = """
import ctypes, gc, json, re, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
shape, count, name = json.loads(sys.argv[1])
from peers import PEERS, Setting
from timing import planted_clip
from ace3d_fast.ops import segment_clips
calls = {peer.name: lambda clip, n, peer=peer: peer.segment(clip[0].numpy(), Setting(n)) for peer in PEERS}
for quality in ("standard", "high"):
    calls["ours, " + quality] = lambda clip, n, quality=quality: segment_clips(
        clip, (n,), compactness=10.0, sigma=0.0, quality=quality)
call = calls[name]
call(planted_clip((4, 32, 32)), 10)
clip = planted_clip(tuple(shape))
gc.collect()
ctypes.CDLL(None).malloc_trim(0)

def kilobytes(field):
    return int(re.search(field + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

Path("/proc/self/clear_refs").write_text("5")
before = kilobytes("VmRSS")
labels = call(clip, count)
print(json.dumps((kilobytes("VmHWM") - before) * 1024 - labels.nbytes))
"""


def extra_bytes(method: str, shape: tuple[int, int, int], count: int) -> int:
    """Bytes that a call on a planted clip holds at its peak, beyond the frames and the labels."""
    job = json.dumps([shape, count, method])
    command = [sys.executable, "-c", SCRIPT, job]
    done = subprocess.run(command, cwd=HERE, check=True, capture_output=True, text=True)
    return int(json.loads(done.stdout.splitlines()[-1]))
