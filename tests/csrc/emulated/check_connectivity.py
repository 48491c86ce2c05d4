import torch
from beside import emulated, native
from hypothesis import given
from hypothesis import strategies as st

SIDES = st.sampled_from([1, 2, 3, 5, 9, 17, 40])


def both(labels, least, most, repair):
    found, count = emulated.enforce_connectivity(labels, least, most, repair)
    expected, expected_count = native.enforce_connectivity(labels, least, most, repair)
    assert torch.equal(found, expected)
    assert torch.equal(count, expected_count)
    return found, count


@given(
    st.tuples(SIDES, SIDES, SIDES).filter(lambda s: s[0] * s[1] * s[2] <= 2500),
    st.integers(1, 5),
    st.sampled_from([0, 1, 2, 5, 40, 1000]),
    st.sampled_from([1, 2, 7, 60, 700, 10**6]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2**31),
)
def test_noise(shape, num_labels, least, most, repair, background, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(
        -1 if background else 0, num_labels, (2, 1, *shape), dtype=torch.int32, generator=generator
    )
    both(labels, [least], [most], repair)


@given(st.integers(0, 2**31), st.sampled_from([(3, 11, 33), (9, 8, 40), (3, 20, 40)]), st.booleans())
def test_blobs_in_several_maps(seed, shape, repair):
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand((1, 3, *(max(1, side // 3) for side in shape)), generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=shape, mode="trilinear")
    labels = (smooth * 7).to(torch.int32).reshape(1, 3, *shape)
    flips = torch.rand(labels.shape, generator=generator) < 0.03
    labels = torch.where(flips, labels + 1, labels)
    both(labels, [3, 50, 900], [4000, 300, 10**9], repair)
    in_place = labels.clone()
    count = emulated.enforce_connectivity_(in_place, [3, 50, 900], [4000, 300, 10**9], repair)
    expected, expected_count = native.enforce_connectivity(labels, [3, 50, 900], [4000, 300, 10**9], repair)
    assert torch.equal(in_place, expected)
    assert torch.equal(count, expected_count)


def test_sixty_five_maps_and_no_clip():
    labels = torch.randint(0, 3, (2, 65, 2, 3, 4), dtype=torch.int32)
    both(labels, list(range(65)), [5 + i for i in range(65)], True)
    both(labels[:0], [1] * 65, [9] * 65, True)
