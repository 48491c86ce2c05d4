"""Supervoxels of whole clips: ours against scikit-image, one thread against one thread.

Each line is the whole call, from uint8 frames to connected labels. Before anything is timed, the core is
shown to be scikit-image's bit for bit in float64, and the whole call to give as many segments in nearly the
same places.
"""

from __future__ import annotations

import numpy as np
import torch
from skimage.metrics import adapted_rand_error
from skimage.segmentation import slic
from timing import interleaved, parse_arguments, planted_clip, write_results

from ace3d_fast.ops import clips_to_lab, segment_clips, slic3d

CASES: list[tuple[tuple[int, int, int], tuple[int, ...]]] = [
    ((16, 112, 112), (15, 50, 80)),
    ((16, 160, 160), (15, 50, 80)),
    ((32, 224, 224), (80,)),
    ((64, 256, 256), (500,)),
    ((64, 256, 256), (2000,)),
]
COMPACTNESS = 20.0
ITERATIONS = 10


def by_skimage(frames: np.ndarray, counts: tuple[int, ...]) -> list[np.ndarray]:
    return [slic(frames, n, COMPACTNESS, ITERATIONS, 1.0, start_label=0, channel_axis=-1) for n in counts]


def prove_core(clip: torch.Tensor, count: int) -> float:
    """Bit equality in float64; returns the share of equal labels in float32."""
    lab = clips_to_lab(clip)[:, :, :8, :96, :96].double()
    lab = (lab - lab.min()) / (lab.max() - lab.min())
    options = {"enforce_connectivity": False, "convert2lab": False, "start_label": 0, "channel_axis": -1}
    expected = slic(np.moveaxis(lab[0].numpy(), 0, -1), count, COMPACTNESS / 100, **options)
    assert np.array_equal(slic3d(lab, [count], compactness=COMPACTNESS / 100)[0, 0].numpy(), expected)
    fast = slic3d(lab.float(), [count], compactness=COMPACTNESS / 100)[0, 0].numpy()
    return float((fast == expected).mean())


def main() -> None:
    arguments = parse_arguments(__doc__ or "")
    rows = []
    print(
        "frames        segments      equal labels  rand error  scikit-image ms    ours ms      ratio  Mvi/s"
    )
    for shape, counts in CASES:
        clip = planted_clip(shape)
        frames = clip[0].numpy()
        equal = min(prove_core(clip, count) for count in counts)
        ours, theirs = segment_clips(clip, counts)[0].numpy(), by_skimage(frames, counts)
        errors = [adapted_rand_error(b, a)[0] for a, b in zip(ours, theirs, strict=True)]
        for a, b in zip(ours, theirs, strict=True):
            assert abs(int(a.max()) - int(b.max())) <= max(1, 0.01 * b.max()), (a.max(), b.max())
        times = interleaved(
            {
                "skimage": lambda frames=frames, counts=counts: by_skimage(frames, counts),
                "ours": lambda clip=clip, counts=counts: segment_clips(clip, counts),
            },
            arguments.repeats,
        )
        (_, slow, _), (_, fast, _) = times["skimage"], times["ours"]
        rate = np.prod(shape) * len(counts) * ITERATIONS / fast / 1e3
        rows.append(
            {
                "shape": shape,
                "num_regions": counts,
                "equal_core_labels": equal,
                "adapted_rand_error": max(errors),
                "milliseconds": times,
                "ratio": slow / fast,
                "million_voxel_iterations_per_second": rate,
            }
        )
        name = "x".join(map(str, shape))
        print(
            f"{name:13} {','.join(map(str, counts)):13} {equal:12.5f} {max(errors):11.5f} "
            f"{slow:16.1f} {fast:10.1f} {slow / fast:10.1f} {rate:6.0f}"
        )
    write_results("slic3d", rows, arguments)


if __name__ == "__main__":
    main()
