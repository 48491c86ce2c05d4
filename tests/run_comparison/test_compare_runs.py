"""Two runs compared: on runs that are equal, renumbered, of other clips, and on planted videos."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from browser import DESK, PHONE, fits_the_width, opened, serious_faults, until
from sample_run import CONCEPTS, SAMPLING, make_run
from typer.testing import CliRunner

from ace3d_fast.cli.app import app
from ace3d_fast.errors import InputError
from ace3d_fast.run_comparison import compare_runs
from ace3d_fast.run_comparison.compare import COLUMNS
from ace3d_fast.run_comparison.page import write_comparison
from ace3d_fast.run_comparison.similarity import voxel_overlap
from ace3d_fast.store import RunFolder
from ace3d_fast.types import Clip, SegmentedClip


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / "a")


def altered(run: RunFolder, path, **tables) -> RunFolder:
    """A copy of ``run`` in which functions change tables and the configuration."""
    shutil.copytree(run.path, path)
    copy = RunFolder(path)
    for name, change in tables.items():
        if name == "config":
            copy.write_json("config.json", change(run.config))
        else:
            copy.write_table(name, change(getattr(run, name).copy()))
    return RunFolder.open(path)


def test_a_run_is_like_itself(run, tmp_path):
    found = compare_runs(run, run.path)
    assert found.method == "voxels"
    assert found.num_videos == 6
    pairs = found.pairs
    assert pairs.columns.tolist() == COLUMNS
    present = pairs[pairs["similarity"].notna()]  # the fourth concept of the sample has no region
    assert (present["concept_a"] == present["concept_b"]).all()
    assert present["similarity"].tolist() == [1.0, 1.0, 1.0]
    assert present["change"].tolist() == ["kept", "same", "same"]
    assert present["difference"].iloc[0] == 0


def renumber(table: pd.DataFrame) -> pd.DataFrame:
    swap = {4: 0, 0: 4}
    return table.assign(concept=table["concept"].replace(swap))


def test_numbers_of_concepts_mean_nothing(run, tmp_path):
    other = altered(run, tmp_path / "b", regions=renumber, concepts=renumber, scores=renumber)
    pairs = compare_runs(run, other).pairs.set_index("concept_a")
    assert pairs.loc[4, "concept_b"] == 0
    assert pairs.loc[4, "similarity"] == 1.0
    assert pairs.loc[4, "change"] == "kept"


def test_a_verdict_that_changed_is_told(run, tmp_path):
    def judge(table):
        return table.assign(
            status=table["status"].replace({"accepted": "context", "not_significant": "accepted"})
        )

    pairs = compare_runs(run, altered(run, tmp_path / "b", concepts=judge)).pairs.set_index("concept_a")
    assert pairs.loc[4, "change"] == "lost"
    assert pairs.loc[0, "change"] == "gained"
    assert pairs.loc[4, "status_b"] == "context"


def test_a_concept_without_a_match_appears_or_vanishes(run, tmp_path):
    def without(table):
        return table[table["concept"] != 0]

    def unnamed(table):
        return table.assign(concept=table["concept"].replace({0: -1}))

    less = altered(run, tmp_path / "b", concepts=without, regions=unnamed)
    pairs = compare_runs(run, less).pairs
    assert pairs.loc[pairs["concept_a"] == 0, "change"].tolist() == ["vanished"]
    back = compare_runs(less, run).pairs
    assert back.loc[back["concept_b"] == 0, "change"].tolist() == ["appeared"]
    assert back.loc[back["concept_b"] == 0, "concept_a"].tolist() == [-1]


def test_the_change_of_a_score_has_an_interval_over_videos(run, tmp_path):
    rng = np.random.default_rng(0)
    videos = sorted(set(run.regions["video"]))
    shift = dict(zip(videos, 1 + rng.normal(scale=0.1, size=len(videos)), strict=True))

    def stronger(table):
        more = table["video"].map(shift)
        return table.assign(
            effect_deletion=table["effect_deletion"] + more, effect_insertion=table["effect_insertion"] + more
        )

    row = compare_runs(run, altered(run, tmp_path / "b", regions=stronger)).pairs.iloc[0]
    assert row["concept_a"] == CONCEPTS[0]
    assert row["difference"] == pytest.approx(np.mean(list(shift.values())))
    assert 0.8 < row["difference_low"] < row["difference"] < row["difference_high"] < 1.2
    assert row["num_videos"] == 6


def test_overlap_is_counted_where_both_look(tmp_path):
    """One run sees the whole square at 2.5 frames a second, the other the middle of it at twice the rate."""
    first = make_run(tmp_path / "a", num_videos=1)
    clips = [first.read_clip("waving/v0.mp4", index) for index in range(2)]
    cut = [
        SegmentedClip(
            Clip(
                clip.clip.video,
                clip.clip.index,
                clip.clip.start_seconds,
                clip.clip.frames[:, 12:36, 12:36].repeat_interleave(2, dim=0),
                2 * SAMPLING.stride,
            ),
            clip.labels[:, :, 12:36, 12:36].repeat_interleave(2, dim=1),
            clip.num_regions,
        )
        for clip in clips
    ]
    second = make_run(tmp_path / "b", clips=cut)
    config = second.config
    config["sampling"] |= {"crop_px": 24}
    second.write_json("config.json", config)
    second = RunFolder.open(second.path)
    video = [("waving/v0.mp4", "waving/v0.mp4")]
    both = voxel_overlap(first, second, video)
    assert np.diag(both)[:3] == pytest.approx(np.ones(3), abs=0.06)
    assert (both - np.diag(np.diag(both)))[:3, :3].max() < 0.06


def test_without_shared_videos_centres_decide(run, tmp_path):
    other = make_run(tmp_path / "b", target_class="jumping")
    found = compare_runs(run, other)
    assert (found.method, found.num_videos) == ("centers", 0)
    assert found.pairs["similarity"].tolist() == [1.0] * 4
    assert (found.pairs["concept_a"] == found.pairs["concept_b"]).all()
    assert found.pairs["difference_low"].isna().all()


def test_runs_that_share_nothing_are_refused(run, tmp_path):
    other = altered(
        make_run(tmp_path / "b", target_class="jumping"),
        tmp_path / "c",
        config=lambda config: {**config, "layer": "blocks.3"},
    )
    with pytest.raises(InputError, match="that share explained videos or a layer") as caught:
        compare_runs(run, other)
    assert "run both on the same videos" in str(caught.value)


def test_real_runs_find_the_checker_again(few_run, planted, few_videos, tmp_path):
    """Other concepts of the same regions: the one that shows the class is matched with itself."""
    from sklearn.cluster import KMeans

    mine = few_run.regions["concept"] >= 0
    boxes = few_run.regions.loc[mine, ["num_voxels", "y0", "x0", "distance"]].to_numpy()
    best = int(few_run.concepts["concept"].iloc[0])
    other = 1 + KMeans(4, n_init=1, random_state=0).fit_predict(boxes)
    own = few_run.regions.loc[mine, "concept"].to_numpy() == best

    def recluster(table):
        concept = table["concept"].to_numpy().copy()
        concept[mine.to_numpy()] = np.where(own, 0, other)
        return table.assign(concept=concept)

    changed = altered(
        few_run,
        tmp_path / "b",
        regions=recluster,
        concepts=lambda table: table[:5].assign(concept=np.arange(5, dtype=np.int32)),
        scores=lambda table: table[:0],
    )
    first = compare_runs(few_run, changed).pairs.iloc[0]
    assert (first["concept_a"], first["concept_b"]) == (best, 0)
    assert first["similarity"] == pytest.approx(1.0)


@pytest.fixture
def html(run, tmp_path):
    def judge(table):
        return table.assign(status=table["status"].replace({"not_significant": "accepted"}))

    other = make_run(tmp_path / "<b>", target_class="waving")
    other = altered(other, tmp_path / "<c>", concepts=judge)
    return write_comparison(compare_runs(run, other), tmp_path / "change.html")


def test_both_sides_show_the_score_that_both_runs_have(run, tmp_path):
    def without_effects(config):
        return {**config, "scores": {**config["scores"], "measure_effects": False}}

    other = altered(run, tmp_path / "b", config=without_effects)
    path = write_comparison(compare_runs(run, other), tmp_path / "change.html")
    shown = re.findall(r"<p>([^<]+) <b>([^<]+)</b>", path.read_text(encoding="utf-8"))
    assert {name for name, _ in shown} == {"TCAV sign"}
    scored = run.concepts["tcav_sign"].dropna()
    assert sorted(value for _, value in shown) == sorted(2 * [f"{value:.2f}" for value in scored])


@pytest.mark.parametrize(("size", "scheme"), [(DESK, "dark"), (PHONE, "light")])
def test_the_page_shows_both_sides(browser, html, size, scheme):
    with opened(browser, html, size=size, scheme=scheme) as page:
        page.wait_for_selector(".chart .nsewdrag")
        assert fits_the_width(page)
        assert serious_faults(page) == []
        assert page.locator(".pair").count() == 5
        first = page.locator(".pair").first
        assert "accepted in both" in first.inner_text()
        assert first.locator("img").count() == 8
        until(page, "[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
        assert "<c>" in page.text_content("header")


def test_the_command_prints_pairs_and_writes_files(run, tmp_path):
    words = ["compare", str(run.path), str(run.path)]
    files = [tmp_path / name for name in ("c.csv", "c.json", "c.html")]
    for path in files:
        words += ["--out", str(path)]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0
    assert "6 videos in both" in result.output
    assert "accepted in both" in result.output
    assert "The change is the region effect in B minus that in A, averaged over the videos" in result.output
    assert all(path.is_file() for path in files)
    table = pd.read_csv(files[0])
    pairs = json.loads(files[1].read_text())["pairs"]
    assert table["concept_a"].tolist() == [pair["concept_a"] for pair in pairs]
    assert pairs[-1]["similarity"] is None or pairs[-1]["similarity"] > 0


@pytest.mark.parametrize(
    ("out", "message"),
    [("c.txt", "to end in .html, .csv or .json"), ("no/c.csv", "in a folder that is there")],
)
def test_files_that_cannot_be_written_are_refused_at_once(run, tmp_path, out, message):
    words = ["compare", str(run.path), str(run.path), "--out", str(tmp_path / out)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1
