"""scikit-image's ``slic`` against the function that takes its place, exact and in float32, one thread each.

Labels are compared before anything is timed: those of the exact function have to be scikit-image's.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from skimage.data import astronaut
from skimage.segmentation import slic as skimage_slic
from timing import interleaved, parse_arguments, planted_clip, write_results

from ace3d_fast.compat.skimage import slic


def main() -> None:
    arguments = parse_arguments(__doc__ or "")
    rows = []
    cases = [
        (planted_clip((32, 224, 224))[0].numpy(), 80),
        (planted_clip((16, 112, 112))[0].numpy(), 50),
        (astronaut(), 250),
    ]
    for image, count in cases:
        calls = {
            "scikit-image": partial(skimage_slic, image, count),
            "exact": partial(slic, image, count),
            "float32": partial(slic, image, count, exact=False),
        }
        expected = calls["scikit-image"]()
        equal = {name: float(np.mean(calls[name]() == expected)) for name in ("exact", "float32")}
        assert equal["exact"] == 1.0
        times = interleaved(calls, arguments.repeats, cold=True)
        ratios = {name: times["scikit-image"][1] / times[name][1] for name in equal}
        rows.append(
            {
                "shape": image.shape,
                "num_regions": count,
                "milliseconds": times,
                "equal_labels": equal,
                "ratios": ratios,
            }
        )
        shown = ", ".join(f"{name} {ratios[name]:.1f} x, {equal[name]:.5f} equal" for name in equal)
        print(f"{'x'.join(map(str, image.shape))}, {count} segments: {shown}", flush=True)
    write_results("drop_in", rows, arguments)


if __name__ == "__main__":
    main()
