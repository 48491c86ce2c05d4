"""A run to look at in a notebook: what is shown is what the tables hold."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image
from sample_run import CONCEPTS, STATUSES, make_matrix, make_run

from ace3d_fast import RunFolder, view_run
from ace3d_fast.errors import InputError, RunFolderError
from ace3d_fast.names import write_names

TARGET = "<b>waving"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = make_run(tmp_path_factory.mktemp("runs") / "run", target_class=TARGET)
    make_matrix(run)
    return RunFolder.open(run.path)


@pytest.fixture(scope="module")
def view(run):
    return view_run(run.path)


def pictures(html):
    sources = re.findall(r'src="data:image/webp;base64,([^"]+)"', html)
    return [Image.open(io.BytesIO(base64.b64decode(source))) for source in sources]


def test_concepts_come_in_the_order_of_the_table(view):
    assert [concept.concept for concept in view] == list(CONCEPTS)
    assert [concept.status for concept in view] == list(STATUSES)
    assert len(view) == 4


def test_the_table_holds_the_score_that_ranks_with_its_interval(view, run):
    table = view.table
    assert table.index.tolist() == list(CONCEPTS)
    assert table.columns.tolist()[:5] == ["name", "status", "region_effect", "low", "high"]
    scores = run.scores[(run.scores["concept"] == 4) & (run.scores["score"] == "region_effect")].iloc[0]
    assert (
        table.loc[4, ["region_effect", "low", "high"]].tolist() == scores[["value", "low", "high"]].tolist()
    )
    assert np.isnan(table.loc[1, "low"])  # rejected, never scored


def test_a_concept_is_told_in_a_line(view):
    assert repr(view[4]) == "Concept 4: accepted, region effect +2.00 [+1.25, +2.75], q 0.031"
    assert repr(view[2]) == "Concept 2: context, region effect \N{MINUS SIGN}0.50"
    assert repr(view[1]) == "Concept 1: rejected: held by 2 of 6 videos, at least 3 are needed"


def test_clips_loop_and_show_the_region(view):
    clips = view[4].clips(3, side_px=40)
    assert len(clips) == len(list(clips)) == 3
    shown = pictures(clips._repr_html_())
    assert [picture.size for picture in shown] == [(40, 40)] * 3
    assert all(picture.n_frames > 1 for picture in shown)
    first = np.asarray(shown[0].convert("RGB")).reshape(-1, 3).astype(int)
    assert ((first[:, 0] > 180) & (first[:, 1:].max(axis=1) < 90)).sum() > 20  # the red disc in its colour
    assert clips[0].video == f"{TARGET}/v0.mp4"
    assert "Gallery of 3 clips" in repr(clips)


def test_more_clips_than_examples_are_the_nearest_others(view, run):
    members = run.regions[run.regions["concept"] == 4]
    assert len(view[4].clips(1000, side_px=8)) == len(members)
    distances = view[4].regions["distance"].tolist()
    assert distances == sorted(distances)


def test_what_people_call_a_concept_is_shown(tmp_path):
    run = make_run(tmp_path / "run", target_class="waving")
    write_names(run.path, run.key, {4: "<i>disc"})
    view = view_run(RunFolder.open(run.path))
    assert view[4].name == "<i>disc"
    assert view.table["name"].tolist()[0] == "<i>disc"
    assert "<i>disc" not in view[4]._repr_html_()
    assert "&lt;i&gt;disc" in view[4]._repr_html_()


def test_the_run_is_shown_with_its_accepted_concepts(view):
    html = view._repr_html_()
    assert TARGET not in html
    assert "&lt;b&gt;waving" in html
    assert len(pictures(html)) == 4
    assert "Concept 4" in html
    assert "Concept 1" not in html
    assert repr(view).count("\n") == 4


def test_a_run_that_accepted_nothing_is_shown_with_its_first_concepts(tmp_path):
    run = make_run(tmp_path / "run")
    statuses = ["not_significant", "not_significant", "context", "rejected"]
    run.write_table("concepts", run.concepts.assign(status=statuses))
    html = view_run(RunFolder.open(run.path))._repr_html_()
    assert re.findall(r"Concept \d", html) == ["Concept 4", "Concept 0", "Concept 2"]


@pytest.mark.parametrize(
    ("plot", "title"),
    [
        (lambda view: view.plot_scores(), "Region effect of each concept"),
        (lambda view: view.plot_curve("sdc"), "SDC: removing concepts"),
        (lambda view: view.plot_matrix(), "Concepts and classes"),
    ],
)
def test_plots_are_those_of_the_report(view, plot, title):
    figure = plot(view)
    assert figure.layout.title.text == title
    assert len(figure.data) >= 1
    assert figure.layout.margin.t >= 60  # the title does not cover the legend


def test_the_chart_of_scores_holds_the_scores(view, run):
    traces = {trace.name: trace for trace in view.plot_scores().data}
    assert traces["accepted"].x == (float(run.concepts.loc[0, "region_effect"]),)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda view: view[99], r"concept one of \[0, 1, 2, 4\], got 99"),
        (lambda view: view[4].clips(0), "num of at least 1, got 0"),
        (lambda view: view[4].clips(side_px=0), "side_px of at least 1, got 0"),
        (lambda view: view.plot_curve("roc"), r"curve one of \('ssc', 'sdc'\), got 'roc'"),
        (lambda view: view.plot_randomised(), "run with controls=True, got one without"),
    ],
)
def test_what_is_not_there_is_told(view, wrong, told):
    with pytest.raises(InputError, match=told):
        wrong(view)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(RunFolderError, match=r"run folder of a complete run, got .* without config.json"):
        view_run(tmp_path)
