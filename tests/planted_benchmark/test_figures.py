import numpy as np
import pandas as pd
import pytest

from ace3d_fast.planted_benchmark.figures import at_least, at_most, auroc_figure, figure, gap_figures
from ace3d_fast.planted_benchmark.table import all_figures


def test_every_network_counts_the_same_however_many_values_it_has():
    values, networks = pd.Series([1.0, 1.0, 1.0, 0.0]), pd.Series([0, 0, 0, 1])
    found = figure("hits", "ours", values, networks, at_least(0.6), "classes")
    assert found.value == 0.5
    assert found.low == 0
    assert found.high == 1
    assert found.met is False
    assert found.unit == "4 classes"


def test_the_interval_of_one_network_is_over_what_was_counted():
    found = figure("hits", "ours", pd.Series([1.0, 0.0, 1.0, 1.0]), pd.Series([7] * 4))
    assert found.value == 0.75
    assert found.low < 0.75 < found.high


def test_one_value_has_no_interval():
    found = figure("hits", "ours", pd.Series([0.01]), pd.Series([0]), at_most(0.05))
    assert found.met is True
    assert np.isnan(found.low)
    assert np.isnan(found.high)


def test_a_bar_is_neither_met_nor_missed_where_nothing_was_measured():
    found = figure("hits", "ours", pd.Series([], dtype=float), pd.Series([], dtype=int), at_least(0.9))
    assert np.isnan(found.value)
    assert found.met is None


def test_auroc_ranks_within_each_class_and_leaves_out_classes_without_both_kinds():
    rows = pd.DataFrame(
        {
            "seed": 0,
            "class_name": ["a", "a", "a", "b", "b", "c"],
            "causal": [True, False, False, True, False, False],
            "score": [2.0, 1.0, 3.0, 0.1, 0.0, 9.0],
        }
    )
    found = auroc_figure("AUROC", "ours", rows, "score", ["seed", "class_name"])
    assert found.value == pytest.approx((0.5 + 1.0) / 2)
    assert found.unit == "2 classes"
    whole = auroc_figure("AUROC", "ours", rows, "score", ["seed"])
    assert whole.value == pytest.approx(3 / 8)  # 2.0 beats two of the four others, 0.1 one


def curve_rows(top, random, area):
    row = {"seed": 0, "class_name": "a", "fill": "mean", "top": top, "random": random, "least": 0.0}
    return [{**row, "video": f"v{i}", "area_matched": area} for i in range(6)]


def test_a_gap_has_to_be_large_and_of_the_right_sign():
    adding = [{**row, "curve": "ssc", "k": 1} for row in curve_rows(0.9, 0.4, 0.5)]
    removing = [{**row, "curve": "sdc", "k": 1} for row in curve_rows(0.9, 0.4, 0.5)]
    found = {f.name: f for f in gap_figures(pd.DataFrame(adding + removing), "mean")}
    added = found["SSC, top minus random, k = 1, fill mean"]
    assert added.value == pytest.approx(0.5)
    assert added.met is True
    removed = found["SDC, random minus top, k = 1, fill mean"]  # the top is still recognised
    assert removed.value == pytest.approx(-0.5)
    assert removed.met is False
    assert found["SSC, top minus area-matched, k = 1, fill mean"].value == pytest.approx(0.4)


def test_false_positives_are_counted_at_their_level():
    rows = pd.DataFrame(
        {"seed": 0, "p_effect": [0.04, 0.06, 0.5, 1.0], "p_raw": [1.0] * 4, "q_effect": 0.2, "q_raw": 1.0}
    )
    found = all_figures({"nulls": rows})
    assert [f.value for f in found] == [0.25, 0.0, 0.0, 0.0]
    assert [f.met for f in found] == [False, True, True, True]


def test_scores_that_agree_only_after_the_gate():
    rows = pd.DataFrame(
        {
            "seed": 0,
            "vocabulary": "class",
            "pooled": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            "masked": [1.0, 2.0, 3.0, 0.0, -1.0, -2.0],
            "stands": [True] * 3 + [False] * 3,
        }
    )
    before, after = all_figures({"pooled": rows})
    assert before.value < 0
    assert after.value == pytest.approx(1.0)
    assert after.met is True


def test_a_peer_is_compared_on_the_networks_that_both_scored():
    rows = pd.DataFrame({"class_name": "a", "causal": [True, False] * 2, "seed": [0, 0, 1, 1]})
    concepts = rows.assign(
        region_effect=[1.0, 0.0, 1.0, 0.0], primitive="a", status="accepted", stands_for="a", purity=1.0
    )
    concepts = concepts.assign(raw_times_retention=0.0, tcav_sign=0.0, tcav_magnitude=0.0, purity_of_all=1.0)
    captum = rows[rows["seed"] == 0].assign(sign_count=[0.5, 0.5], magnitude=[2.0, 1.0], accepted=True)
    found = {f.name: f for f in all_figures({"concepts": concepts, "captum": captum})}
    sign = found["AUROC within a class, region effect minus that of Captum TCAV, sign"]
    assert (sign.value, sign.met, sign.unit) == (0.5, True, "1 networks")
    magnitude = found["AUROC within a class, region effect minus that of Captum TCAV, magnitude"]
    assert (magnitude.value, magnitude.met) == (0.0, False)
