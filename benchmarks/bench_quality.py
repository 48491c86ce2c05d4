"""How good supervoxels are: scikit-image, SimpleITK, ours and cubes, on planted volumes and on real clips.

Planted volumes have a true segmentation. Real clips have none: there the boundaries that one method finds
are compared with those of scikit-image and of SimpleITK, beside what needs no truth. Ours of standard quality
is first shown to be what scikit-image finds. Means over the volumes of a case; CPU time of one thread, from
frames to labels.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from peers import Frames, Labels, Setting, by_simpleitk, by_skimage, smooth_lab
from planted_volumes import planted_volume, sprite_volume
from real_clips import real_clips
from skimage.metrics import adapted_rand_error
from timing import parse_arguments, write_results
from torch import Tensor

from ace3d_fast.ops import segment_clips
from ace3d_fast.ops.seeds import seed_grid
from ace3d_fast.segmentation_metrics import find_boundary, region_metrics, share_near, truth_metrics

Method = Callable[[Frames, Setting], Labels]
NUM_VOLUMES = 6
SHORT = {
    "num_regions": "K",
    "undersegmentation_error_3d": "UE3D",
    "np_undersegmentation_error": "NP-UE",
    "achievable_accuracy": "ASA",
    "segmentation_accuracy_3d": "SA3D",
    "boundary_recall_0": "BR",
    "boundary_recall_1": "BR(1)",
    "boundary_precision_0": "BP",
    "recall_of_scikit_image": "of skimage",
    "recall_of_simpleitk": "of SITK",
    "boundary_density": "density",
    "explained_variation": "EV",
    "compactness": "CO",
    "mean_duration_frames": "MD",
    "milliseconds": "ms",
}


def ours(quality: str) -> Method:
    def segment(frames: Frames, setting: Setting) -> Labels:
        labels = segment_clips(
            torch.from_numpy(frames)[None],
            (setting.num_regions,),
            compactness=setting.compactness,
            sigma=setting.sigma,
            num_iterations=setting.num_iterations,
            quality=quality,  # type: ignore[arg-type]
        )
        return labels[0, 0].numpy()

    return segment


def simpleitk_finer(frames: Frames, setting: Setting) -> Labels:
    """SimpleITK with about as many regions as ours: it rounds their number down, ours rounds it up."""
    return by_simpleitk(frames, replace(setting, num_regions=setting.num_regions * 5 // 4))


def cubes(frames: Frames, setting: Setting) -> Labels:
    """Boxes of the size of a grid cell, whatever the colours."""
    step = seed_grid(frames.shape[:3], setting.num_regions).step
    cells = np.stack(np.indices(frames.shape[:3]), axis=-1) // step
    return np.ravel_multi_index(np.moveaxis(cells, -1, 0), cells.reshape(-1, 3).max(0) + 1).astype(np.int32)


METHODS: dict[str, Method] = {
    "scikit-image": by_skimage,
    "SimpleITK": by_simpleitk,
    "SimpleITK, finer": simpleitk_finer,
    "ours": ours("standard"),
    "ours, high": ours("high"),
    "cubes": cubes,
}


def planted(shape: tuple[int, int, int], **options: float) -> Iterable[tuple[Frames, Tensor | None]]:
    for seed in range(NUM_VOLUMES):
        frames, truth = planted_volume(shape, seed=seed, **options)
        yield frames.numpy(), truth


def sprites() -> Iterable[tuple[Frames, Tensor | None]]:
    for seed in range(4 * NUM_VOLUMES):
        frames, truth = sprite_volume(seed % 6, seed)
        yield frames.numpy(), truth


def real(num_frames: int, short_side_px: int) -> Iterable[tuple[Frames, Tensor | None]]:
    for _, frames in real_clips(8, num_frames, short_side_px):
        yield frames, None


SMOOTH = {"compactness": 20.0, "sigma": 1.0}
CASES: list[tuple[str, Callable[[], Iterable[tuple[Frames, Tensor | None]]], Setting]] = [
    ("planted 32x224x224", lambda: planted((32, 224, 224)), Setting(500)),
    ("planted 32x224x224", lambda: planted((32, 224, 224)), Setting(500, **SMOOTH)),
    ("planted 32x224x224, faint", lambda: planted((32, 224, 224), contrast=30.0), Setting(500, **SMOOTH)),
    ("planted 32x224x224", lambda: planted((32, 224, 224)), Setting(80, **SMOOTH)),
    ("planted 16x112x112", lambda: planted((16, 112, 112)), Setting(80, **SMOOTH)),
    ("PlantedVid 16x64x64", sprites, Setting(50, **SMOOTH)),
    ("real, 16 frames of 112 px", lambda: real(16, 112), Setting(80, **SMOOTH)),
    ("real, 32 frames of 224 px", lambda: real(32, 224), Setting(500, **SMOOTH)),
]


def prove_standard(labels: Labels, expected: Labels) -> None:
    """Ours of standard quality is scikit-image's: as many regions, in the same places."""
    assert abs(int(labels.max()) - int(expected.max())) <= max(1, 0.01 * expected.max())
    assert adapted_rand_error(expected, labels)[0] < 0.02


def measure(frames: Frames, truth: Tensor | None, setting: Setting) -> dict[str, dict[str, float]]:
    found, rows = {}, {}
    for name, method in METHODS.items():
        begin = time.process_time()
        found[name] = torch.from_numpy(np.ascontiguousarray(method(frames, setting), dtype=np.int32))
        rows[name] = {"milliseconds": (time.process_time() - begin) * 1e3}
    prove_standard(found["ours"].numpy(), found["scikit-image"].numpy())
    volume = torch.from_numpy(smooth_lab(frames, setting.sigma)).movedim(-1, 0).contiguous()
    for name, labels in found.items():
        rows[name] |= region_metrics(labels, volume)
        if truth is not None:
            rows[name] |= truth_metrics(labels, truth)
            continue
        for other, key in (("scikit-image", "scikit_image"), ("SimpleITK", "simpleitk")):
            if name != other:
                near = share_near(find_boundary(found[other]), find_boundary(labels), 1)
                rows[name][f"recall_of_{key}"] = near
    return rows


def main() -> None:
    arguments = parse_arguments(__doc__ or "")
    rows: list[dict[str, Any]] = []
    for title, volumes, setting in CASES:
        scores: dict[str, list[dict[str, float]]] = defaultdict(list)
        for frames, truth in volumes():
            for name, row in measure(frames, truth, setting).items():
                scores[name].append(row)
        if not scores:
            continue
        print(
            f"{title}; {setting.num_regions} segments, compactness {setting.compactness:g}, "
            f"sigma {setting.sigma:g}; {len(scores['ours'])} volumes"
        )
        shown = [key for key in SHORT if any(key in method_rows[0] for method_rows in scores.values())]
        print(f"  {'':18}" + "".join(f"{SHORT[key]:>11}" for key in shown))
        for name, method_rows in scores.items():
            mean = {key: float(np.mean([row[key] for row in method_rows])) for key in method_rows[0]}
            cells = (f"{mean[key]:11.4g}" if key in mean else f"{'':11}" for key in shown)
            print(f"  {name:18}" + "".join(cells), flush=True)
            rows.append(
                {
                    "volumes": title,
                    "num_volumes": len(method_rows),
                    "num_segments": setting.num_regions,
                    "compactness_weight": setting.compactness,
                    "sigma": setting.sigma,
                    "method": name,
                    **mean,
                }
            )
    write_results("quality", rows, arguments)


if __name__ == "__main__":
    main()
