import torch
from beside import emulated, native
from hypothesis import given
from hypothesis import strategies as st

SIDES = st.sampled_from([1, 2, 3, 5, 9, 17, 40])


def both(labels, colors, least):
    found, count = emulated.connect_by_color(labels, colors, least)
    expected, expected_count = native.connect_by_color(labels, colors, least)
    assert torch.equal(found, expected)
    assert torch.equal(count, expected_count)
    return found


@given(
    st.tuples(SIDES, SIDES, SIDES).filter(lambda s: s[0] * s[1] * s[2] <= 2500),
    st.integers(1, 5),
    st.sampled_from([0, 1, 2, 5, 40, 1000, 2**40]),
    st.sampled_from([0, 1, 3, 5]),
    st.sampled_from([1, 3, 256]),
    st.sampled_from([0, -1, -3]),
    st.integers(0, 2**31),
)
def test_noise(shape, num_labels, least, channels, num_colors, lowest, seed):
    """Few colours make ties; much background cuts off what is small."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(lowest, num_labels, (2, 1, *shape), dtype=torch.int32, generator=generator)
    colors = torch.randint(0, num_colors, (2, *shape, channels), dtype=torch.uint8, generator=generator)
    both(labels, colors, [least])


@given(st.integers(0, 2**31), st.sampled_from([(3, 11, 33), (9, 8, 40), (3, 20, 40)]), st.booleans())
def test_blobs_in_several_maps(seed, shape, noisy):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand((2, 3, *(max(1, side // 3) for side in shape)), generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=shape, mode="trilinear")
    labels = (smooth * 7).to(torch.int32)
    if noisy:
        labels = torch.where(torch.rand(labels.shape, generator=generator) < 0.03, labels + 1, labels)
    colors = (smooth.movedim(1, -1) * 255).to(torch.uint8).contiguous()
    both(labels, colors, [3, 50, 900])


def test_more_rounds_than_all_blocks_run():
    """A line of parts of one voxel, each of which joins only after its neighbour has."""
    labels = torch.tensor([0] * 9 + [1, 2] * 30).to(torch.int32).view(1, 1, 1, 1, -1)
    colors = torch.arange(labels.numel()).to(torch.uint8).view(1, 1, 1, -1, 1)
    assert both(labels, colors, [5]).max() == 0


def test_sixty_five_maps_and_no_clip():
    labels = torch.randint(-1, 3, (2, 65, 2, 3, 4), dtype=torch.int32)
    colors = torch.randint(0, 256, (2, 2, 3, 4, 3), dtype=torch.uint8)
    both(labels, colors, list(range(65)))
    both(labels[:0], colors[:0], [1] * 65)
