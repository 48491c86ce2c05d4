"""Players hold what a video shows, each concept over time, and no more bytes than they may."""

import base64
import io

import numpy as np
import pytest
from PIL import Image
from sample_run import make_run

from ace3d_fast.report import players
from ace3d_fast.report.neighbours import nearest_concepts
from ace3d_fast.report.players import make_players


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "waving", num_videos=3)


def picture(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))).convert("RGB"))


def test_the_strip_is_the_share_of_the_picture_a_concept_covers(run):
    (first, *_) = make_players(run, fps=7.5)
    trace = first.data["figure"]["data"][0]
    labels = np.concatenate([clip.labels.numpy() for clip in run.read_clips(first.video)], axis=1)[0]
    assert trace["y"] == ["Concept 4", "Concept 0", "Concept 2"]
    assert trace["z"][0] == pytest.approx([(frame == 0).mean() for frame in labels], abs=1e-3)
    assert np.sum(trace["z"], axis=0) == pytest.approx(1, abs=2e-3)  # disc, left and right fill the picture
    assert trace["x"][12] == 1.6  # the second clip begins there


def test_the_maps_give_each_pixel_its_concept(run):
    (first, *_) = make_players(run, fps=7.5)
    clip = first.data["clips"][1]
    numbers = picture(clip["maps"][0])
    concept = np.array(clip["concepts"][0])[numbers[..., 0] + 256 * numbers[..., 1].astype(int)]
    labels = run.read_clip(first.video, 1).labels[0].numpy().reshape(-1, 48)
    assert (concept == np.array([4, 0, 2])[labels]).all()
    assert picture(clip["frames"]).shape == (12 * 48, 48, 3)


def test_videos_that_do_not_fit_are_left_out(run):
    everything = make_players(run, fps=7.5)
    assert len(everything) == 3
    small = make_players(run, fps=7.5, max_bytes=everything[0].num_bytes + 100)
    assert [player.video for player in small] == [everything[0].video]


def test_a_few_videos_tell_that_not_all_fit(run, monkeypatch):
    everything = make_players(run, fps=7.5)
    made = []

    def counted(*given):
        made.append(given[-2])
        return _player(*given)

    _player = players._player
    monkeypatch.setattr(players, "NUM_SAMPLED", 1)
    monkeypatch.setattr(players, "_player", counted)
    small = make_players(run, fps=7.5, max_bytes=everything[0].num_bytes // 2)
    assert small == []
    assert made == [everything[0].video] * len(players.QUALITIES)
    made.clear()
    assert make_players(run, fps=7.5) == everything
    assert made == [player.video for player in everything]


def test_the_nearest_concepts_have_the_largest_cosines(run):
    nearest = nearest_concepts(run)
    assert [concept for concept, _ in nearest[4]] == [0, 2]
    assert nearest[4][0][1] == pytest.approx(0.5)
    assert 1 not in nearest  # it has no direction
