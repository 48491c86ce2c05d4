import torch
from beside import emulated, native
from hypothesis import given
from hypothesis import strategies as st
from volumes import label_map, smooth_clip

SIZES = st.tuples(st.integers(1, 5), st.integers(1, 30), st.integers(1, 40))


@given(SIZES, st.integers(0, 9), st.integers(0, 40), st.integers(0, 3), st.integers(0, 2**31))
def test_overlaps(shape, num_a, num_b, num_clips, seed):
    a = label_map((num_clips, *shape), 9, seed, low=-1)
    b = label_map((num_clips, *shape), 40, seed + 1, low=-1)
    expected = native.region_overlap(a, b, num_a, num_b)
    assert torch.equal(emulated.region_overlap(a, b, num_a, num_b), expected)


@given(st.integers(0, 70), st.integers(1, 40), st.integers(0, 3), st.integers(0, 70), st.integers(0, 2**31))
def test_nearest_centers(num_points, channels, num_sets, num_centers, seed):
    generator = torch.Generator().manual_seed(seed)
    # small whole numbers: many distances tie
    points = torch.randint(-2, 3, (num_points, channels), generator=generator).float()
    centers = torch.randn(num_sets, num_centers, channels, generator=generator)
    whole = torch.rand(num_sets, num_centers, generator=generator) < 0.5
    centers[whole] = centers[whole].round()
    centers[:, 5:7] = float("nan")
    found = emulated.nearest_centers(points, centers)
    for ours, expected in zip(found, native.nearest_centers(points, centers), strict=True):
        assert torch.equal(ours, expected)


@given(st.data())
def test_patches(data):
    shape = data.draw(SIZES)
    number = data.draw(st.sampled_from([0, 1, 3, 35]))
    size = [data.draw(st.integers(1, shape[0])), *(data.draw(st.integers(1, 24)) for _ in range(2))]
    regions, boxes = [], []
    for _ in range(number):
        t0 = data.draw(st.integers(0, shape[0] - size[0]))
        y0, x0 = (data.draw(st.integers(0, side - 1)) for side in shape[1:])
        y1, x1 = (
            data.draw(st.integers(low + 1, high)) for low, high in zip((y0, x0), shape[1:], strict=True)
        )
        regions.append(data.draw(st.integers(-1, 4)))
        boxes += [t0, y0, y1, x0, x1]
    frames = smooth_clip(shape)[0]
    labels = label_map((data.draw(st.integers(1, 3)), *shape), 4, low=-1)
    arguments = (frames, labels, regions, boxes, size, data.draw(st.integers(0, 255)))
    scale = ([0.01, 1.0, 0.3], [0.5, 0.0, -2.0])
    found = emulated.region_patches(*arguments, *scale)
    assert torch.equal(found, native.region_patches(*arguments, *scale))


def test_patches_of_a_line_that_shrinks_and_grows_a_lot():
    generator = torch.Generator().manual_seed(1)
    frames = torch.randint(0, 256, (2, 150, 190, 3), dtype=torch.uint8, generator=generator)
    labels = torch.ones(1, 2, 150, 190, dtype=torch.int32)
    for box, size in (([0, 0, 150, 0, 190], [2, 3, 7]), ([1, 9, 11, 50, 51], [1, 60, 70])):
        arguments = (frames, labels, [1], box, size, 117, [1.0] * 3, [0.0] * 3)
        assert torch.equal(emulated.region_patches(*arguments), native.region_patches(*arguments))
