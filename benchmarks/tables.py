"""README's tables of what was measured, made from the runs in ``benchmarks/results``.

README marks the place of a table by ``<!-- benchmark NAME -->`` and ``<!-- end -->``; it is made from
``results/cpu_NAME.json``. Times: a row per measured row of whole calls, medians, and the ratio of each to
ours. Quality: a row per set of volumes whose true segmentation is known. The table ``planted`` is made from
``results/planted.json``: the figures that have a bar, and those of other methods; ``real`` from
``results/real.json``, all of its figures.

Example: python benchmarks/tables.py --write
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PLACE = re.compile(r"(<!-- benchmark (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
OURS = "ours"
MISSING = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"
SETTINGS = {
    "shape": "clip",
    "channels": "channels",
    "num_regions": "regions",
    "num_patches": "regions",
    "batch": "regions a call",
    "compactness": "compactness",
    "sigma": "sigma",
}
CALLS = {
    "scikit-image": "scikit-image",
    "SimpleITK": "SimpleITK",
    "scatter_add": "`scatter_add`",
    "ndimage": "`scipy.ndimage.mean`",
    "torch": "torch",
    "crop_first": "torch, cropped first",
    OURS: "ace3d_fast",
    "ours, high": '`quality="high"`',
}
METHODS = ("scikit-image", "SimpleITK", "ours, high")
QUALITIES = {
    "undersegmentation_error_3d": "UE",
    "boundary_recall_0": "recall",
    "achievable_accuracy": "ASA",
}


def render(rows: list[dict[str, Any]]) -> str:
    """A Markdown table of ``rows``: what was set, the median of each call, and its ratio to ours."""
    rows = [row for row in rows if row.get("case", "clips") == "clips"]
    settings = [name for name in SETTINGS if any(name in row for row in rows)]
    calls = [name for name in CALLS if any(name in row["milliseconds"] for row in rows)]
    others = [name for name in calls if not name.startswith(OURS)]
    head = [SETTINGS[name] for name in settings] + [CALLS[name] for name in calls]
    head += ["ratio"] if len(others) == 1 else [f"to {CALLS[name]}" for name in others]
    lines = []
    for row in rows:
        medians = {name: quartiles[1] for name, quartiles in row["milliseconds"].items()}
        cells = [_setting(name, row.get(name)) for name in settings]
        cells += [_time(medians.get(name)) for name in calls]
        ratios = [medians[name] / medians[OURS] if name in medians else None for name in others]
        lines.append(cells + [MISSING if ratio is None else _round(ratio) for ratio in ratios])
    return _table(head, lines)


def render_quality(rows: list[dict[str, Any]]) -> str:
    """A Markdown table of how near the regions of each method come to the truth, where that is known."""
    cases: dict[tuple[Any, ...], dict[str, dict[str, Any]]] = {}
    for row in rows:
        if set(QUALITIES) <= set(row):
            key = tuple(row[name] for name in ("volumes", "num_segments", "compactness_weight", "sigma"))
            cases.setdefault(key, {})[row["method"]] = row
    head = ["volumes", "segments", "compactness", "sigma"]
    head += [f"{short}: {CALLS[name]}" for short in QUALITIES.values() for name in METHODS]
    lines = []
    for (volumes, *settings), methods in cases.items():
        cells = [f"{methods[name][quality]:.3f}" for quality in QUALITIES for name in METHODS]
        lines.append([volumes, *(f"{value:g}" for value in settings), *cells])
    return _table(head, lines)


def _table(head: list[str], lines: list[list[str]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, ["---"] * len(head), *lines))


def render_figures(figures: list[dict[str, Any]]) -> str:
    """A Markdown table of the planted benchmark: figures with intervals, bars, and what was counted."""
    head = ["measured", "of", "value", "95 % interval", "bar", "", "over"]
    lines = []
    for row in figures:
        if row["bar"] or row["method"] not in ("calibrated", "network"):
            met = {True: "met", False: "**not met**", None: ""}[row["met"]]
            cells = [row["name"], row["method"], _share(row["value"])]
            interval = "" if row["low"] is None else f"{_share(row['low'])} to {_share(row['high'])}"
            lines.append([*cells, interval, row["bar"], met, row["unit"]])
    return _table(head, lines)


def render_real(figures: list[dict[str, Any]]) -> str:
    """A Markdown table of the figures of a real run, each with its interval and what was counted."""
    lines = [["measured", "value", "95 % interval", "over"], ["---"] * 4]
    for row in figures:
        value = f"{row['value']:.0f}" if row["name"].startswith("concepts") else _share(row["value"])
        interval = "" if row["low"] is None else f"{_share(row['low'])} to {_share(row['high'])}"
        lines.append([row["name"], value, interval, row["over"]])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


FIGURES = {"planted": render_figures, "real": render_real}


def fill(text: str, results: Path) -> str:
    """``text`` with every marked table made anew."""

    def table(place: re.Match[str]) -> str:
        if place[2] in FIGURES:
            facts = json.loads((results / f"{place[2]}.json").read_text(encoding="utf-8"))
            return f"{place[1]}{FIGURES[place[2]](facts['figures'])}{place[3]}"
        facts = json.loads((results / f"cpu_{place[2]}.json").read_text(encoding="utf-8"))
        made = (render_quality if place[2] == "quality" else render)(facts["rows"])
        return f"{place[1]}{made}{place[3]}"

    return PLACE.sub(table, text)


def _setting(name: str, value: Any) -> str:
    if value is None:
        return MISSING
    if isinstance(value, list):
        return (TIMES if name == "shape" else ", ").join(map(str, value))
    return f"{value:g}"


def _share(value: float | None) -> str:
    return MISSING if value is None else f"{value:.3f}".replace("-0.000", "0.000")


def _time(milliseconds: float | None) -> str:
    if milliseconds is None:
        return MISSING
    if milliseconds >= 10_000:
        return f"{_round(milliseconds / 1000)} s"
    return f"{_round(milliseconds)} ms"


def _round(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    choice = parser.add_mutually_exclusive_group(required=True)
    choice.add_argument("--write", action="store_true", help="make the tables anew")
    choice.add_argument(
        "--check", action="store_true", help="exit with 1 where README differs from the results"
    )
    arguments = parser.parse_args()
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    filled = fill(text, ROOT / "benchmarks" / "results")
    if arguments.write:
        readme.write_text(filled, encoding="utf-8")
    elif filled != text:
        sys.exit(
            "README.md: its tables are not those of benchmarks/results; run benchmarks/tables.py --write"
        )


if __name__ == "__main__":
    main()
