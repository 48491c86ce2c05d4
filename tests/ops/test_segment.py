import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.metrics import adapted_rand_error
from volumes import smooth_clip

from ace3d_fast.errors import InputError
from ace3d_fast.ops import build_info, reference, segment_clips
from ace3d_fast.segmentation_metrics import truth_metrics
from ace3d_fast.video.planted import make_clip


@pytest.mark.parametrize("options", [{}, {"compactness": 10.0, "sigma": 0.0}, {"spacing": (2.0, 1.0, 1.0)}])
def test_it_is_scikit_images_slic(options):
    clips = smooth_clip((8, 64, 72))
    labels, expected = segment_clips(clips, **options), reference.segment_clips(clips, **options)
    for ours, theirs in zip(labels[0], expected[0], strict=True):
        assert ours.max() == theirs.max()
        assert adapted_rand_error(theirs.numpy(), ours.numpy())[0] < 0.005


@pytest.mark.parametrize(
    "options", [{}, {"compactness": 10.0, "sigma": 0.0}, {"spacing": (2.0, 1.0, 1.0), "num_iterations": 4}]
)
def test_high_quality_is_that_of_the_reference(options):
    clips = smooth_clip((8, 48, 56), num_clips=2)
    labels = segment_clips(clips, (15, 40), quality="high", **options)
    expected = reference.segment_clips(clips, (15, 40), quality="high", **options)
    for ours, theirs in zip(labels.flatten(0, 1), expected.flatten(0, 1), strict=True):
        assert ours.max() == theirs.max()
        assert adapted_rand_error(theirs.numpy(), ours.numpy())[0] < 0.005


def test_high_quality_follows_true_boundaries_better():
    clips = [make_clip(number % 6, np.random.default_rng(number)) for number in range(24)]
    frames = torch.from_numpy(np.stack([clip.frames for clip in clips]))
    truths = [torch.from_numpy((c.masks.argmax(0) + c.masks.any(0)).astype(np.int32)) for c in clips]
    scores = {}
    for quality in ("standard", "high"):
        maps = segment_clips(frames, (50,), quality=quality)[:, 0]
        rows = [truth_metrics(labels, truth) for labels, truth in zip(maps, truths, strict=True)]
        scores[quality] = {name: np.mean([row[name] for row in rows]) for name in rows[0]}
    for name in ("undersegmentation_error_3d", "np_undersegmentation_error"):
        assert scores["high"][name] < 0.9 * scores["standard"][name]
    for name in ("achievable_accuracy", "segmentation_accuracy_3d", "boundary_recall_0"):
        assert scores["high"][name] > scores["standard"][name]


@pytest.mark.parametrize("quality", ["standard", "high"])
def test_every_region_is_one_piece(quality):
    labels = segment_clips(smooth_clip((6, 48, 48), seed=3), (12, 40), quality=quality)
    for label_map in labels[0].numpy():
        for region in range(label_map.max() + 1):
            assert ndimage.label(label_map == region)[1] == 1


def test_one_frame_and_one_pixel():
    frame = smooth_clip((1, 20, 20))
    assert torch.equal(segment_clips(frame, (4,)), reference.segment_clips(frame, (4,)))
    assert segment_clips(smooth_clip((1, 1, 1)), (4, 1)).flatten().tolist() == [0, 0]


def test_clips_of_a_batch_are_as_if_alone():
    clips = smooth_clip((4, 32, 32), num_clips=2)
    together = segment_clips(clips, (8, 20))
    assert torch.equal(together[1:], segment_clips(clips[1:], (8, 20)))


def test_errors_name_the_argument():
    with pytest.raises(InputError, match=r"segment_clips: expected frames of type uint8, got float32"):
        segment_clips(torch.zeros(1, 2, 4, 4, 3))
    with pytest.raises(
        InputError, match=r"segment_clips: expected num_regions a list of integers of at least 1"
    ):
        segment_clips(torch.zeros(1, 2, 4, 4, 3, dtype=torch.uint8), ())
    with pytest.raises(InputError, match=r"expected quality one of \('standard', 'high'\), got 'best'"):
        segment_clips(torch.zeros(1, 2, 4, 4, 3, dtype=torch.uint8), quality="best")


def test_the_build_tells_what_it_is():
    facts = build_info()
    assert facts["instruction_set"] in ("baseline", "avx2", "avx512")
    assert facts["compiler"]
    assert isinstance(facts["cuda_devices"], list)


@pytest.mark.parametrize("quality", ["standard", "high"])
def test_shapes_are_known_without_data(quality):
    frames = torch.empty(2, 4, 9, 9, 3, dtype=torch.uint8, device="meta")
    labels = segment_clips(frames, [3, 12], quality=quality)
    assert (labels.shape, labels.device.type) == ((2, 2, 4, 9, 9), "meta")
