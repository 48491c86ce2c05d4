"""The report in a real browser: what a reader does with it, and that it stays one safe file."""

from __future__ import annotations

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import PHONE, fits_the_width, opened, until
from sample_run import make_matrix, make_run

from ace3d_fast.report import write_report
from ace3d_fast.store import RunFolder


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    run = make_run(tmp_path_factory.mktemp("run") / "waving")
    make_matrix(run)
    return write_report(RunFolder(run.path))


def shown(page):
    return page.eval_on_selector_all(
        ".card", "cards => cards.filter(c => !c.hidden).map(c => c.dataset.concept)"
    )


def ready(page):
    """Wait until the first video is decoded."""
    until(page, "document.getElementById('seek').max > 0")


def time_of(page):
    return page.text_content("#time")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_fault_of_accessibility(browser, report, scheme):
    with opened(browser, report, scheme=scheme) as page:
        ready(page)
        found = Axe().run(page).response["violations"]
        serious = [fault for fault in found if fault["impact"] in ("serious", "critical")]
        told = [(fault["id"], [node["html"][:150] for node in fault["nodes"]][:3]) for fault in serious]
        assert told == []


def test_a_phone_needs_no_sideways_scrolling(browser, report):
    with opened(browser, report, size=PHONE) as page:
        ready(page)
        assert fits_the_width(page)


def test_charts_are_drawn_and_the_matrix_has_a_cell_for_each_class(browser, report):
    with opened(browser, report) as page:
        for name in ("scores", "ssc", "sdc", "matrix", "strip"):
            assert page.locator(f"[data-figure={name}] .main-svg").count() > 0
        assert page.locator("[data-figure=matrix] .heatmap-label").count() == 4


def test_filters_leave_the_cards_that_fit(browser, report):
    with opened(browser, report) as page:
        assert shown(page) == ["4", "0", "2", "1"]
        page.select_option("#filter-sign", "-1")
        assert shown(page) == ["2"]
        page.select_option("#filter-sign", "")
        page.select_option("#filter-q", "0.05")
        assert shown(page) == ["4"]
        assert page.text_content("#shown") == "1 of 4 concepts"
        page.select_option("#filter-q", "")
        page.uncheck("input[value=accepted]")
        assert shown(page) == ["0", "2", "1"]
        page.check("input[value=accepted]")
        page.fill("#filter-text", "held BY 2")
        assert shown(page) == ["1"]


def test_a_link_to_a_card_that_is_filtered_away_shows_it(browser, report):
    with opened(browser, report) as page:
        page.fill("#filter-text", "retention .12")
        assert shown(page) == ["2"]
        page.click("#overview a[href='#concept-4']")
        until(page, "!document.getElementById('concept-4').hidden")
        assert page.input_value("#filter-text") == ""


def test_cards_are_sorted_and_what_was_not_computed_comes_last(browser, report):
    with opened(browser, report) as page:
        page.select_option("#sort", "size")
        assert shown(page) == ["4", "2", "0", "1"]
        page.select_option("#sort", "effect")
        assert shown(page) == ["4", "0", "2", "1"]
        page.select_option("#sort", "motion-dependence")
        assert shown(page)[:2] == ["4", "0"]
        page.select_option("#sort", "name")
        assert shown(page) == ["0", "1", "2", "4"]


def test_clips_pause_and_play_again(browser, report):
    with opened(browser, report) as page:
        assert page.locator("figure canvas").count() == 0
        page.click("#concept-4 .toggle")
        assert page.locator("#concept-4 figure canvas").count() == 8
        assert page.locator("#concept-0 figure canvas").count() == 0
        page.click("#pause")
        assert page.locator("figure canvas").count() == 24
        page.click("#pause")
        assert page.locator("figure canvas").count() == 0
        assert page.locator("figure img:visible").count() == 24


def test_who_wants_less_motion_gets_stills(browser, report):
    with opened(browser, report) as page:
        page.emulate_media(reduced_motion="reduce")
        page.reload()
        until(page, "document.querySelectorAll('figure canvas').length === 24")
        assert page.text_content("#pause") == "Play clips"


def test_a_click_on_the_strip_seeks_the_player_and_chooses_the_concept(browser, report):
    with opened(browser, report) as page:
        ready(page)
        page.locator("#strip").scroll_into_view_if_needed()
        before = page.evaluate("document.getElementById('player').toDataURL()")
        box = page.locator("#strip .nsewdrag").bounding_box()
        page.mouse.click(
            box["x"] + 0.75 * box["width"], box["y"] + 0.5 * box["height"]
        )  # second of three rows
        seconds = float(time_of(page).split()[0])
        assert seconds == pytest.approx(0.75 * 3.2, abs=0.2)
        pressed = page.eval_on_selector_all(
            "#overlays [aria-pressed=true]", "all => all.map(b => b.textContent)"
        )
        assert pressed == ["Concept 0"]
        assert page.evaluate("document.getElementById('player').toDataURL()") != before


def test_the_player_plays_and_the_slider_seeks_by_keys(browser, report):
    with opened(browser, report) as page:
        ready(page)
        page.focus("#seek")
        page.keyboard.press("ArrowRight")
        assert time_of(page) == "0.1 s"
        page.keyboard.press("End")
        assert time_of(page) == "3.1 s"
        page.click("#play")
        until(page, "document.getElementById('time').textContent !== '3.1 s'")  # it starts again
        page.click("#play")
        assert page.text_content("#play") == "Play"


def test_the_overlay_colours_the_regions_of_the_chosen_concept(browser, report):
    color = "() => { const c = document.getElementById('player'); const s = c.width / 48; "
    color += "return [...c.getContext('2d').getImageData(40 * s, 24 * s, 1, 1).data].slice(0, 3) }"
    with opened(browser, report) as page:
        ready(page)
        muted = page.evaluate(color)
        page.click("#overlays button:has-text('Concept 2')")  # the right part
        red, green, _ = page.evaluate(color)
        assert max(muted) - min(muted) < 12  # grey
        assert green - red > 30  # the concept's colour is green
        page.click("#overlays button:has-text('Concept 2')")
        assert page.evaluate(color) == muted


def test_an_example_leads_to_its_moment_in_the_video(browser, report):
    with opened(browser, report) as page:
        ready(page)
        link = page.locator("#concept-0 .moment-link").nth(3)
        video, seconds = link.get_attribute("data-video"), float(link.get_attribute("data-seconds"))
        assert seconds > 0
        link.click()
        until(page, f"document.getElementById('time').textContent === '{seconds:.1f} s'")
        assert page.evaluate("document.getElementById('video').selectedOptions[0].text") == video


def test_names_persist_and_are_shown_wherever_the_concept_is(browser, report):
    with opened(browser, report) as page:
        page.fill("#concept-4 input.name", "  red   disc ")
        page.press("#concept-4 input.name", "Enter")
        page.reload()
        ready(page)
        assert page.input_value("#concept-4 input.name") == "red disc"
        assert page.text_content("#overview td a[href='#concept-4']") == "red disc"
        ticks = page.eval_on_selector_all(
            "[data-figure=scores] .ytick text", "all => all.map(t => t.textContent)"
        )
        assert ticks[0] == "red disc"
        page.fill("#filter-text", "red disc")
        assert shown(page)[0] == "4"


def test_names_go_to_a_file_the_report_command_reads(browser, tmp_path):
    run = make_run(tmp_path / "run", num_videos=2)
    with opened(browser, write_report(run)) as page:
        page.fill("#concept-4 input.name", "<b>disc</b>")
        page.press("#concept-4 input.name", "Enter")
        with page.expect_download() as download:
            page.click("#export-names")
        assert download.value.suggested_filename == "names.json"
        download.value.save_as(run.path / "names.json")
    assert RunFolder(run.path).names == {4: "<b>disc</b>"}
    with opened(browser, write_report(RunFolder(run.path))) as page:  # a new browser: nothing is stored there
        assert page.input_value("#concept-4 input.name") == "<b>disc</b>"
        assert page.text_content("#overview td a[href='#concept-4']") == "<b>disc</b>"
        assert page.text_content("[data-figure=scores] .ytick") == "<b>disc</b>"


def test_names_of_another_run_are_not_loaded(browser, report, tmp_path):
    file = tmp_path / "names.json"
    with opened(browser, report) as page:
        key = json.loads(page.text_content("#page"))["run"]
        file.write_text(json.dumps({"run": "other", "names": {"4": "wrong"}}))
        page.set_input_files("#import-names", file)
        until(page, "document.getElementById('shown').textContent.includes('another run')")
        assert page.input_value("#concept-4 input.name") == ""
        file.write_text(json.dumps({"run": key, "names": {"4": "right"}}))
        page.set_input_files("#import-names", file)
        until(page, "document.querySelector('#concept-4 input.name').value === 'right'")


def test_labels_that_hold_scripts_are_text(browser, tmp_path):
    evil = "<b>b</b><script>document.title=1</script><img src=x onerror=document.title=1>"
    run = make_run(tmp_path / "run", target_class=evil, num_videos=2)
    make_matrix(run)
    names = {"run": run.key, "names": {"4": evil}}
    run.write_json("names.json", names)
    with opened(browser, write_report(RunFolder(run.path))) as page:
        ready(page)
        assert page.text_content("h1") == evil
        assert page.title().startswith("<b>b</b><script>")
        assert page.locator("main script, main img:not(figure img)").count() == 0
        assert page.input_value("#concept-4 input.name") == evil
        ticks = page.text_content("[data-figure=scores] .ytick")
        assert ticks.startswith("<b>b</b><script>")
        columns = page.eval_on_selector_all(
            "[data-figure=matrix] .xtick text", "all => all.map(t => t.textContent)"
        )
        assert evil in columns
        page.select_option("#video", "1")
        assert evil in page.evaluate("document.getElementById('video').selectedOptions[0].text")
