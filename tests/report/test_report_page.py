"""What the report says, that it is safe to open, and that it is one file."""

import re
from html.parser import HTMLParser

import pandas as pd
import pytest
from sample_run import make_run

from ace3d_fast.report import write_report
from ace3d_fast.store import RunFolder


class Page(HTMLParser):
    """The elements of a page, and the text of each ``article`` and of the whole."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.cards: dict[str, str] = {}
        self.text = ""
        self._open: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.elements.append((tag, values))
        if tag in ("article", "script", "style"):
            self._open.append((tag, values.get("id") or ""))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("dt", "dd", "td", "th"):
            self.handle_data(" ")
        if self._open and self._open[-1][0] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if any(tag in ("script", "style") for tag, _ in self._open):
            return
        self.text += data
        for tag, name in self._open:
            if tag == "article":
                self.cards[name] = self.cards.get(name, "") + data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "waving")


@pytest.fixture(scope="module")
def html(run):
    return write_report(run).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_the_verdict_names_class_accuracy_and_what_was_accepted(page):
    assert "The network recognises 88 % of 12 clips of waving (6 videos)." in words(page.text)
    assert "1 of 2 tested concepts accepted at q ≤ 0.05." in words(page.text)
    assert "Lowest q 0.031 accepted at q ≤ 0.05; p is 0.016 at least" in words(page.text)
    assert "Negative control not run" in words(page.text)
    assert "Split leave-one-out" in words(page.text)


def test_a_card_holds_the_scores_with_their_intervals(page):
    card = words(page.cards["concept-4"])
    for fact in (
        "Concept 4",
        "+2.00 region effect [+1.25, +2.75] · in 6 videos",
        "Effect of removal +1.50 [+0.75, +2.25]",
        "Effect alone +2.50 [+1.75, +3.25]",
        "p 0.016 q 0.031",
        "Retention 0.82",
        "Raw score \N{MULTIPLICATION SIGN} retention +0.0254",
        "TCAV sign 1.00 [-0.25, 1.25]".replace("-", "\N{MINUS SIGN}"),
        "TCAV magnitude +0.00123",
        "CAV accuracy 96 % p 0.005",
        "Motion dependence 0.75 [-0.25, 1.25] frozen +1.10, shuffled +1.20, reversed +0.40".replace(
            "-", "\N{MINUS SIGN}"
        ),
        "Prevalence 100 % of the class's clips",
        "Recurrence 0.88",
        "Nearest: Concept 0 cosine 0.50, Concept 2 cosine 0.00",
        "Regions, clips 24, 12",
    ):
        assert fact in card


def test_small_effects_have_the_decimals_they_need(tmp_path):
    run = make_run(tmp_path / "run")
    names = ["region_effect", "effect_deletion", "effect_insertion"]
    run.write_table("concepts", run.concepts.assign(**{name: run.concepts[name] / 1000 for name in names}))
    page = Page(write_report(RunFolder(run.path)).read_text(encoding="utf-8"))
    assert "+0.0020 region effect" in words(page.cards["concept-4"])
    assert "Effect of removal +0.0015" in words(page.cards["concept-4"])


def test_the_head_says_what_its_figures_are(page):
    head = words(page.text).partition("At a glance")[0]
    assert "Concept 4 +2.00 region effect accepted" in head
    assert "Concept 1 3 videos rejected" in head  # has no effect


def test_intervals_belong_to_the_explained_class(tmp_path):
    run = make_run(tmp_path / "run")
    scores = run.scores
    scores.loc[scores["class_name"] == "another class", ["low", "high"]] = 99.0
    run.write_table("scores", scores)
    html = write_report(RunFolder(run.path)).read_text(encoding="utf-8")
    assert "99.00" not in Page(html).text


def test_every_concept_has_its_status_and_its_reason(page):
    statuses = [values.get("data-status") for values in page.of("article")]
    assert statuses == ["accepted", "not_significant", "context", "rejected"]
    assert "q .41 is above .05" in page.cards["concept-0"]
    assert "retention .12 is below .35" in page.cards["concept-2"]
    assert "held by 2 of 6 videos, at least 3 are needed" in page.cards["concept-1"]


def test_what_was_not_computed_is_left_out(page):
    assert "region effect" not in page.cards["concept-1"]
    assert "TCAV" not in page.cards["concept-1"]
    assert not re.search(r"\bnan\b", page.text, re.IGNORECASE)


def test_examples_are_animated_pictures_inside_the_file(page):
    pictures = [picture for picture in page.of("img") if picture.get("src")]
    assert len(pictures) == 8 + 8 + 4 + 4
    assert all((picture["src"] or "").startswith("data:image/webp;base64,") for picture in pictures)
    assert all("waving/v" in (picture["alt"] or "") for picture in pictures)


def test_no_element_asks_for_another_file(page):
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base", "source")
        for name in ("src", "href", "srcset", "action", "poster"):
            value = attributes.get(name) or ""
            assert value.startswith(("data:", "#")) or not value, (tag, value)
    policy = [m["content"] or "" for m in page.of("meta") if m.get("http-equiv")]
    assert policy[0].startswith("default-src 'none'; img-src data: blob:;")
    assert "http" not in policy[0]


def test_only_the_scripts_of_the_report_may_run(page):
    policy = next(m["content"] or "" for m in page.of("meta") if m.get("http-equiv"))
    scripts = [values for values in page.of("script") if values.get("type") != "application/json"]
    assert policy.split("script-src")[1].count("'sha256-") == len(scripts) == 2
    assert "unsafe-inline" not in policy.split("script-src")[1]


def test_labels_and_names_stay_text(tmp_path):
    evil = "</script><script>alert('x')</script><img src=x onerror=alert(1)>"
    run = make_run(tmp_path / "run", target_class=evil)
    summary = run.summary
    summary["skipped"] = [{"video": evil, "reason": evil}]
    summary["warnings"] = [evil]
    run.write_json("summary.json", summary)
    concepts = run.concepts
    concepts["reason"] = evil
    run.write_table("concepts", concepts)
    page = Page(write_report(RunFolder(run.path)).read_text(encoding="utf-8"))
    assert len(page.of("script")) == 3 + 2  # of data, and of code
    assert all((picture.get("src") or "data:").startswith("data:") for picture in page.of("img"))
    assert page.text.count(evil) > 10


def test_curves_say_whether_the_order_matters(page):
    text = words(page.text)
    assert "Adding the top 4 concepts brings +0.60 [+0.50, +0.70] accuracy beyond a random order" in text
    assert "and +0.40 [+0.30, +0.50] beyond other regions of the same area (6 videos)." in text


def test_a_gap_whose_interval_holds_zero_may_be_chance(tmp_path):
    run = make_run(tmp_path / "run")
    evaluation = run.evaluation
    evaluation["gap_area_low"] = -0.2
    run.write_table("evaluation", evaluation)
    text = words(Page(write_report(RunFolder(run.path)).read_text(encoding="utf-8")).text)
    assert "The difference against the same area may be chance." in text
    assert "against the random order" not in text


def test_a_run_without_concepts_has_a_report(tmp_path):
    run = make_run(tmp_path / "run")
    run.write_table("concepts", run.concepts.iloc[:0])
    run.write_table("scores", run.scores.iloc[:0])
    run.write_table("evaluation", pd.DataFrame(columns=run.evaluation.columns))
    summary = {**run.summary, "num_tested": 0}
    run.write_json("summary.json", summary)
    html = write_report(RunFolder(run.path)).read_text(encoding="utf-8")
    assert "No concepts were found in these videos." in html
    assert "No concept accepted: no cluster was shared widely enough to be tested." in words(Page(html).text)
    assert len(html) < 100_000  # no chart, so no chart library


def test_skipped_videos_warnings_and_options_are_listed(page):
    text = words(page.text)
    assert "archery/broken.mp4 no video stream" in text
    assert "clips share nearly one gradient (cosine .93)" in text
    assert "segment.num_regions 15, 50, 80" in text
    assert "In all 1 min 15 s" in text
    assert "Supervoxels 30.2 s 40 %" in text
    assert "torch 2.13.0" in text


def test_the_same_records_give_the_same_file(run, html):
    assert write_report(RunFolder(run.path)).read_text(encoding="utf-8") == html


def test_nothing_but_the_report_is_left_in_the_folder(tmp_path):
    run = make_run(tmp_path / "run")
    before = {path.name for path in run.path.iterdir()}
    write_report(run)
    assert {path.name for path in run.path.iterdir()} - before == {"report.html"}


def test_a_run_without_effects_ranks_by_sign_and_decides_by_p(tmp_path):
    run = make_run(tmp_path / "run")
    config = run.config
    config["scores"] |= {"test": "paired_t", "measure_effects": False, "max_p": 0.01}
    run.write_json("config.json", config)
    concepts = run.concepts
    concepts[["region_effect", "effect_deletion", "effect_insertion", "retention"]] = float("nan")
    run.write_table("concepts", concepts)
    page = Page(write_report(RunFolder(run.path)).read_text(encoding="utf-8"))
    assert "1 of 2 tested concepts accepted at p ≤ 0.01." in words(page.text)
    assert "1.00 TCAV sign [\N{MINUS SIGN}0.25, 1.25] · in 6 videos" in words(page.cards["concept-4"])
    assert "egion effect" not in page.cards["concept-4"]
    assert "paired t-test; accepted at p ≤ 0.01" in words(page.text)
    assert "at least" not in words(page.text).split("Split")[0]
