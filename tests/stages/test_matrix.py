import numpy as np
import pandas as pd
import pytest

from ace3d_fast.config import EvaluationOptions, RunOptions, ScoreOptions
from ace3d_fast.learn.scores import ClassGradients
from ace3d_fast.stages.matrix import MATRIX_COLUMNS, SharedConcept, score_matrix
from ace3d_fast.types import Cav, ClipSampling, ConceptCav, Normalization

OPTIONS = RunOptions(
    ("videos",),
    "a",
    "net",
    "layer",
    ClipSampling(2, 1.0, 8, 8),
    Normalization((0.0,) * 3, (1.0,) * 3),
    scores=ScoreOptions(num_permutations=199),
    evaluation=EvaluationOptions(num_bootstrap=200),
)
NUM_VIDEOS, PER_VIDEO = 8, 12


def matrix(retention=(0.9, 0.9), accuracy_p=0.005):
    """Concept 0 (the first two regions of each video) raises the margin of class a, concept 1 that of b."""
    rng = np.random.default_rng(0)
    num_rows = NUM_VIDEOS * PER_VIDEO
    regions = pd.DataFrame(
        {
            "video": np.repeat([f"v{i}" for i in range(NUM_VIDEOS)], PER_VIDEO),
            "num_voxels": rng.integers(90, 110, num_rows),
        }
    )
    place = np.arange(num_rows) % PER_VIDEO
    rows = {0: np.flatnonzero(place < 2), 1: np.flatnonzero((place >= 2) & (place < 4))}
    features = rng.normal(scale=0.1, size=(num_rows, 2)).astype(np.float32)
    features[rows[0], 0] += 1
    features[rows[1], 1] += 1
    effects = {}
    for c, name in enumerate("ab"):
        effect = rng.normal(scale=0.1, size=num_rows).astype(np.float32)
        effect[rows[c]] += 2
        kinds = {"region_effect": effect, "effect_deletion": effect - 1, "effect_insertion": effect + 1}
        effects[name] = kinds
    videos = np.array(["w0", "w1"], dtype=object)
    slopes = {
        name: ClassGradients(videos, videos, np.eye(2, dtype=np.float32)[[c, c]] * 3, 1.0)
        for c, name in enumerate("ab")
    }
    concepts = {}
    for c, members in rows.items():
        direction = np.eye(2, dtype=np.float32)[c][None] * 2 - 1  # towards its own axis, away from the other
        cav = Cav(direction / np.sqrt(2, dtype=np.float32), np.zeros(1, np.float32), 0.9, accuracy_p)
        others = np.setdiff1d(np.arange(num_rows), members)
        concepts[c] = SharedConcept(members, others, ConceptCav(cav, {}), retention[c])
    table = score_matrix(concepts, regions, features, effects, np.arange(num_rows), slopes, OPTIONS)
    return table.set_index(["concept", "class_name"])


def test_each_concept_is_accepted_for_its_own_class_alone():
    found = matrix()
    assert found["status"].to_dict() == {
        (0, "a"): "accepted",
        (1, "b"): "accepted",
        (0, "b"): "not_significant",
        (1, "a"): "not_significant",
    }
    assert found.loc[(0, "a"), "region_effect"] == pytest.approx(2, abs=0.1)
    assert found.loc[(0, "a"), "low"] < 2.05 < found.loc[(0, "a"), "high"] + 0.1
    assert found.loc[(0, "a"), "effect_insertion"] == pytest.approx(3, abs=0.1)


def test_slopes_of_one_gradient_pass_score_every_class():
    found = matrix()
    assert found["tcav_sign"].to_dict() == {(0, "a"): 1, (0, "b"): 0, (1, "a"): 0, (1, "b"): 1}
    # (mean of members - mean of others) . (3, 0), times the retention
    assert found.loc[(0, "a"), "raw_times_retention"] == pytest.approx(3 * 0.9, abs=0.3)
    assert found.loc[(1, "a"), "raw_times_retention"] < 0


def test_all_cells_form_one_family():
    found = matrix()
    p = found["p_value"].to_numpy()
    assert (found["q_value"] >= p).all()
    assert found["q_value"].min() == pytest.approx(p.min() * 4 / 2)  # two of four cells have the least p


def test_gates_come_before_significance():
    found = matrix(retention=(0.2, 0.9))
    assert found.loc[0, "status"].tolist() == ["context", "context"]  # for whatever class
    assert matrix(accuracy_p=0.2)["status"].tolist() == ["rejected"] * 4


def test_columns_are_those_documented_and_the_largest_effect_comes_first():
    found = matrix().reset_index()
    assert found.columns.tolist() != []
    assert set(found.columns) == set(MATRIX_COLUMNS)
    assert (np.diff(found["region_effect"]) <= 0).all()
