import numpy as np
import pytest
import torch
from skimage import data
from skimage.metrics import adapted_rand_error
from skimage.segmentation import slic as skimage_slic

from ace3d_fast import slic
from ace3d_fast.errors import InputError

PICTURE = data.astronaut()[:150, 100:270]
CLIP = np.stack([np.roll(PICTURE, 3 * i, axis=1) for i in range(9)])[:, :70, :90]
NOISE = np.random.default_rng(0).random((7, 26, 31, 4)).astype(np.float32)
INSIDE = np.zeros(CLIP.shape[:3], bool)
INSIDE[1:, 6:62, 11:80] = True
INSIDE[:, 25:31, 30:50] = False

CASES = {
    "picture": (PICTURE, {}),
    "clip": (CLIP, {"n_segments": 60, "start_label": 0}),
    "smoothed": (CLIP, {"n_segments": 60, "sigma": 1.0, "spacing": [2, 1, 1]}),
    "smoothed by axis": (PICTURE, {"sigma": [1.5, 0.5]}),
    "unconnected": (CLIP, {"n_segments": 300, "enforce_connectivity": False}),
    "grey": (NOISE[..., 0], {"n_segments": 40, "compactness": 0.1, "channel_axis": None}),
    "grey picture": (NOISE[0, ..., 0], {"n_segments": 20, "compactness": 0.1, "channel_axis": None}),
    "channels first": (np.moveaxis(NOISE, -1, 0), {"compactness": 0.2, "channel_axis": 0}),
    "no lab": (CLIP, {"convert2lab": False, "compactness": 0.2}),
    "double": (NOISE.astype(float), {"compactness": 0.1}),
    "half": (NOISE.astype(np.float16), {"compactness": 0.1}),
    "uint16": (PICTURE.astype(np.uint16) * 99, {}),
    "slico": (NOISE, {"n_segments": 30, "slic_zero": True}),
    "mask": (CLIP, {"n_segments": 50, "mask": INSIDE}),
    "mask, smoothed": (CLIP, {"n_segments": 50, "mask": INSIDE, "sigma": 1.3}),
    "mask of a picture": (CLIP[3], {"n_segments": 50, "mask": INSIDE[3]}),
    "mask, grey": (CLIP[..., 0], {"n_segments": 50, "mask": INSIDE, "channel_axis": None}),
    "sizes": (CLIP, {"n_segments": 80, "min_size_factor": 0.9, "max_size_factor": 1.4}),
}


@pytest.mark.parametrize(("image", "options"), CASES.values(), ids=CASES)
def test_exact_labels_are_those_of_scikit_image(image, options):
    labels = slic(image, exact=True, **options)
    assert labels.dtype == np.int64
    assert np.array_equal(labels, skimage_slic(image, **options))


@pytest.mark.parametrize("name", ["picture", "clip", "smoothed", "grey", "no lab", "slico", "mask"])
def test_default_labels_are_nearly_those_of_scikit_image(name):
    image, options = CASES[name]
    ours, theirs = slic(image, **options), skimage_slic(image, **options)
    assert ours.min() == theirs.min()
    assert adapted_rand_error(theirs + 1, ours + 1)[0] < 0.01
    assert abs(int(ours.max()) - int(theirs.max())) <= 1


def test_a_tensor_gives_a_tensor():
    labels = slic(torch.from_numpy(CLIP), 60)
    assert isinstance(labels, torch.Tensor)
    assert labels.dtype == torch.int64
    assert np.array_equal(labels.numpy(), slic(CLIP, 60))


def test_distance_in_time_makes_supervoxels_shorter():
    def mean_duration(spacing):
        labels = slic(CLIP, 20, compactness=100.0, spacing=spacing, enforce_connectivity=False)
        return np.mean([np.unique(np.nonzero(labels == k)[0]).size for k in np.unique(labels)])

    assert mean_duration([4, 1, 1]) < mean_duration([1, 1, 1]) <= mean_duration([0.2, 1, 1])


def test_what_the_mask_leaves_out_may_be_nan():
    image = NOISE.copy()
    mask = np.ones(image.shape[:3], bool)
    mask[:, :5] = False
    image[:, :5] = np.nan
    assert np.array_equal(slic(image, 30, 0.1, mask=mask) == 0, ~mask)


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (PICTURE, {"start_label": 2}, "expected start_label 0 or 1, got 2"),
        (PICTURE, {"n_segments": 0}, "expected n_segments an integer of at least 1, got 0"),
        (PICTURE, {"spacing": [1, 1, 1]}, "expected spacing 2 finite numbers"),
        (PICTURE, {"spacing": [0, 1]}, "expected spacing above 0"),
        (NOISE, {"convert2lab": True}, "expected image of three channels for convert2lab"),
        (NOISE, {"mask": INSIDE}, "expected mask of the shape of the image"),
        (
            NOISE[0, 0],
            {"channel_axis": None, "compactness": 0},
            "expected compactness a finite number above 0",
        ),
        (NOISE[0, 0, 0], {}, "expected image with 2 or 3 axes of space"),
        ([[1.0]], {}, "expected image a NumPy array or a tensor, got list"),
        (np.full((4, 4, 3), np.nan), {}, "expected image free of NaN and infinities"),
        (np.full((4, 4, 3), np.inf), {}, "expected image free of NaN and infinities"),
    ],
)
def test_errors_name_the_argument(image, options, message):
    with pytest.raises(InputError, match=message):
        slic(image, **options)


def test_an_image_that_needs_a_gradient_is_cut_like_its_values():
    image = torch.rand(6, 7, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(slic(image.clone().requires_grad_(), 4), slic(image, 4))
