"""README shows the commands and names that there are, and what was measured."""

import importlib.util
import json
import re
import shlex
from pathlib import Path

import pytest
import typer

import ace3d_fast
from ace3d_fast.cli.app import app
from ace3d_fast.models.registry import entries

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [block.replace("\\\n", " ") for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)]
COMMANDS = [shlex.split(line, comments=True) for block in BLOCKS for line in block.splitlines()]


def test_every_command_is_shown():
    shown = {words[1] for words in COMMANDS if words[:1] == ["ace3d-fast"]}
    assert shown == set(typer.main.get_command(app).commands)


def test_make_targets_exist():
    targets = {words[1] for words in COMMANDS if words[:1] == ["make"]}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets == {"demo", "test"}
    assert all(f"\n{target}:" in makefile for target in targets)


def test_names_of_the_python_interface_exist():
    section = README.split("## Python")[1].split("## Limits")[0]
    listed = section.split("can be imported too:")[1].split("Every native op")[0]
    names = re.findall(r"`(\w+)`", listed)
    assert len(names) == 17
    assert all(callable(getattr(ace3d_fast, name)) for name in names)


def test_networks_that_are_named_exist():
    assert "planted:net" in entries()
    assert any(name.startswith("pytorchvideo:") for name in entries())


@pytest.fixture(scope="module")
def tables():
    spec = importlib.util.spec_from_file_location("tables", ROOT / "benchmarks" / "tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tables_are_those_of_the_runs(tables):
    assert ROOT / "README.md" in tables.PAGES
    for page in tables.PAGES:
        text = page.read_text(encoding="utf-8")
        assert len(tables.PLACE.findall(text)) >= 2
        assert tables.fill(text, ROOT / "benchmarks" / "results") == text


def test_a_table_shows_medians_and_their_ratio_to_ours(tables):
    rows = [
        {
            "shape": [4, 5, 6],
            "num_regions": [15, 50],
            "milliseconds": {"scikit-image": [1, 30, 99], "ours": [1, 2, 3], "by frame": [1, 1, 1]},
        },
        {"case": "memory", "shape": [4, 5, 6]},
        {"shape": [4, 5, 6], "milliseconds": {"torch": [0, 25000, 0], "ours": [0, 10000, 0]}},
    ]
    plain = tables.render(rows).replace(tables.TIMES, "x").replace(tables.MISSING, "-")
    assert plain.splitlines() == [
        "| clip | regions | scikit-image | torch | ace3d_fast | to scikit-image | to torch |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| 4x5x6 | 15, 50 | 30.0 ms | - | 2 ms | 15.0 | - |",
        "| 4x5x6 | - | - | 25.0 s | 10.0 s | - | 2.5 |",
    ]


def test_the_planted_table_shows_bars_and_other_methods(tables):
    ours = {"name": "AUROC", "method": "calibrated", "value": 0.99, "low": None, "high": None}
    ours |= {"bar": "", "met": None, "unit": "5 networks"}
    held = {**ours, "low": 0.9, "high": 1.0, "bar": "> 0.95", "met": False}
    peer = {**ours, "method": "Captum TCAV", "value": None}
    assert tables.render_figures([ours, held, peer]).replace(tables.MISSING, "-").splitlines()[2:] == [
        "| AUROC | calibrated | 0.990 | 0.900 to 1.000 | > 0.95 | **not met** | 5 networks |",
        "| AUROC | Captum TCAV | - |  |  |  | 5 networks |",
    ]


def test_methods_stand_side_by_side_each_with_its_better_score(tables):
    values = {"region effect": 0.9, "Captum TCAV, sign": 0.5, "Captum TCAV, magnitude": 0.7, "margin": 1.0}
    figures = [{"name": "AUROC within a class", "method": m, "value": v} for m, v in values.items()]
    figures.append({"name": "share of classes hit", "method": "stce", "value": 0.25})
    first, second, _ = tables.render_methods(figures).replace(tables.MISSING, "-").splitlines()[2:]
    assert first.endswith("| 0.900 | 0.700 | - | - |")
    assert second.endswith("| - | - | 0.250 | - |")


def test_the_headline_leaves_no_bar_that_is_missed_out(tables):
    figures = json.loads((ROOT / "benchmarks" / "results" / "planted.json").read_text())["figures"]
    shown = tables.render_headline(figures)
    assert len(shown.splitlines()) == 2 + len(tables.HEADLINE)
    missed = [row["name"] for row in figures if row["met"] is False and row["method"] == "calibrated"]
    own = [name for name in missed if "minus that of" not in name]
    assert own
    assert all(f"| {name} |" in shown for name in own)


def test_ratios_go_from_the_least_to_the_greatest_of_whole_calls(tables, tmp_path):
    rows = [{"milliseconds": {"torch": [0, t, 0], "ours": [0, 2, 0]}} for t in (30, 8, 10)]
    rows.append({"case": "memory", "milliseconds": {"torch": [0, 99, 0], "ours": [0, 1, 0]}})
    for name in tables.RATIOS:
        (tmp_path / f"cpu_{name}.json").write_text(json.dumps({"rows": rows}))
    lines = tables.render_ratios(tmp_path).splitlines()[2:]
    assert [line.split(" | ", 1)[1] for line in lines] == ["torch | 4 to 15.0 | 3 |"] * len(tables.RATIOS)


def test_a_table_shows_quality_where_the_truth_is_known(tables):
    setting = {"num_segments": 50, "compactness_weight": 20.0, "sigma": 1.0}
    rows = [
        {"volumes": "sprites", "method": name, **setting, **dict.fromkeys(tables.QUALITIES, value)}
        for name, value in (("scikit-image", 0.5), ("SimpleITK", 0.25), ("ours, high", 0.125), ("cubes", 1.0))
    ]
    line = "| sprites | 50 | 20 | 1 |" + " 0.500 | 0.250 | 0.125 |" * 3
    assert tables.render_quality([*rows, {"volumes": "real", "method": "ours", **setting}]).splitlines()[
        2:
    ] == [line]
