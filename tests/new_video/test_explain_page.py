"""``explain.html`` in a real browser."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from browser import DESK, PHONE, fits_the_width, opened, serious_faults, until
from small_run import TARGET

from ace3d_fast import RunFolder, explain_video
from ace3d_fast.names import write_names
from ace3d_fast.new_video.learned import LearnedConcepts
from ace3d_fast.new_video.page import strongest, timeline_figure
from ace3d_fast.new_video.totals import Totals


@pytest.fixture
def copied_run(few_run, tmp_path) -> RunFolder:
    folder = tmp_path / "copy"
    shutil.copytree(few_run.path, folder, ignore=shutil.ignore_patterns("explained", "clips"))
    return RunFolder.open(folder)


SECONDS = "document.getElementById('player').currentTime"


@pytest.fixture(scope="module")
def path(few_run, mixed_video, tmp_path_factory):
    return explain_video(mixed_video, few_run, out=tmp_path_factory.mktemp("page") / "mixed").page_path


def wait_for_player(page):
    until(page, "document.getElementById('player').readyState >= 2")


def test_the_page_stands_alone_and_names_are_text(browser, path):
    alone = path.parent / "moved" / "page.html"
    alone.parent.mkdir()
    alone.write_bytes(path.read_bytes())
    with opened(browser, alone) as page:
        wait_for_player(page)
        assert page.text_content("h1") == "mixed <b>video.mp4"
        assert page.query_selector("h1 b") is None
        assert page.evaluate("document.getElementById('player').duration") == pytest.approx(17, abs=0.2)


def test_a_click_on_the_timeline_shows_that_moment(browser, path):
    with opened(browser, path) as page:
        wait_for_player(page)
        page.wait_for_selector(".chart .nsewdrag")
        chart = page.locator(".chart")
        chart.scroll_into_view_if_needed()
        axis = "document.querySelector('.chart')._fullLayout.xaxis"
        left, width = page.evaluate(f"[{axis}._offset, {axis}._length]")
        chart.click(position={"x": left + 0.75 * width, "y": 150})
        assert page.evaluate(SECONDS) == pytest.approx(0.75 * 17, abs=0.3)
        assert page.evaluate("document.getElementById('player').paused")
        until(page, "document.querySelector('.chart').layout.shapes?.[0]?.x0 > 12")


def test_little_effects_stay_pale(few_run):
    largest = few_run.concepts["region_effect"].abs().max()
    learned = LearnedConcepts.of(few_run)
    for value, limit in ((0.01, largest), (-2 * largest, 2 * largest), (np.nan, largest)):
        totals = Totals({0: "accepted"}, "logit_drop")
        totals.effects.add(np.array([value], np.float32), 2.0)
        totals.areas.add(np.array([0.5], np.float32), 2.0)
        totals.probability.add(np.array([0.5], np.float32), 2.0)
        heat = timeline_figure(totals, learned)["data"][0]
        assert (heat["zmin"], heat["zmax"]) == pytest.approx((-limit, limit))


def test_a_run_that_accepted_nothing_is_no_verdict_on_the_video():
    seen = SimpleNamespace(concept=0, status="context", moments=[(1.6, 2.0)])
    totals = SimpleNamespace(concepts=[seen], effect="logit_drop")
    none, other = (SimpleNamespace(statuses={0: "context", 1: status}) for status in ("rejected", "accepted"))
    assert strongest(totals, none).startswith("The run accepted no concept")
    assert (
        strongest(totals, other) == "No accepted concept of the run raises the logit anywhere in this video."
    )


def test_a_moment_of_the_table_is_a_button(browser, path):
    with opened(browser, path) as page:
        wait_for_player(page)
        button = page.locator("tr", has_text="accepted").locator(".moment").first
        button.focus()
        page.keyboard.press("Enter")
        start = float(button.get_attribute("data-seconds"))
        assert start in (2.0, 4.0, 10.0)
        assert page.evaluate(SECONDS) == pytest.approx(start, abs=0.1)


def test_names_that_were_given_are_shown(few_run, copied_run, mixed_video, tmp_path):
    concept = int(few_run.concepts["concept"].iloc[0])
    write_names(copied_run.path, copied_run.key, {concept: "<i>checker</i>"})
    page = explain_video(mixed_video, copied_run.path, out=tmp_path / "named", num_removed=0).page_path
    assert f"&lt;i&gt;checker&lt;/i&gt; ({concept})" in page.read_text()
    assert "<i>checker" not in page.read_text()


@pytest.mark.parametrize(("size", "scheme"), [(DESK, "light"), (DESK, "dark"), (PHONE, "light")])
def test_it_fits_the_screen_and_follows_dark(browser, path, size, scheme):
    with opened(browser, path, size=size, scheme=scheme) as page:
        page.wait_for_selector(".chart .nsewdrag")
        assert fits_the_width(page)
        assert serious_faults(page) == []
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == {"light": "rgb(246, 247, 249)", "dark": "rgb(18, 20, 24)"}[scheme]
        assert TARGET in page.text_content(".verdict")
