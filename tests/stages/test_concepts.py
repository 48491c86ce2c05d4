import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from toys import halves_clip, halves_table, red_network

from ace3d_fast.config import CavOptions, ConceptOptions, ScoreOptions
from ace3d_fast.errors import InputError
from ace3d_fast.learn.clusters import fit_clusters, fit_kmeans
from ace3d_fast.models.probe import Probe
from ace3d_fast.stages.cavs import fit_concept_cavs, member_retention, retention
from ace3d_fast.stages.concepts import NO_CONCEPT, find_concepts, kmeans_on, nearest_concepts
from ace3d_fast.stages.effects import measure_regions, plan_forwards
from ace3d_fast.stages.verdicts import judge_concepts, sort_concepts
from ace3d_fast.types import SilentProgress

NAN = float("nan")


def blobs(num_videos=6, per_video=6, num_blobs=3):
    """Regions in tight blobs: region r of each video belongs to blob r % num_blobs."""
    rng = np.random.default_rng(0)
    rows = [(f"v{v}", v, r) for v in range(num_videos) for r in range(per_video)]
    regions = pd.DataFrame(rows, columns=["video", "clip_id", "rank"]).assign(label="t")
    centers = 10 * np.eye(num_blobs, 4)
    truth = regions["rank"].to_numpy() % num_blobs
    features = centers[truth] + rng.normal(scale=0.1, size=(len(rows), 4))
    return features.astype(np.float32), regions, truth


OPTIONS = ConceptOptions(num_clusters=3, min_regions=4, min_clips=3)


def test_blobs_are_found_and_kept():
    features, regions, truth = blobs()
    found = find_concepts(features, regions, OPTIONS, discover=frozenset(regions["video"]), seed=0)
    assert all(len(set(found.assignment[truth == blob])) == 1 for blob in range(3))
    assert found.tables["t"]["kept"].all()
    assert found.tables["t"]["num_videos"].tolist() == [6, 6, 6]
    assert found.distance.max() < 1


def test_of_many_regions_some_are_clustered_and_all_assigned(monkeypatch):
    features, regions, truth = blobs(num_videos=20)
    discover = frozenset(regions["video"])
    whole = find_concepts(features, regions, OPTIONS, discover=discover, seed=0)
    monkeypatch.setattr("ace3d_fast.stages.concepts.MAX_CLUSTERED_ROWS", 30)
    monkeypatch.setattr("ace3d_fast.stages.concepts._BLOCK_ROWS", 7)
    asked = []
    monkeypatch.setattr(
        "ace3d_fast.stages.concepts.fit_clusters",
        lambda x, *rest, **more: asked.append(len(x)) or fit_clusters(x, *rest, **more),
    )
    some = find_concepts(features, regions, OPTIONS, discover=discover, seed=0)
    assert asked == [30]
    assert len(set(zip(some.assignment, truth, strict=True))) == 3
    assert some.tables["t"]["num_regions"].tolist() == [40, 40, 40]
    assert some.distance.max() < 1
    assert not np.array_equal(whole.centers, some.centers)


def test_regions_outside_the_dense_groups_of_a_selection_have_no_concept(monkeypatch):
    features, regions, _ = blobs(num_videos=20)
    features[::15] = 40 * np.random.default_rng(1).normal(size=(8, 4))
    monkeypatch.setattr("ace3d_fast.stages.concepts.MAX_CLUSTERED_ROWS", 60)
    options = replace(OPTIONS, method="hdbscan", num_clusters=None, min_regions=5)
    found = find_concepts(features, regions, options, discover=frozenset(regions["video"]), seed=0)
    assert (found.assignment[::15] == NO_CONCEPT).all()
    assert (np.delete(found.assignment, np.arange(0, 120, 15)) >= 0).mean() > 0.9


def test_kmeans_of_a_device_finds_the_same_blobs_as_scikit_learn():
    features, _, truth = blobs(num_videos=9)
    centers, labels = kmeans_on(torch.device("cpu"))(features.astype(np.float64), 3, 0, 4)
    expected = fit_kmeans(features.astype(np.float64), 3, seed=0)
    assert centers.dtype == np.float64
    assert (
        len(set(zip(labels, truth, strict=True))) == len(set(zip(labels, expected.labels, strict=True))) == 3
    )
    np.testing.assert_allclose(np.sort(centers, axis=0), np.sort(expected.centers, axis=0), atol=1e-5)


def test_videos_that_do_not_discover_are_assigned_but_not_counted():
    features, regions, truth = blobs()
    found = find_concepts(features, regions, OPTIONS, discover=frozenset(["v0", "v1", "v2"]), seed=0)
    assert found.tables["t"]["num_regions"].tolist() == [6, 6, 6]
    assert all(len(set(found.assignment[truth == blob])) == 1 for blob in range(3))


def test_a_new_region_belongs_to_the_nearest_centre_within_its_reach():
    features, regions, _ = blobs()
    found = find_concepts(features, regions, OPTIONS, discover=frozenset(["v0", "v1", "v2"]), seed=0)
    again, distance = nearest_concepts(features, found.centers, found.reach)
    assert again.tolist() == found.assignment.tolist()
    assert distance.tolist() == found.distance.tolist()
    beyond = (found.centers + 1.01 * np.diag(found.reach) @ np.eye(3, 4)).astype(np.float32)
    assert nearest_concepts(beyond, found.centers, found.reach)[0].tolist() == [NO_CONCEPT] * 3
    assert nearest_concepts(beyond, found.centers)[0].tolist() == [0, 1, 2]


def test_the_number_of_blobs_is_the_one_that_recurs():
    features, regions, _ = blobs(num_videos=8, per_video=30, num_blobs=3)
    options = replace(OPTIONS, num_clusters=None, candidates=(2, 3, 7))
    found = find_concepts(features, regions, options, discover=frozenset(regions["video"]), seed=0)
    assert len(found.tables["t"]) == 3
    assert found.num_recurring[3] == 3


def test_a_region_far_from_every_dense_group_belongs_to_none():
    features, regions, _ = blobs(num_videos=8, per_video=12)
    features[[5, 95]] = 100.0  # one in a video that is clustered, one in a video that is not
    options = replace(OPTIONS, method="hdbscan", num_clusters=None)
    some = frozenset(f"v{v}" for v in range(6))
    found = find_concepts(features, regions, options, discover=some, seed=0)
    assert found.assignment[[5, 95]].tolist() == [-1, -1]
    assert (np.delete(found.assignment, [5, 95]) >= 0).mean() > 0.9
    assert len(found.tables["t"]) == 3


def test_classes_keep_the_concepts_they_share():
    features, regions, truth = blobs(num_videos=12, per_video=9)
    regions["label"] = np.where(regions["clip_id"] < 6, "t", "u")
    lacking = (regions["label"] == "u").to_numpy() & (truth == 2)
    features[lacking] = features[truth == 0][: lacking.sum()]  # class u does not show the third blob
    found = find_concepts(features, regions, OPTIONS, discover=frozenset(regions["video"]), seed=0)
    third = found.assignment[(truth == 2) & ~lacking][0]
    assert found.tables["t"]["kept"].all()
    assert found.tables["u"].loc[~found.tables["u"]["kept"], "concept"].tolist() == [third]
    assert found.kept == [0, 1, 2]


def test_a_cluster_of_few_videos_is_rejected_with_the_count():
    features, regions, truth = blobs()
    features[(truth == 2) & (regions["clip_id"] > 0).to_numpy()] = features[0]
    found = find_concepts(features, regions, OPTIONS, discover=frozenset(regions["video"]), seed=0)
    (reason,) = found.tables["t"].loc[~found.tables["t"]["kept"], "reason"]
    assert "in 1 of 6 videos, needs 3" in reason


def test_more_clusters_than_regions_is_an_error():
    features, regions, _ = blobs(num_videos=1, per_video=2)
    with pytest.raises(InputError, match="more regions than clusters, got 2 regions for 3 clusters"):
        find_concepts(features, regions, OPTIONS, discover=frozenset(["v0"]), seed=0)


# Forwards of single regions ----------------------------------------------------------------------


def table_of(num_videos, per_video, label, concept):
    rows = [(f"{label}{v}", label, concept, 10 + r) for v in range(num_videos) for r in range(per_video)]
    return pd.DataFrame(rows, columns=["video", "label", "concept", "num_voxels"])


def plan_of(regions, **changes):
    names = frozenset(regions.loc[regions["label"] == "t", "video"])
    given = {"train": names, "score": names, "per_concept": 6, "num_negatives": 5, "target_class": "t"}
    return plan_forwards(regions, [0], seed=0, **{**given, **changes})


def test_the_budget_is_spread_over_videos_and_matched_by_the_pool():
    regions = pd.concat([table_of(3, 10, "t", 0), table_of(3, 10, "t", 1), table_of(2, 10, "o", -1)])
    regions = regions.reset_index(drop=True)
    plan = plan_of(regions)
    assert regions.loc[plan.members[0], "video"].value_counts().tolist() == [2, 2, 2]
    assert (regions.loc[plan.members[0], "concept"] == 0).all()
    assert regions.loc[plan.removed, "video"].value_counts().tolist() == [4, 4, 4]
    assert len(plan.negatives) == 5
    assert (regions.loc[plan.negatives, "label"] == "o").all()
    assert set(plan.alone) == set(plan.removed) | set(plan.negatives)


def test_only_videos_that_score_lose_regions():
    regions = pd.concat([table_of(4, 5, "t", 0), table_of(1, 5, "o", -1)]).reset_index(drop=True)
    plan = plan_of(regions, train=frozenset(["t0", "t1"]), score=frozenset(["t2"]))
    assert set(regions.loc[plan.members[0], "video"]) == {"t0", "t1", "t2"}
    assert set(regions.loc[plan.removed, "video"]) == {"t2"}


class Steps(SilentProgress):
    """The steps that it was told of."""

    def __init__(self):
        self.told = []

    def advance(self, steps=1):
        if steps:
            self.told.append(steps)


def measured(recall=None, progress=None, per_concept=1):
    clips = {(f"v{i}", 0): halves_clip(f"v{i}") for i in range(2)}
    regions = pd.concat([halves_table(c, i) for i, c in enumerate(clips.values())], ignore_index=True)
    regions = regions.assign(concept=[0, 1, 0, 1])
    plan = plan_of(regions.assign(label="t"), per_concept=per_concept, num_negatives=0)
    responses = measure_regions(
        plan,
        regions,
        Probe(red_network(), 2),
        lambda video, index: clips[video, index],
        [0, 1],
        np.array([[0.5, 0.25]] * 2, dtype=np.float32),
        recall=recall,
        progress=progress or SilentProgress(),
    )
    return plan, responses


def test_effects_are_the_change_of_the_margin():
    plan, responses = measured()
    mean = 128 / 255
    red = np.intersect1d(plan.removed, [0, 2])
    effects, others = responses.effects(0), responses.effects(1)
    deletion, insertion = effects["effect_deletion"], effects["effect_insertion"]
    assert deletion[red].tolist() == pytest.approx([0.5 - mean / 2] * len(red))
    np.testing.assert_allclose(others["effect_deletion"][red], -deletion[red])  # of two classes
    assert insertion[red].tolist() == pytest.approx([0.5 - mean / 2] * len(red), abs=1e-6)
    black = np.intersect1d(plan.removed, [1, 3])
    assert len(black)
    assert deletion[black].tolist() == pytest.approx([-mean / 2] * len(black))


def test_regions_are_counted_clip_by_clip_and_at_once_where_they_were_kept():
    steps, again, kept = Steps(), Steps(), []

    def keep(_videos, _asked, make):
        kept.append(make())
        return kept[0]

    measured(keep, steps, per_concept=2)
    assert steps.told == [2, 2]  # two clips
    measured(lambda *_: kept[0], again, per_concept=2)
    assert again.told == [4]


def test_regions_that_were_not_forwarded_have_no_effect_value():
    plan, responses = measured()
    others = np.setdiff1d(np.arange(4), plan.removed)
    effects = responses.effects(0)
    assert np.isnan(effects["effect_deletion"][others]).all()
    assert np.isfinite(effects["region_effect"][plan.removed]).all()


# CAVs and the gate ------------------------------------------------------------------------------


def test_a_halo_keeps_nothing_and_an_object_all():
    rng = np.random.default_rng(0)
    feature = np.array([4.0, 0.0, 0.0])
    nothing = 0 * feature
    pooled, alone = rng.normal(scale=0.1, size=(2, 40, 3))
    pooled += np.repeat([feature, feature, nothing, nothing], 10, axis=0)
    alone += np.repeat([feature, nothing, nothing, nothing], 10, axis=0)
    negatives = np.arange(20, 40)
    kept, lost = (
        retention(
            pooled.astype(np.float32),
            alone.astype(np.float32),
            rows,
            negatives,
            num_members=8,
            distance=np.zeros(40, dtype=np.float32),
        )
        for rows in (np.arange(10), np.arange(10, 20))
    )
    assert kept == pytest.approx(1, abs=0.1)
    assert lost == pytest.approx(0, abs=0.1)


def test_single_members_that_lost_their_feature_are_told_from_those_that_kept_it():
    pooled = np.zeros((12, 2), dtype=np.float32)
    pooled[:6, 0] = 2.0  # members
    alone = pooled.copy()
    alone[[4, 5], 0] = [0.5, -1.0]  # two of them borrowed their feature
    members, negatives = np.arange(4), np.arange(6, 12)
    kept = member_retention(pooled, alone, members, negatives, np.arange(6))
    assert kept.tolist() == pytest.approx([1, 1, 1, 1, 0.25, -0.5])
    # what counterexamples that stand alone have too is no feature
    shifted = member_retention(pooled, alone + 7, members, negatives, np.arange(6))
    assert shifted.tolist() == pytest.approx(kept.tolist())
    assert np.isnan(member_retention(pooled, alone, negatives, members, np.arange(2))).sum() == 0
    assert np.isnan(member_retention(alone * 0, alone, members, negatives, np.arange(2))).all()


def test_a_left_out_group_does_not_shape_its_own_direction():
    rng = np.random.default_rng(0)
    features = rng.normal(scale=0.05, size=(30, 2)).astype(np.float32)
    features[:10, 0] += 1  # members of group a
    features[10:20, 1] += 1  # members of group b
    regions = pd.DataFrame({"video": ["a"] * 10 + ["b"] * 10 + list("cdefghijkl")})
    regions["group"] = regions["video"]
    fitted = fit_concept_cavs(
        features,
        regions,
        {3: np.arange(20)},
        np.arange(20, 30),
        CavOptions(num_accuracy_permutations=19),
        train=frozenset("ab"),
        leave_one_out=True,
        seed=0,
    )[3]
    np.testing.assert_allclose(fitted.directions("a")[0], [0, 1], atol=0.1)
    np.testing.assert_allclose(fitted.directions("b")[0], [1, 0], atol=0.1)
    np.testing.assert_allclose(fitted.cav.mean_direction, [0.707, 0.707], atol=0.1)


# Verdicts ----------------------------------------------------------------------------------------


def judged(p, **columns):
    row = {
        "concept": 0,
        "kept": True,
        "reason": "",
        "retention": 0.9,
        "cav_accuracy": 0.9,
        "cav_accuracy_p": 0.01,
    }
    table = pd.DataFrame([{**row, **columns}])
    return judge_concepts(table, {0: p}, ScoreOptions(), CavOptions()).iloc[0]


def test_a_concept_that_passes_every_gate_is_accepted():
    verdict = judged(0.001)
    assert (verdict["status"], verdict["reason"], verdict["q_value"]) == ("accepted", "", 0.001)


def test_limits_are_those_that_are_still_good_enough():
    assert judged(0.05, retention=0.35, cav_accuracy_p=0.05)["status"] == "accepted"


@pytest.mark.parametrize(
    ("p", "columns", "status", "reason"),
    [
        (0.001, {"kept": False, "reason": "in 1 of 6 videos, needs 3"}, "rejected", "in 1 of 6"),
        (0.001, {"retention": 0.2}, "context", "20 % of its feature is left .* needs 35 %"),
        (0.001, {"retention": NAN}, "context", "nothing of its feature"),
        (0.001, {"cav_accuracy": 0.52, "cav_accuracy_p": 0.4}, "rejected", r"accuracy 0.52 .*p = 0.400"),
        (0.2, {}, "not_significant", "q = 0.200, above 0.05"),
        (NAN, {}, "rejected", "no member in the videos that score"),
    ],
)
def test_each_gate_names_its_reason(p, columns, status, reason):
    verdict = judged(p, **columns)
    assert verdict["status"] == status
    assert re.search(reason, verdict["reason"])


def test_a_kept_concept_without_a_direction_is_rejected():
    row = {
        "concept": 4,
        "kept": True,
        "reason": "",
        "retention": NAN,
        "cav_accuracy": NAN,
        "cav_accuracy_p": NAN,
    }
    verdict = judge_concepts(pd.DataFrame([row]), {}, ScoreOptions(), CavOptions()).iloc[0]
    assert (verdict["status"], verdict["reason"]) == (
        "rejected",
        "no member in the videos that fit its direction",
    )


def test_concepts_are_sorted_by_status_then_score():
    table = pd.DataFrame(
        {
            "concept": [0, 1, 2, 3],
            "status": ["rejected", "accepted", "context", "accepted"],
            "region_effect": [9.0, 1.0, 3.0, 2.0],
        }
    )
    assert sort_concepts(table, "region_effect")["concept"].tolist() == [3, 1, 2, 0]
