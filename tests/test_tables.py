from math import isnan

import pandas as pd

from ace3d_fast.learn.scores import Score
from ace3d_fast.stages.scores import Scored
from ace3d_fast.tables import score_table


def test_only_the_score_that_was_tested_has_a_q():
    scores = {name: Score(1.0, p_value=0.001) for name in ("region_effect", "effect_deletion", "raw_score")}
    scored = Scored({3: scores}, {3: 0.001}, "region_effect", 0.0)
    judged = pd.DataFrame({"concept": [3], "q_value": [0.02]})
    q = score_table(scored, judged, "waving").set_index("score")["q_value"]
    assert q["region_effect"] == 0.02
    assert isnan(q["effect_deletion"])  # of the same p, by chance
    assert isnan(q["raw_score"])
