"""Read damaged and hostile video files: whole ones with bits flipped, parts cut off, doubled or exchanged,
and numbers in their headers replaced by extreme ones.

Each has to be read, or refused by a VideoError of one line. Everything else is a finding: a crash, another
exception, a hang, memory beyond the limit.

    python tests/fuzz/fuzz_videos.py --seconds 60       # until the time is over
    python tests/fuzz/fuzz_videos.py --case 1234        # one case again

See `harness` for how cases are run.
"""

from __future__ import annotations

import random
import sys
import tempfile
import traceback
from functools import cache
from itertools import islice
from pathlib import Path

import harness

MEMORY_BYTES = 4 * 2**30  # of address space
KINDS = (
    ("h264", "yuv420p", ".mp4"),
    ("mpeg4", "yuv420p", ".avi"),
    ("mpeg4", "yuv420p", ".mov"),
    ("libvpx-vp9", "yuv420p", ".webm"),
    ("mjpeg", "yuvj420p", ".mkv"),
    ("mpeg2video", "yuv420p", ".ts"),
    ("gif", "rgb8", ".gif"),
)
EXTREME = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@cache
def whole_file(kind: int) -> bytes:
    """Twenty frames of 48 x 40."""
    import av
    import numpy as np

    codec, pixels, suffix = KINDS[kind]
    rng = np.random.default_rng(kind)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"video{suffix}"
        with av.open(str(path), "w") as out:
            stream = out.add_stream(codec, rate=10)
            stream.width, stream.height, stream.pix_fmt = 48, 40, pixels
            frame = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
            for number in range(20):
                shown = np.roll(frame, number, axis=1)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
            out.mux(stream.encode())
        return path.read_bytes()


def damaged(rng: random.Random) -> tuple[bytes, str]:
    """A file, and its suffix."""
    kind = rng.randrange(len(KINDS))
    data = bytearray(whole_file(kind))
    for _ in range(rng.choice([0, 1, 1, 2, 3, 8])):
        # Headers stand at the ends.
        at = rng.choice([rng.randrange(len(data)), min(rng.randrange(600), len(data) - 1)])
        if rng.random() < 0.3:
            at = max(0, len(data) - 1 - rng.randrange(1200))
        size = min(rng.choice([1, 4, 16, 200, 2000]), len(data) - at)
        step = rng.randrange(7)
        if step == 0:
            for _ in range(rng.choice([1, 5, 60])):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        elif step == 1:
            del data[at:]
        elif step == 2:
            del data[at : at + size]
        elif step == 3:
            data[at : at + size] = data[at : at + size] * rng.choice([2, 30])
        elif step == 4:
            other = whole_file(rng.randrange(len(KINDS)))
            data[at : at + size] = other[at : at + size]
        elif step == 5:
            data[at : at + size] = bytes(size)
        else:
            width = rng.choice([1, 2, 4, 8])
            value = rng.choice(EXTREME) & (256**width - 1)
            data[at : at + width] = value.to_bytes(width, rng.choice(["big", "little"]))
        if not data:
            break
    return bytes(data), rng.choice([KINDS[kind][2], rng.choice(KINDS)[2]])


def run_case(case: int) -> str | None:
    """Read the file that belongs to ``case``; what is wrong with that, if anything is."""
    import logging

    from ace3d_fast.errors import VideoError
    from ace3d_fast.types import ClipSampling, Video
    from ace3d_fast.video.decode import read_clips, read_frames

    logging.getLogger("libav").setLevel(logging.CRITICAL)
    rng = random.Random(case)
    data, suffix = damaged(rng)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"video{suffix}"
        path.write_bytes(data)
        try:
            if rng.random() < 0.7:
                video = Video("video", path, "class", "video")
                clips = list(read_clips(video, ClipSampling(4, 5.0, 24, 20), limit=50))
                shapes = {tuple(clip.frames.shape) for clip in clips}
                fault = "" if clips and shapes <= {(8, 20, 20, 3)} else f"gave clips of shapes {shapes}"
            else:
                frames = list(islice(read_frames(path, 5.0, 24), 400))
                fault = "" if frames and all(min(f.shape[:2]) == 24 for f in frames) else "gave odd frames"
        except VideoError as error:
            fault = "" if str(error).isprintable() else f"message of several lines: {error!r}"
        except Exception as error:
            fault = f"{type(error).__name__}\n{traceback.format_exc(limit=-4)}"
    return f"{len(data)} bytes, {suffix}: {fault}" if fault else None


if __name__ == "__main__":
    sys.exit(harness.main(__file__, __doc__ or "", run_case, memory_bytes=MEMORY_BYTES))
