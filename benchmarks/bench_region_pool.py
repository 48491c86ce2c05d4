"""Means over regions: ours against torch's scatter_add and SciPy's ndimage, one thread against one.

Features and labels lie on the same grid, as the other two need them. Means are compared before anything is
timed; every call finds its features in memory, not in a cache. Bytes moved are the features and labels, read
once, and the means.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from timing import (
    READ_BYTES,
    interleaved,
    parse_arguments,
    planted_clip,
    read_memory,
    write_results,
)

from ace3d_fast.ops import region_pool, segment_clips

CASES = [(512, (8, 28, 28)), (512, (16, 56, 56)), (64, (16, 112, 112)), (64, (32, 224, 224))]
COUNTS = (50, 1500)


def by_scatter(features: torch.Tensor, labels: torch.Tensor, num_regions: int) -> torch.Tensor:
    channels = features.shape[1]
    flat = labels.reshape(1, 1, -1).long()
    sums = torch.zeros(1, channels, num_regions)
    sums.scatter_add_(2, flat.expand(1, channels, -1), features.reshape(1, channels, -1))
    return (sums / torch.bincount(flat.flatten(), minlength=num_regions)).transpose(1, 2)


def by_ndimage(features: torch.Tensor, labels: torch.Tensor, num_regions: int) -> torch.Tensor:
    index = np.arange(num_regions)
    means = [ndimage.mean(channel, labels[0].numpy(), index) for channel in features[0].numpy()]
    return torch.from_numpy(np.stack(means, axis=1)[None]).float()


def check_equal(features: torch.Tensor, labels: torch.Tensor, num_regions: int) -> None:
    """Ours equals SciPy's, whose sums are float64, to the last bits; scatter_add's sums are all float32."""
    expected = by_ndimage(features, labels, num_regions)
    torch.testing.assert_close(region_pool(features, labels, num_regions), expected, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(by_scatter(features, labels, num_regions), expected, atol=1e-4, rtol=1e-4)


def main() -> None:
    arguments = parse_arguments(__doc__ or "")
    rows = []
    print(
        "features           regions  scatter_add ms  ndimage ms   ours ms  to scatter  to ndimage  bandwidth"
    )
    for channels, shape in CASES:
        features = torch.randn(1, channels, *shape, generator=torch.Generator().manual_seed(0))
        for count in COUNTS:
            labels = segment_clips(planted_clip(shape), (count,))[:, 0].contiguous()
            num_regions = int(labels.max()) + 1
            job = (features, labels, num_regions)
            check_equal(*job)
            times = interleaved(
                {
                    "scatter_add": lambda job=job: by_scatter(*job),
                    "ndimage": lambda job=job: by_ndimage(*job),
                    "ours": lambda job=job: region_pool(*job),
                    "read": read_memory,
                },
                arguments.repeats,
                cold=True,
            )
            read_bandwidth = READ_BYTES / (times.pop("read")[1] / 1e3)
            scatter, scipy, ours = (times[name][1] for name in ("scatter_add", "ndimage", "ours"))
            moved = features.nbytes + labels.nbytes + 4 * num_regions * channels
            row = {
                "channels": channels,
                "shape": shape,
                "num_regions": num_regions,
                "milliseconds": times,
                "ratio_scatter_add": scatter / ours,
                "ratio_ndimage": scipy / ours,
                "moved_bytes": moved,
                "read_bytes_per_second": read_bandwidth,
                "share_of_read_bandwidth": moved / (ours / 1e3) / read_bandwidth,
            }
            rows.append(row)
            name = f"{channels}x{'x'.join(map(str, shape))}"
            print(
                f"{name:18} {num_regions:7} {scatter:15.2f} {scipy:11.1f} {ours:9.2f} "
                f"{scatter / ours:11.1f} {scipy / ours:11.1f} {row['share_of_read_bandwidth']:9.0%}"
            )
    write_results("region_pool", rows, arguments)


if __name__ == "__main__":
    main()
