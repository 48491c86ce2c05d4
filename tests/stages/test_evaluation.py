from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from toys import halves_clip, halves_table, red_network

from ace3d_fast.config import EvaluationOptions
from ace3d_fast.evaluation import some_clips
from ace3d_fast.models.probe import Probe
from ace3d_fast.stages.evaluation import evaluate_concepts
from ace3d_fast.types import SilentProgress

OPTIONS = EvaluationOptions(num_random_orders=6, num_area_draws=4, num_bootstrap=200)


def curves(ranking, num_videos=4, options=OPTIONS):
    """Concept 0 is the red half, concept 1 the black one; class 0 wins where red fills over a quarter."""
    clips = {f"v{i}": halves_clip(f"v{i}", red=200) for i in range(num_videos)}
    regions = pd.concat([halves_table(c, i) for i, c in enumerate(clips.values())], ignore_index=True)
    table = pd.DataFrame({"clip_id": range(num_videos), "video": list(clips), "clip": 0})
    found = evaluate_concepts(
        ranking,
        regions.assign(concept=[0, 1] * num_videos),
        table,
        Probe(red_network(), 2),
        lambda video, _: clips[video],
        0,
        options,
        seed=0,
        progress=SilentProgress(),
    )
    return found.table(options.num_bootstrap, 0).set_index(["curve", "order", "k"])


def test_curves_start_at_the_fill_and_at_the_whole_clip():
    found = curves([0, 1])
    mean = 100 / 255
    assert found.loc[("ssc", "top", 0), "logit"] == pytest.approx(mean)
    assert found.loc[("sdc", "top", 0), "logit"] == pytest.approx(100 / 255)


def test_the_top_concept_added_raises_the_logit_and_removed_lowers_it():
    found = curves([0, 1])
    assert found.loc[("ssc", "top", 1), "logit"] == pytest.approx((200 + 100) / 2 / 255)
    assert found.loc[("ssc", "least", 1), "logit"] == pytest.approx(50 / 255)
    assert found.loc[("sdc", "top", 1), "logit"] == pytest.approx(50 / 255)
    assert found.loc[("sdc", "top", 1), "accuracy"] == 0
    assert found.loc[("sdc", "least", 1), "accuracy"] == 1


def test_orders_meet_when_all_concepts_are_used():
    found = curves([0, 1])
    last = found.xs(2, level="k")["logit"].unstack("order")
    np.testing.assert_allclose(last["top"], last["least"])
    np.testing.assert_allclose(last["top"], last["random"])


def test_gaps_favour_the_better_order_and_hold_their_interval():
    found = curves([0, 1])
    top = found.loc[("sdc", "top", 1)]
    random = found.loc[("sdc", "random", 1), "accuracy"]
    assert top["gap"] == pytest.approx(random - top["accuracy"])
    assert top["gap"] > 0
    assert top["gap_low"] <= top["gap"] <= top["gap_high"]
    assert found.loc[("sdc", "random", 1), "gap"] == 0


def test_the_reversed_ranking_swaps_top_and_least():
    forward, backward = curves([0, 1]), curves([1, 0])
    np.testing.assert_allclose(
        forward.xs("top", level="order")["accuracy"], backward.xs("least", level="order")["accuracy"]
    )


def test_clips_that_only_one_order_gets_right_decide_mcnemar():
    found = curves([0, 1], num_videos=6)
    # alone, the red half is right everywhere, and so is any single half-clip of the same area that is red
    assert 0 < found.loc[("ssc", "top", 1), "mcnemar_p"] <= 1
    assert found.loc[("ssc", "area_matched", 1), "mcnemar_p"] == 1
    assert found.loc[("sdc", "top", 0), "mcnemar_p"] == 1


def test_no_concepts_no_curves():
    assert curves([]).empty


def test_of_many_clips_one_of_each_of_many_videos_is_evaluated():
    clips = pd.DataFrame([(f"v{v}", c) for v in range(10) for c in range(2)], columns=["video", "clip"])
    assert some_clips(clips, 20, seed=0) is clips
    some = some_clips(clips, 8, seed=0)
    assert some["video"].nunique() == len(some) == 8
    assert some.index.is_monotonic_increasing
    assert set(some["clip"]) == {0, 1}
    assert some_clips(clips, 15, seed=0)["video"].value_counts().tolist() == [2] * 5 + [1] * 5


def test_many_clips_share_the_random_orders():
    assert EvaluationOptions().draws(8) == (20, 5)
    assert EvaluationOptions().draws(30) == (6, 2)
    assert EvaluationOptions().draws(0) == (20, 5)
    shared = replace(OPTIONS, clips_per_order=2)
    assert shared.draws(4) == (3, 2)
    # equal clips: each of six orders drawn by two of four clips is as good as drawn by all
    alone, together = (curves([0, 1], options=o).xs("random", level="order") for o in (OPTIONS, shared))
    assert alone.loc[("ssc", 1), "logit"] != alone.loc[("ssc", 2), "logit"]
    np.testing.assert_allclose(together["logit"], alone["logit"])
