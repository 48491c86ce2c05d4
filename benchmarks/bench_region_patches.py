"""Patches of all regions of a clip: ours against the same by torch, region by region, one thread against one.

``torch`` masks the whole clip before it crops, as the published recipe is written; ``crop first`` is our
reference, which crops before it masks. All three are shown to give the same bits before anything is timed.
Patches are made in batches, as they are forwarded, and dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from timing import interleaved, parse_arguments, planted_clip, write_results
from torch import Tensor
from torch.nn import functional as F

from ace3d_fast.config import SegmentOptions
from ace3d_fast.ops import reference, region_patches
from ace3d_fast.ops.region_patches import pixel_scale
from ace3d_fast.stages.supervoxels import cut_supervoxels
from ace3d_fast.types import Clip, Video

CASES = [((4, 182, 182), 4), ((16, 112, 112), 4), ((32, 224, 224), 4), ((32, 224, 224), 1)]
FILL = 117
SCALING = {"mean": (0.45, 0.45, 0.45), "std": (0.225, 0.225, 0.225)}
Job = tuple[Tensor, Tensor, Tensor, Tensor, tuple[int, int, int]]


def by_torch(frames: Tensor, labels: Tensor, regions: Tensor, boxes: Tensor, size: tuple[int, ...]) -> Tensor:
    scale, shift = (torch.tensor(values).view(3, 1, 1, 1) for values in pixel_scale(**SCALING))
    patches = []
    for region, (t0, y0, y1, x0, x1) in zip(regions, boxes.tolist(), strict=True):
        shown = (labels == region).any(dim=0)[..., None]
        masked = torch.where(shown, frames, torch.tensor(FILL, dtype=torch.uint8))
        planes = masked[t0 : t0 + size[0], y0:y1, x0:x1].permute(0, 3, 1, 2)
        patches.append(F.interpolate(planes, size=size[1:], mode="bicubic", antialias=True))
    batch = torch.stack(patches).permute(0, 2, 1, 3, 4)
    return batch.to(torch.float32, memory_format=torch.channels_last_3d).mul_(scale).sub_(shift)


def in_batches(make: Callable[..., Tensor], job: Job, size: int, **options: object) -> None:
    frames, labels, regions, boxes, shape = job
    for i in range(0, len(regions), size):
        make(frames, labels, regions[i : i + size], boxes[i : i + size], shape, **options)


def cut(shape: tuple[int, int, int]) -> Job:
    """Regions at three resolutions, as a run cuts them; each patch shows all frames."""
    clip = Clip(Video("planted", Path("planted"), "planted", "planted"), 0, 0.0, planted_clip(shape)[0])
    ((segmented, table),) = cut_supervoxels([clip], SegmentOptions())
    boxes = torch.tensor(table[["t0", "y0", "y1", "x0", "x1"]].assign(t0=0).to_numpy())
    return clip.frames, segmented.labels, torch.tensor(table["index"].to_numpy()), boxes, shape


def main() -> None:
    arguments = parse_arguments(__doc__ or "")
    rows = []
    print("clip         patches  a batch  torch ms/patch  crop first  ours   to torch  to crop first")
    for shape, size in CASES:
        job = cut(shape)
        num_regions = len(job[2])
        for i in range(num_regions):
            one = (*job[:2], job[2][i : i + 1], job[3][i : i + 1], shape)
            ours = region_patches(*one, fill=FILL, **SCALING)
            assert torch.equal(ours, by_torch(*one))
            assert torch.equal(ours, reference.region_patches(*one, fill=FILL, **SCALING))
        times = interleaved(
            {
                "torch": lambda job=job, size=size: in_batches(by_torch, job, size),
                "crop_first": lambda job=job, size=size: in_batches(
                    reference.region_patches, job, size, fill=FILL, **SCALING
                ),
                "ours": lambda job=job, size=size: in_batches(
                    region_patches, job, size, fill=FILL, **SCALING
                ),
            },
            arguments.repeats,
        )
        torch_ms, crop_ms, ours_ms = (times[name][1] for name in ("torch", "crop_first", "ours"))
        rows.append(
            {
                "shape": shape,
                "num_patches": num_regions,
                "batch": size,
                "milliseconds": times,
                "ratio_torch": torch_ms / ours_ms,
                "ratio_crop_first": crop_ms / ours_ms,
            }
        )
        each = [ms / num_regions for ms in (torch_ms, crop_ms, ours_ms)]
        print(
            f"{'x'.join(map(str, shape)):12} {num_regions:7} {size:8} {each[0]:15.2f} {each[1]:11.2f} "
            f"{each[2]:5.2f} {torch_ms / ours_ms:10.1f} {crop_ms / ours_ms:14.1f}"
        )
    write_results("region_patches", rows, arguments)


if __name__ == "__main__":
    main()
