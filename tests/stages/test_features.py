import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F
from toys import NUM_FRAMES, SIDE, RedNet, halves_clip, halves_table, red_network, video
from volumes import label_map, smooth_clip

from ace3d_fast import ops
from ace3d_fast.config import FeatureOptions
from ace3d_fast.models.network import Network
from ace3d_fast.models.probe import Probe, View, fill_frames, margins, region_masks
from ace3d_fast.ops import reference
from ace3d_fast.stages.features import center_features, describe_regions
from ace3d_fast.types import Clip, Normalization, SegmentedClip


def described(options=None, clip=None, class_index=0):
    clip = clip or halves_clip()
    return describe_regions(
        [(clip, halves_table(clip))],
        red_network(),
        options or FeatureOptions(),
        num_frames=NUM_FRAMES,
        class_index=class_index,
    )[0]


def test_a_pooled_feature_is_the_mean_over_its_region():
    assert described().features.tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]


def test_logits_are_those_of_the_whole_clip():
    assert described().logits.tolist() == [0.5, 0.25]


def test_the_gradient_is_shared_by_the_regions_according_to_their_size():
    found = described()
    assert found.gradient.tolist() == pytest.approx([1.0, 0.0, 0.0])
    assert found.region_gradients.sum(axis=0).tolist() == pytest.approx([1.0, 0.0, 0.0])
    assert found.region_gradients[:, 0].tolist() == pytest.approx([0.5, 0.5])


def test_regions_of_a_coarse_grid_share_the_whole_gradient():
    class Coarse(RedNet):
        def forward(self, x):
            return super().forward(F.avg_pool3d(x, 2))  # 1 by 4 by 4 cells of 8 voxels

    unit = Normalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    network, clip = Network(Coarse(), "layer", unit, ["red", "other"]), halves_clip()
    options = FeatureOptions()
    (found,) = describe_regions(
        [(clip, halves_table(clip))], network, options, num_frames=NUM_FRAMES, class_index=0
    )
    assert found.region_gradients[:, 0].tolist() == pytest.approx([0.5, 0.5])
    assert found.gradient.tolist() == pytest.approx([1.0, 0.0, 0.0])


def test_without_a_class_gradients_are_zero():
    assert not described(class_index=None).region_gradients.any()


def test_a_patch_fills_the_input_with_the_box_of_its_region():
    found = described(FeatureOptions(mode="patch"))
    assert found.features.tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]


@pytest.mark.parametrize("mode", ["pooled", "patch"])
def test_a_clip_without_regions_has_no_rows_of_as_many_channels(mode):
    clip = halves_clip()
    cut = SegmentedClip(clip.clip, torch.full_like(clip.labels, -1), 0)
    table = halves_table(cut).iloc[:0]
    options = FeatureOptions(mode=mode)
    (found,) = describe_regions([(cut, table)], red_network(), options, num_frames=NUM_FRAMES)
    assert found.features.shape == found.region_gradients.shape == (0, 3)


def test_outside_its_region_a_patch_is_grey():
    clip = halves_clip()
    labels = clip.labels.clone()
    labels[:, :, : SIDE // 2, : SIDE // 2] = -1  # the left region keeps its lower half, in the same box
    cut = SegmentedClip(clip.clip, labels, 2)
    feature = described(FeatureOptions(mode="patch"), cut).features[0]
    grey = 117 / 255
    assert feature.tolist() == pytest.approx([(1 + grey) / 2, grey / 2, grey / 2], abs=0.02)


def long_clip():
    """Two frames with a red half, two black ones. Region 0: the left half; 1: the right half, at the end."""
    clip = halves_clip()
    frames = torch.cat([clip.clip.frames, torch.zeros_like(clip.clip.frames)])
    labels = torch.cat([clip.labels, clip.labels], dim=1)
    labels[:, :3][labels[:, :3] == 1] = -1
    cut = SegmentedClip(Clip(clip.clip.video, 0, 0.0, frames), labels, 2)
    table = halves_table(cut).assign(t0=[0, 3], t1=[4, 4])
    return cut, table


@pytest.mark.parametrize(("stride", "red"), [(1, (1 + 0.5 + 0) / 3), (2, (1 + 0) / 2), (3, 1.0)])
def test_a_patch_longer_than_the_input_is_forwarded_in_windows(stride, red):
    options = FeatureOptions(mode="patch", window_stride=stride, batch_clips=2)
    (found,) = describe_regions([long_clip()], red_network(), options, num_frames=NUM_FRAMES)
    assert found.features[0].tolist() == pytest.approx([red, 0.0, 0.0])


def test_a_patch_shorter_than_the_input_takes_the_frames_before_it():
    options = FeatureOptions(mode="patch", patch_fill=255)
    (found,) = describe_regions([long_clip()], red_network(), options, num_frames=NUM_FRAMES)
    assert found.features[1].tolist() == pytest.approx([0.5] * 3)  # one frame of fill, one of black


def test_patches_of_the_reference_give_the_same_features():
    clip = SegmentedClip(smooth_clip_of(16), label_map((2, NUM_FRAMES, 16, 16), 2, low=-1), 2)
    table = halves_table(clip).assign(y1=[13, 16], x1=[9, 16])
    options = FeatureOptions(mode="patch")
    (native,), (twin,) = (
        describe_regions([(clip, table)], red_network(), options, num_frames=NUM_FRAMES, backend=backend)
        for backend in (ops, reference)
    )
    assert np.array_equal(native.features, twin.features)


def smooth_clip_of(side):
    return Clip(video("a"), 0, 0.0, smooth_clip((NUM_FRAMES, side, side))[0])


def test_a_network_that_works_in_place_sees_whole_windows():
    class InPlace(RedNet):
        def forward(self, x):
            logits = super().forward(x.clone())
            x.zero_()
            return logits

    unit = Normalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    network = Network(InPlace(), "layer", unit, ["red", "other"])
    options = FeatureOptions(mode="patch", batch_clips=1)
    (found,) = describe_regions([long_clip()], network, options, num_frames=NUM_FRAMES)
    assert found.features[0, 0] == pytest.approx(0.5)


def test_a_long_clip_is_pooled_over_its_windows():
    clip = halves_clip()
    dark = torch.zeros_like(clip.clip.frames)
    long = Clip(clip.clip.video, 0, 0.0, torch.cat([clip.clip.frames, dark]))
    labels = torch.cat([clip.labels, clip.labels], dim=1)
    found = described(clip=SegmentedClip(long, labels, 2))
    assert found.features[:, 0].tolist() == [0.5, 0.0]
    assert found.logits.tolist() == [0.25, 0.25]


@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 2**31))
def test_centred_features_average_to_zero_in_each_clip(num_rows, num_clips, seed):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(num_rows, 3)).astype(np.float32)
    sizes = rng.integers(1, 1000, num_rows).astype(np.int32)
    clip = rng.integers(0, num_clips, num_rows).astype(np.int32)
    centered = center_features(features, sizes, clip)
    for c in np.unique(clip):
        mean = np.average(centered[clip == c], axis=0, weights=sizes[clip == c])
        assert np.abs(mean).max() < 1e-5


# The probe ------------------------------------------------------------------------------------


def test_alone_shows_the_region_before_the_mean_colour():
    found = Probe(red_network(), NUM_FRAMES).alone(halves_clip(), [[], [0], [1]])
    mean = 128 / 255  # half of 255, rounded to even
    assert found.logits[:, 0].tolist() == pytest.approx([mean, (1 + mean) / 2, mean / 2])
    assert found.features[:, 0].tolist() == pytest.approx([0.0, 1.0, 0.0])


def test_without_puts_the_mean_colour_in_place_of_the_region():
    left = Probe(red_network(), NUM_FRAMES).without(halves_clip(), [[0], [1], [0, 1], []])
    mean = 128 / 255
    assert left[:, 0].tolist() == pytest.approx([mean / 2, (1 + mean) / 2, mean, 0.5])


def test_batches_do_not_change_the_answer():
    sets = [[0], [1], [0, 1], [], [1], [0]]
    whole = Probe(red_network(), NUM_FRAMES, batch=8).without(halves_clip(), sets)
    parts = Probe(red_network(), NUM_FRAMES, batch=1).without(halves_clip(), sets)
    np.testing.assert_allclose(whole, parts, atol=1e-6)


def test_masks_join_regions_of_all_resolutions():
    clip = halves_clip()
    quarter = torch.full_like(clip.labels, -1)
    quarter[..., :2, -2:] = 2
    both = SegmentedClip(clip.clip, torch.cat([clip.labels, quarter]), 3)
    mask = region_masks(both, [[0, 2]])[0]
    assert mask[0].sum() == SIDE * SIDE // 2 + 4


def test_the_blurred_fill_keeps_colours_and_loses_detail():
    frames = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    frames[:, ::2] = 200
    blurred = fill_frames(frames, "blur").float()
    assert blurred.mean() == pytest.approx(100, abs=1)
    assert blurred.std() < 2


def test_margin_is_the_lead_over_the_best_other_class():
    logits = np.array([[3.0, 1.0, 2.5], [0.0, 4.0, 1.0]], dtype=np.float32)
    assert margins(logits, [0, 1]).tolist() == [[0.5, -2.0], [-4.0, 3.0]]
    assert margins(np.array([[2.0, 2.0]], dtype=np.float32), [0, 1]).tolist() == [[0.0, 0.0]]


def test_a_blank_clip_gives_the_fill_under_every_region():
    clip = halves_clip(red=200)
    blank = Probe(red_network(), 2, batch=1).blank(clip, [[0], [1], [0, 1]])
    assert blank.logits.tolist() == [[pytest.approx(100 / 255), 0.25]]
    assert blank.features.shape == (3, 3)
    np.testing.assert_allclose(blank.features, [[100 / 255, 0, 0]] * 3, atol=1e-6)


def test_a_region_alone_brings_its_own_colour_to_the_fill():
    clip = halves_clip(red=200)
    probe = Probe(red_network(), 2)
    gained = probe.alone(clip, [[0], [1]]).features - probe.blank(clip, [[0], [1]]).features
    np.testing.assert_allclose(gained[:, 0], [100 / 255, -100 / 255], atol=1e-6)


def test_views_of_several_clips_are_seen_as_each_alone():
    clips = [halves_clip(red=60 * (i + 1)) for i in range(3)]
    views = []
    for clip in clips:
        views += [View(clip, (), under=[(0,), (1,)]), View(clip, (0,), under=[(0,)]), View(clip, (1,), False)]
    together = Probe(red_network(), NUM_FRAMES, batch=4).see(iter(views))
    alone = [Probe(red_network(), NUM_FRAMES).see([view]) for view in views]
    np.testing.assert_allclose(together.logits, np.concatenate([one.logits for one in alone]), atol=1e-6)
    features = [one.features for one in alone if len(one.features)]
    assert together.features.shape == (9, 3)
    np.testing.assert_allclose(together.features, np.concatenate(features), atol=1e-6)


def short_of_memory(network, room):
    """``network``, where more than ``room`` clips at once run out of memory."""
    logits = network._logits

    def scarce(x):
        if len(x) > room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return logits(x)

    network._logits = scarce
    return network


@pytest.mark.parametrize("mode", ["pooled", "patch"])
def test_a_batch_that_is_too_large_for_the_memory_is_halved(mode):
    clips = [halves_clip(index=i, red=40 * i) for i in range(5)]
    given = [(clip, halves_table(clip)) for clip in clips]
    options = FeatureOptions(mode=mode, batch_clips=4)
    expected = describe_regions(given, red_network(), options, num_frames=NUM_FRAMES, class_index=0)
    scarce = short_of_memory(red_network(), 1)
    found = describe_regions(given, scarce, options, num_frames=NUM_FRAMES, class_index=0)
    for ours, right in zip(found, expected, strict=True):
        assert ours.features.tolist() == right.features.tolist()
        assert ours.logits.tolist() == right.logits.tolist()
    assert set(scarce.batches.most.values()) == {1}


def test_regions_are_asked_about_in_smaller_batches_too():
    clip, sets = halves_clip(), [[0], [1], [0, 1]]
    expected = Probe(red_network(), NUM_FRAMES)
    scarce = Probe(short_of_memory(red_network(), 2), NUM_FRAMES)
    assert scarce.alone(clip, sets).features.tolist() == expected.alone(clip, sets).features.tolist()
    assert scarce.without(clip, sets).tolist() == expected.without(clip, sets).tolist()
