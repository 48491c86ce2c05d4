"""Pages tell of columns, commands, links and names that there are; the site leaves out no public name."""

import ast
import importlib
import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer

from ace3d_fast.cli.app import app
from ace3d_fast.config import EvaluationOptions
from ace3d_fast.models.probe import Probe
from ace3d_fast.stages.evaluation import evaluate_concepts
from ace3d_fast.stages.matrix import MATRIX_COLUMNS
from ace3d_fast.stages.scores import Scored
from ace3d_fast.stages.verdicts import STATUSES
from ace3d_fast.tables import CONCEPT_COLUMNS, REGION_COLUMNS, score_table
from ace3d_fast.trials import CONTROL_COLUMNS
from ace3d_fast.types import SilentProgress

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted(DOCS.glob("*.md")))
    if path.name != "cli.md"  # made from the commands
}
PACKAGES = ("ace3d_fast", *(f"ace3d_fast.{name}" for name in ("ops", "notebook", "training", "quiz")))
MODULES = tuple(
    f"ace3d_fast.{name}"
    for name in (
        "compat.skimage",
        "compat.captum",
        "segmentation_metrics",
        "regions.source",
        "errors",
        "types",
    )
)


def blocks(language):
    pattern = rf"```{language}\n(.*?)```"
    return [(page, block) for page, text in PAGES.items() for block in re.findall(pattern, text, re.DOTALL)]


def commands():
    lines = [line for _, block in blocks("sh") for line in block.replace("\\\n", " ").splitlines()]
    words = [shlex.split(line, comments=True) for line in lines]
    words = [[word for word in line if not re.fullmatch(r"[A-Z_]+=\S+", word)] for line in words]
    return sorted({tuple(line) for line in words if line[:1] == ["ace3d-fast"]})


def documented(table):
    """Names in the first column of the table of columns of ``table``.parquet."""
    section = PAGES["docs/run-folder.md"].split(f"## `{table}.parquet`")[1]
    rows = re.search(r"(\| column .*?)\n\n", section, re.DOTALL)
    cells = [row.split("|")[1] for row in rows[1].splitlines()[2:]]
    return [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]


def evaluation_columns():
    empty = pd.DataFrame()
    curves = evaluate_concepts(
        [], empty, empty, Probe(None, 1), None, 0, EvaluationOptions(), seed=0, progress=SilentProgress()
    )
    return list(curves.table(10, 0).columns)


def score_columns():
    judged = pd.DataFrame({"concept": [], "q_value": []})
    return list(score_table(Scored({}, {}, "region_effect", np.nan), judged, "waving").columns)


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("regions", REGION_COLUMNS),
        ("concepts", CONCEPT_COLUMNS),
        ("scores", score_columns()),
        ("matrix", MATRIX_COLUMNS),
        ("evaluation", evaluation_columns()),
        ("controls", CONTROL_COLUMNS),
    ],
)
def test_every_column_is_documented_in_its_place(table, columns):
    assert documented(table) == columns


def test_every_status_is_explained():
    rows = re.findall(r"^\| `(\w+)` \|", PAGES["docs/report.md"], re.MULTILINE)
    assert rows[: len(STATUSES)] == list(STATUSES)


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_commands_and_their_options_exist(words):
    group = typer.main.get_command(app)
    given = {word for word in words if word.startswith("-")}
    if words[1].startswith("-"):
        assert given <= {name for parameter in group.params for name in parameter.opts}
        return
    assert given <= {name for parameter in group.commands[words[1]].params for name in parameter.opts}


@pytest.mark.parametrize(("page", "block"), blocks("python"))
def test_code_imports_what_there_is(page, block):
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("ace3d_fast"):
            module = importlib.import_module(node.module)
            assert all(hasattr(module, alias.name) for alias in node.names), page


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page):
    found = re.findall(r"\]\((?!https?:)([^)#\s]+)", PAGES[page])
    made = {"cli.md"}
    missing = [to for to in found if to not in made and not ((ROOT / page).parent / to).exists()]
    assert missing == []


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    strict = ["-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going"]
    done = subprocess.run([sys.executable, *strict, DOCS, out], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return out


def test_the_site_leaves_out_no_public_name(site):
    described = set(re.findall(r'id="([\w.]+)"', (site / "api.html").read_text(encoding="utf-8")))
    public = {package: importlib.import_module(package).__all__ for package in PACKAGES}
    assert sum(map(len, public.values())) > 40
    for package, names in public.items():
        names = {name for name in names if not name.startswith("__")}
        assert {n for n in names if not {f"{package}.{n}", f"ace3d_fast.{n}"} & described} == set()


def test_names_in_docstrings_lead_to_where_the_site_has_them(site):
    page = (site / "api.html").read_text(encoding="utf-8")
    told = re.search(r'id="ace3d_fast.ops.slic3d_frames".*?</dl>', page, re.DOTALL)[0]
    assert 'href="#ace3d_fast.slic3d"' in told  # `slic3d`, which stands under another module
    assert 'href="#ace3d_fast.types.Clip"' in page  # the type of a parameter


def own_names(module):
    """Public functions and classes that the module defines."""
    return {
        name
        for name, value in vars(importlib.import_module(module)).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module
    }


@pytest.mark.parametrize("module", MODULES)
def test_the_site_describes_modules_whole(site, module):
    described = set(re.findall(r'id="([\w.]+)"', (site / "api.html").read_text(encoding="utf-8")))
    assert own_names(module)
    assert {name for name in own_names(module) if f"{module}.{name}" not in described} == set()


def test_the_site_names_every_command_and_fetches_nothing(site):
    page = (site / "cli.html").read_text(encoding="utf-8")
    for name in typer.main.get_command(app).commands:
        assert f'id="{name}"' in page
    fetched = r"(?:src|href)=\"(https?:[^\"]+\.(?:js|css|woff2?))\""
    assert [url for path in site.glob("*.html") for url in re.findall(fetched, path.read_text("utf-8"))] == []
