"""``slic`` in place of scikit-image's: the same labels, warnings and errors."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest
import skimage.data
import skimage.segmentation
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.segmentation import slic as original

import ace3d_fast
from ace3d_fast.compat.skimage import slic
from ace3d_fast.errors import InputError

RNG = np.random.default_rng(0)
RGB = RNG.random((11, 14, 3))
VOLUME = RNG.random((4, 11, 14, 3))


def test_the_signature_is_scikit_images():
    theirs = inspect.signature(original).parameters
    ours = dict(inspect.signature(slic).parameters)
    assert ours.pop("exact").kind is inspect.Parameter.KEYWORD_ONLY
    assert list(ours) == list(theirs)
    for name, parameter in theirs.items():
        assert (ours[name].kind, ours[name].default) == (parameter.kind, parameter.default)


DTYPES = (np.uint8, np.int16, np.uint16, np.float16, np.float32, np.float64, bool)


@st.composite
def calls(draw):
    """An image and options that scikit-image takes."""
    num_axes, channels = draw(st.sampled_from([2, 3])), draw(st.sampled_from([None, 1, 3, 4]))
    shape = tuple(draw(st.integers(1, side)) for side in (6, 14, 13)[3 - num_axes :])
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    dtype = draw(st.sampled_from(DTYPES))
    image = rng.random(shape if channels is None else (*shape, channels))
    image = (
        image > 0.5
        if dtype is bool
        else (image * (200 if np.issubdtype(dtype, np.integer) else 1)).astype(dtype)
    )
    options = {
        "n_segments": draw(st.integers(1, 60)),
        "compactness": draw(st.sampled_from([0.01, 0.1, 1, 10.0, 100.0])),
        "max_num_iter": draw(st.integers(1, 12)),
        "enforce_connectivity": draw(st.booleans()),
        "min_size_factor": draw(st.sampled_from([0, 0.1, 0.5, 1.0])),
        "max_size_factor": draw(st.sampled_from([1.0, 3, 10])),
        "start_label": draw(st.sampled_from([0, 1])),
        "channel_axis": None if channels is None else -1,
    }
    single = dtype in (np.float16, np.float32)  # Lab and smoothing round otherwise: see the next test
    if channels == 3:
        options["convert2lab"] = False if single else draw(st.sampled_from([None, True, False]))
    if not single and draw(st.booleans()):
        options["sigma"] = draw(st.sampled_from([0.7, 2, [0.0, 1.5, 0.5][3 - num_axes :]]))
    if draw(st.booleans()):
        options["spacing"] = [draw(st.sampled_from([1, 0.5, 2.5, 3])) for _ in range(num_axes)]
    if channels is not None and draw(st.booleans()):
        image = np.moveaxis(image, -1, 0)
        options["channel_axis"] = 0
    if draw(st.booleans()) and np.prod(shape) > 1 and options["n_segments"] > 1:
        options["mask"] = rng.random(shape) < 0.8
        options["mask"].flat[[0, -1]] = True
    return image, options


@given(calls())
@settings(max_examples=150)
def test_labels_are_scikit_images(call):
    image, options = call
    expected, labels = original(image, **options), slic(image, **options)
    assert labels.dtype == expected.dtype
    assert np.array_equal(labels, expected)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_lab_of_single_precision_decides_few_voxels_otherwise(dtype):
    image = skimage.data.astronaut()[:200, :200].astype(dtype) / dtype(255)
    labels, expected = slic(image, 120, sigma=0.6), original(image, 120, sigma=0.6)
    assert (labels == expected).mean() > 0.999


def test_a_mask_with_a_single_seed_is_one_supervoxel():
    mask = np.ones(RGB.shape[:2], bool)
    mask[:, :3] = False
    assert np.array_equal(slic(RGB, 1, mask=mask), mask)


def test_slico_gives_scikit_images_labels():
    for image in (RGB, VOLUME):
        assert np.array_equal(slic(image, 12, slic_zero=True), original(image, 12, slic_zero=True))


def test_a_tensor_gives_a_tensor_of_the_same_labels():
    for dtype in (torch.uint8, torch.float32):
        image = torch.from_numpy(VOLUME * 200).to(dtype)
        labels = slic(image, 20, mask=torch.ones(VOLUME.shape[:3], dtype=torch.bool))
        assert isinstance(labels, torch.Tensor)
        mask = np.ones(VOLUME.shape[:3], bool)
        assert np.array_equal(labels.numpy(), original(image.numpy(), 20, mask=mask))


def test_half_bfloat_and_numbers_of_numpy_are_taken():
    assert slic(torch.from_numpy(VOLUME).bfloat16(), np.int64(9)).shape == VOLUME.shape[:3]
    assert np.array_equal(slic(RGB, np.float64(9.0), np.float32(0.5)), original(RGB, 9, 0.5))


def test_the_fast_mode_is_nearly_the_same():
    image = np.zeros((6, 40, 50, 3), np.uint8)
    image[:, 10:30, 20:40] = (200, 40, 90)
    image += RNG.integers(0, 20, image.shape, dtype=np.uint8)
    assert (slic(image, 30, exact=False) == original(image, 30)).mean() > 0.98


@pytest.mark.parametrize("name", ["spacing", "sigma"])
def test_three_numbers_for_two_axes_are_warned_of(name):
    options = {name: [5, 1, 2], "channel_axis": None}
    with pytest.warns(FutureWarning, match=f"Input image is 2D: {name} number of elements must be 2"):
        labels = slic(RGB[..., 0], 9, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.array_equal(labels, original(RGB[..., 0], 9, **options))


REFUSED = [
    (RGB[..., 0], {}),
    (RGB[..., :2], {"convert2lab": True}),
    (RGB, {"start_label": 2}),
    (RGB, {"mask": np.ones((3, 4), bool)}),
    (RGB, {"spacing": [1, 1, 1, 1]}),
    (VOLUME, {"spacing": [1, 1]}),
    (VOLUME, {"sigma": [1, 1]}),
    (RGB, {"channel_axis": (0, 1)}),
    (np.full_like(RGB, np.nan), {}),
    (np.where(RGB > 0.9, np.inf, RGB), {}),
]


@pytest.mark.parametrize(("image", "options"), REFUSED)
def test_what_scikit_image_refuses_is_refused(image, options):
    with pytest.raises(ValueError):  # noqa: PT011
        original(image, **options)
    with pytest.raises(InputError, match="slic: "):
        slic(image, **options)


def test_spacing_that_is_a_number_is_a_type_error():
    with pytest.raises(TypeError):
        slic(RGB, spacing=2)


def test_accelerate_puts_it_in_place_and_takes_it_out():
    assert skimage.segmentation.slic is original
    with ace3d_fast.accelerate("skimage"):
        assert skimage.segmentation.slic is slic
        with ace3d_fast.accelerate("skimage", exact=False):
            assert skimage.segmentation.slic.keywords == {"exact": False}
        assert skimage.segmentation.slic is slic
        assert skimage.segmentation.slic_superpixels.slic is slic
    assert skimage.segmentation.slic is original
    assert skimage.segmentation.slic_superpixels.slic is original


def test_accelerate_takes_it_out_after_an_error():
    with pytest.raises(ZeroDivisionError), ace3d_fast.accelerate("skimage"):
        raise ZeroDivisionError
    assert skimage.segmentation.slic is original


def test_an_unknown_library_is_named():
    with pytest.raises(InputError, match="accelerate: expected library 'skimage', got 'sklearn'"):
        ace3d_fast.accelerate("sklearn").__enter__()
