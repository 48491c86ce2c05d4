"""The direction of imports, and the size of files."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "ace3d_fast"
BASE = {
    "types", "errors", "config", "stopwatch", "threads", "memory", "names", "rows", "words", "text_files",
    "tensor_files", "signatures", "__init__",
}  # fmt: skip
# What each part may import, beside BASE and itself.
ALLOWED: dict[str, set[str]] = {
    **{name: set() for name in BASE},
    "ops": set(),
    "learn": set(),
    "video": set(),
    "shelf": set(),
    "remote_shelf": {"shelf"},
    "store": {"shelf"},
    "workplace": {"remote_shelf", "shelf", "store"},
    "models": {"ops", "video"},
    "report": {"store"},
    "regions": {"ops", "video"},
    "stages": {"regions", "ops", "learn", "video", "models", "store", "workplace"},
    "described": {"shelf", "stages"},
    "tables": {"stages", "learn"},
    "summary": {"learn"},
    "segmentation_metrics": {"ops"},
    "engines": {"stages"},
    "describer": {"regions", "engines", "models", "ops", "shelf", "stages", "store"},
    "work": {"regions", "describer", "engines", "models", "shelf"},
    "steps": {
        "regions", "described", "describer", "work", "shelf", "stages", "tables", "learn", "models", "store",
    },
    "evaluation": {"described", "steps", "stages", "learn", "models", "shelf", "tables"},
    "controls": {"described", "evaluation", "steps", "stages", "learn", "models"},
    "trials": {"controls", "described", "steps", "stages", "learn", "models"},
    "vocabulary": {"described", "steps", "stages", "learn"},
    "pipeline": {
        "regions", "controls", "trials", "evaluation", "vocabulary", "workplace", "steps", "stages",
        "summary", "learn", "video", "models", "store", "report",
    },
    "estimate": {
        "regions", "pipeline", "trials", "steps", "stages", "engines", "learn", "models", "store", "video",
    },
    "quiz": {"store", "report"},
    "run_comparison": {"learn", "store", "report"},
    "new_video": {
        "regions", "workplace", "steps", "stages", "engines", "models", "store", "video", "report",
    },
    "notebook": {"new_video", "report", "store"},
    "serve": {"report", "store"},
    "api": {"regions", "pipeline", "estimate", "models", "store", "report"},
    "comparison": {"api", "ops", "store", "video"},
    "planted_benchmark": {
        "api", "engines", "learn", "models", "pipeline", "stages", "steps", "store", "tables",
        "video", "vocabulary", "described", "evaluation", "controls", "trials", "compat",
    },
    "compat": {"ops", "learn", "models", "store"},
    "__main__": {"cli"},
    "training": {"learn", "models"},
    "cli": {
        "api", "comparison", "planted_benchmark", "pipeline", "stages", "ops", "video", "models", "store",
        "report", "new_video", "estimate", "run_comparison", "quiz", "serve",
    },
}  # fmt: skip
FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_modules(path: Path) -> set[str]:
    """Modules of the package that ``path`` imports, as dotted names without the package's own."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "ace3d_fast":
                found |= {f"ace3d_fast.{alias.name}" for alias in node.names}
            else:
                found.add(node.module)
    return {name.removeprefix("ace3d_fast.") for name in found if name.startswith("ace3d_fast.")}


def test_every_file_belongs_to_a_known_part():
    assert {part_of(path) for path in FILES} <= set(ALLOWED)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    part = part_of(path)
    if path == PACKAGE / "__init__.py":
        return  # names the public functions, lazily
    parts = {name.split(".")[0] for name in imported_modules(path)}
    parts = {name if (PACKAGE / name).exists() or name in ALLOWED else "__init__" for name in parts}
    assert parts - BASE - {part} <= ALLOWED[part]


def test_the_parts_form_no_cycle():
    done: set[str] = set()
    while len(done) < len(ALLOWED):
        ready = {part for part, needs in ALLOWED.items() if part not in done and needs <= done}
        assert ready, f"a cycle among {sorted(set(ALLOWED) - done)}"
        done |= ready


@pytest.mark.parametrize("path", sorted((PACKAGE / "stages").glob("*.py")), ids=lambda path: path.name)
def test_stages_do_not_know_each_other(path):
    assert not {name for name in imported_modules(path) if name.startswith("stages")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_stay_near_300_lines(path):
    assert len(path.read_text().splitlines()) <= 350
