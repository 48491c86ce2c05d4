"""Supervoxels of whole clips: ours against scikit-image, SimpleITK, OpenCV and fast-slic, thread for thread.

Each row of `clips` is the whole call, from uint8 frames to connected labels. What other implementations
compute is in `computes`: OpenCV and fast-slic segment each frame alone. Before anything is timed, the core is
shown to be scikit-image's bit for bit in float64, and the whole call to give as many segments in nearly the
same places.

Further rows: `exact`, where labels are scikit-image's bit for bit; `core`, labels of the core in float32 on
real clips; `threads`, wall time of two threads against one; `memory`, bytes a voxel at the peak, beyond
frames and labels.

fast-slic 0.4.0 is on PyPI as source only; `pip install --no-build-isolation fast-slic==0.4.0` builds it where
cython and numpy are there.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from memory import extra_bytes
from peers import Peer, Setting, by_skimage, installed_peers
from real_clips import real_clips
from skimage.metrics import adapted_rand_error
from skimage.segmentation import slic as skimage_slic
from timing import READ_BYTES, interleaved, parse_arguments, planted_clip, read_memory, write_results

from ace3d_fast.ops import clips_to_lab, gaussian_smooth, segment_clips, slic, slic3d

Shape = tuple[int, int, int]
Row = dict[str, Any]
DEFAULTS = Setting(0)  # those of scikit-image
PIPELINE = Setting(0, compactness=20.0, sigma=1.0)
CASES: list[tuple[Shape, tuple[int, ...], Setting]] = [
    ((16, 112, 112), (15, 50, 80), DEFAULTS),
    ((32, 224, 224), (80,), DEFAULTS),
    ((64, 256, 256), (500,), DEFAULTS),
    ((64, 256, 256), (2000,), DEFAULTS),
    ((16, 112, 112), (15, 50, 80), PIPELINE),
    ((32, 224, 224), (80,), PIPELINE),
]
EXACT_CASES: list[tuple[Shape, int]] = [((16, 112, 112), 80), ((32, 224, 224), 80)]
MEMORY_CASES: list[tuple[Shape, int]] = [((32, 224, 224), 80), ((64, 256, 256), 500), ((64, 256, 256), 2000)]
SLOW_MS = 3000  # calls beyond this are repeated thrice at most


def segment(clip: torch.Tensor, counts: tuple[int, ...], setting: Setting, quality: Any) -> torch.Tensor:
    return segment_clips(
        clip,
        counts,
        compactness=setting.compactness,
        sigma=setting.sigma,
        num_iterations=setting.num_iterations,
        quality=quality,
    )


def by_peer(peer: Peer, frames: np.ndarray, counts: tuple[int, ...], setting: Setting) -> list[np.ndarray]:
    return [
        peer.segment(frames, Setting(n, setting.compactness, setting.sigma, setting.num_iterations))
        for n in counts
    ]


def core_by_skimage(volume: torch.Tensor, count: int, setting: Setting) -> np.ndarray:
    """Labels of scikit-image's core for a volume (1, C, T, H, W) whose values fill [0, 1]."""
    image = np.moveaxis(volume[0].numpy(), 0, -1)
    compactness, iterations = setting.compactness / 100, setting.num_iterations
    options = {"enforce_connectivity": False, "convert2lab": False, "start_label": 0, "channel_axis": -1}
    labels: np.ndarray = skimage_slic(image, count, compactness, iterations, **options)
    return labels


def unit_lab(clip: torch.Tensor, sigma: float) -> torch.Tensor:
    """Smoothed Lab, stretched to [0, 1], float64: scikit-image leaves it as it is."""
    lab = clips_to_lab(clip).double()
    lab = gaussian_smooth(lab, sigma) if sigma > 0 else lab
    return (lab - lab.min()) / (lab.max() - lab.min())


def share_of_equal_labels(clip: torch.Tensor, count: int, setting: Setting) -> float:
    """Of the float32 core's; in float64 all of them are shown to be equal."""
    lab = unit_lab(clip, setting.sigma)
    expected = core_by_skimage(lab, count, setting)
    options = {"compactness": setting.compactness / 100, "num_iterations": setting.num_iterations}
    assert np.array_equal(slic3d(lab, [count], **options)[0, 0].numpy(), expected)
    return float((slic3d(lab.float(), [count], **options)[0, 0].numpy() == expected).mean())


def prove_whole_call(ours: np.ndarray, expected: np.ndarray) -> float:
    """As many segments in nearly the same places; returns the adapted Rand error."""
    assert abs(int(ours.max()) - int(expected.max())) <= max(1, 0.01 * expected.max())
    error = float(adapted_rand_error(expected, ours)[0])
    assert error < 0.02, error
    return error


def time_clips(peers: list[Peer], bandwidth: float, repeats: int) -> list[Row]:
    rows = []
    for shape, counts, setting in CASES:
        clip = planted_clip(shape)
        frames = clip[0].numpy()
        crop = clip[:, :8, :96, :96].contiguous()
        equal = min(share_of_equal_labels(crop, count, setting) for count in counts)
        ours = segment(clip, counts, setting, "standard")[0].numpy()
        begin = time.process_time()
        theirs = by_peer(peers[0], frames, counts, setting)
        slow = (time.process_time() - begin) * 1e3 > SLOW_MS
        errors = [prove_whole_call(a, b) for a, b in zip(ours, theirs, strict=True)]
        calls: dict[str, Callable[[], Any]] = {
            peer.name: partial(by_peer, peer, frames, counts, setting) for peer in peers
        }
        for quality, name in (("standard", "ours"), ("high", "ours, high")):
            calls[name] = partial(segment, clip, counts, setting, quality)
        times = interleaved(calls, min(repeats, 3) if slow else repeats, cold=True)
        fast = times["ours"][1]
        passes = setting.num_iterations * len(counts)
        # As if each iteration read every colour once.
        moved = math.prod(shape) * (3 + (4 * len(counts)) + 12 * passes)
        row = {
            "case": "clips",
            "shape": shape,
            "num_regions": counts,
            "compactness": setting.compactness,
            "sigma": setting.sigma,
            "equal_core_labels": equal,
            "adapted_rand_error": max(errors),
            "milliseconds": times,
            "ratio": times[peers[0].name][1] / fast,
            "ratios": {name: median / fast for name, (_, median, _) in times.items()},
            "million_voxel_iterations_per_second": math.prod(shape) * passes / fast / 1e3,
            "moved_bytes": moved,
            "share_of_read_bandwidth": moved / (fast / 1e3) / bandwidth,
        }
        rows.append(row)
        print(
            f"{'x'.join(map(str, shape))}, {','.join(map(str, counts))} segments, compactness "
            f"{setting.compactness:g}, sigma {setting.sigma:g}: equal labels {equal:.5f}, rand error "
            f"{max(errors):.5f}, {row['million_voxel_iterations_per_second']:.0f} Mvi/s, "
            f"{row['share_of_read_bandwidth']:.0%} of the read bandwidth"
        )
        for name, (low, median, high) in times.items():
            print(
                f"    {name:20} {median:10.1f} ms ({low:.1f} to {high:.1f})  {median / fast:7.2f}", flush=True
            )
    return rows


def time_exact(repeats: int) -> list[Row]:
    rows = []
    for shape, count in EXACT_CASES:
        image = np.moveaxis(unit_lab(planted_clip(shape), 0.0)[0].numpy(), 0, -1).copy()
        options: dict[str, Any] = {"convert2lab": False, "start_label": 0, "channel_axis": -1}
        arguments = (image, count, DEFAULTS.compactness / 100)
        calls = {
            "scikit-image": partial(skimage_slic, *arguments, **options),
            "ours": partial(slic, *arguments, exact=True, **options),
        }
        assert np.array_equal(calls["scikit-image"](), calls["ours"]())
        times = interleaved(calls, repeats, cold=True)
        slow, fast = (times[name][1] for name in calls)
        rows.append(
            {
                "case": "exact",
                "shape": shape,
                "num_regions": (count,),
                "milliseconds": times,
                "ratio": slow / fast,
            }
        )
        name = "x".join(map(str, shape))
        print(f"exact, {name}, {count} segments: {slow:.0f} ms, {fast:.1f} ms, {slow / fast:.1f}")
    return rows


def compare_core_on_real_clips() -> list[Row]:
    rows = []
    for name, frames in real_clips(6, 16, 160):
        clip = torch.from_numpy(frames)[None]
        for count in (15, 80, 500):
            equal = share_of_equal_labels(clip, count, PIPELINE)
            setting = Setting(count, PIPELINE.compactness, PIPELINE.sigma)
            arguments = (count, PIPELINE.compactness, PIPELINE.num_iterations, PIPELINE.sigma)
            counts = [
                int(labels.max()) + 1
                for labels in (by_skimage(frames, setting), slic(frames, *arguments, start_label=0))
            ]
            rows.append(
                {
                    "case": "core",
                    "clip": name,
                    "shape": frames.shape[:3],
                    "num_regions": (count,),
                    "equal_core_labels": equal,
                    "num_segments_scikit_image": counts[0],
                    "num_segments": counts[1],
                }
            )
            found = f"{counts[0]} and {counts[1]} segments"
            print(f"core, {name}, {count} segments: equal labels {equal:.5f}; {found}", flush=True)
    return rows


def time_threads(repeats: int) -> list[Row]:
    """Wall time, interleaved: noise of the machine is in it."""
    shape, rows = (64, 256, 256), []
    clip = planted_clip(shape)
    for count in (500, 2000):
        seconds: dict[int, list[float]] = {1: [], 2: []}
        for repeat in range(repeats + 1):
            for threads, values in seconds.items():
                torch.set_num_threads(threads)
                begin = time.perf_counter()
                segment(clip, (count,), DEFAULTS, "standard")
                if repeat > 0:
                    values.append(time.perf_counter() - begin)
        torch.set_num_threads(1)
        one, two = (float(np.median(values)) * 1e3 for values in seconds.values())
        rows.append(
            {
                "case": "threads",
                "shape": shape,
                "num_regions": (count,),
                "wall_milliseconds": {"1": one, "2": two},
                "ratio": one / two,
            }
        )
        print(f"threads, 64x256x256, {count} segments: 1 in {one:.0f} ms, 2 in {two:.0f} ms, {one / two:.2f}")
    return rows


def measure_memory(peers: list[Peer]) -> list[Row]:
    rows = []
    methods = [peer.name for peer in peers if peer.volumetric] + ["ours, standard", "ours, high"]
    for shape, count in MEMORY_CASES:
        extra = {name: extra_bytes(name, shape, count) / math.prod(shape) for name in methods}
        rows.append(
            {"case": "memory", "shape": shape, "num_regions": (count,), "extra_bytes_per_voxel": extra}
        )
        shown = ", ".join(f"{name} {value:.1f}" for name, value in extra.items())
        print(f"memory, {'x'.join(map(str, shape))}, {count} segments, bytes a voxel: {shown}", flush=True)
    return rows


def main() -> None:
    arguments = parse_arguments(__doc__ or "")
    peers = installed_peers()
    read_ms = interleaved({"read": read_memory}, arguments.repeats)["read"][1]
    bandwidth = READ_BYTES / (read_ms / 1e3)
    rows: list[Row] = [{"case": "bandwidth", "read_bytes_per_second": bandwidth}]
    rows += [{"case": "peer", "name": peer.name, "computes": peer.computes} for peer in peers]
    rows += time_clips(peers, bandwidth, arguments.repeats)
    rows += time_exact(arguments.repeats)
    rows += compare_core_on_real_clips()
    rows += time_threads(arguments.repeats)
    rows += measure_memory(peers)
    write_results("slic3d", rows, arguments)


if __name__ == "__main__":
    main()
