import numpy as np
import pytest

from ace3d_fast.errors import InputError
from ace3d_fast.learn.keep import keep_calibrated, keep_published


def cluster(*regions_per_video, clips_per_video=2):
    """Labels, videos and clips of one cluster with so many regions in each video."""
    videos = np.repeat(np.arange(len(regions_per_video)), regions_per_video)
    clips = np.concatenate([np.arange(n) % clips_per_video for n in regions_per_video])
    return np.zeros(len(videos), dtype=int), videos, clips


def test_a_cluster_that_videos_share_is_kept_with_its_counts():
    (verdict,) = keep_calibrated(*cluster(4, 4, 4), num_videos=7)
    assert verdict.kept
    assert verdict.reason == ""
    assert (verdict.num_regions, verdict.num_clips, verdict.num_videos) == (12, 6, 3)
    assert verdict.largest_video_share == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("regions", "num_videos", "reason"),
    [
        ((6, 6), 4, "in 2 of 4 videos, needs 3; in 4 clips, needs 5"),
        ((4, 4, 4), 9, "in 3 of 9 videos, needs 4"),  # .35 * 9 = 3.15
        ((2,) * 7, 20, ""),  # .35 * 20 = 7
        ((13, 4, 3), 7, "one video holds 65 % of its regions, at most 60 % allowed"),
        ((12, 4, 4), 7, ""),  # 60 % is allowed
        ((3, 3, 3), 7, "9 regions, needs 10"),
        (
            (1,),
            3,
            "in 1 of 3 videos, needs 3; one video holds 100 % of its regions, at most 60 % allowed; "
            "in 1 clip, needs 5; 1 region, needs 10",
        ),
    ],
)
def test_the_calibrated_rule_says_what_is_missing(regions, num_videos, reason):
    (verdict,) = keep_calibrated(*cluster(*regions), num_videos=num_videos)
    assert verdict.reason == reason
    assert verdict.kept == (reason == "")


@pytest.mark.parametrize(
    ("regions", "num_clips", "reason"),
    [
        ((2, 2, 2), 10, ""),  # seen once in six of ten clips
        ((2, 2, 1), 10, "5 regions, needs 6"),
        ((3, 3, 3), 17, "9 regions, needs 10"),  # ceil(.6 * 17) = 11, but never more than ten
        ((3, 2), 5, "in 2 of 5 videos, needs 3; in 4 clips, needs 5"),  # .6 * 5 = 3 regions are there
    ],
)
def test_few_clips_need_fewer_regions(regions, num_clips, reason):
    (verdict,) = keep_calibrated(*cluster(*regions), num_videos=5, num_clips=num_clips)
    assert verdict.reason == reason


def test_clips_of_different_videos_are_different_clips():
    (verdict,) = keep_calibrated(*cluster(4, 4, 4, clips_per_video=1), num_videos=3)
    assert verdict.num_clips == 3
    assert verdict.reason == "in 3 clips, needs 5"


def test_each_cluster_is_judged_and_no_region_counts_for_none():
    labels = [1] * 12 + [-1] * 5
    videos = ["a", "b", "c"] * 4 + ["d"] * 5
    clips = [0, 0, 0, 1, 1, 1] * 2 + [0] * 5
    verdicts = keep_calibrated(labels, videos, clips, num_videos=4, num_clusters=3)
    assert [v.kept for v in verdicts] == [False, True, False]
    assert [v.num_regions for v in verdicts] == [0, 12, 0]
    assert verdicts[0].reason.startswith("in 0 of 4 videos, needs 3")


@pytest.mark.parametrize(
    ("regions", "num_videos", "reason"),
    [
        ((3, 3, 3, 1, 1), 100, ""),  # 5 > .4 * 11
        ((2,) * 5, 100, "10 regions, needs more than 10"),
        ((10, 10, 10, 10, 5), 40, ""),  # 5 > .1 * 45 and 5 > .1 * 40
        ((10, 10, 10, 10, 5), 50, "45 regions in 5 of 50 videos: too few videos"),  # not 5 > .1 * 50
        ((12, 12, 12, 12, 12), 14, ""),  # 5 > .08 * 60 and 5 > .35 * 14
        # not 5 > .08 * 63
        ((13, 13, 13, 12, 12), 14, "63 regions in 5 of 14 videos: too many regions a video"),
    ],
)
def test_the_published_rule(regions, num_videos, reason):
    (verdict,) = keep_published(*cluster(*regions), num_videos=num_videos)
    assert verdict.reason == reason
    assert verdict.kept == (reason == "")


def test_the_published_rule_rejects_a_concept_that_every_clip_of_every_video_shows():
    # ten clips of three regions in each of 7 videos: 210 regions
    assert not keep_published(*cluster(*[30] * 7, clips_per_video=10), num_videos=7)[0].kept
    assert keep_calibrated(*cluster(*[30] * 7, clips_per_video=10), num_videos=7)[0].kept


def test_lists_of_another_length_are_named():
    with pytest.raises(InputError, match="keep_published: expected clips to hold 2 entries"):
        keep_published([0, 0], ["a", "b"], [1], num_videos=3)
