"""The tables of what was measured, in README and in docs/, made from the runs in ``benchmarks/results``.

A page marks the place of a table by ``<!-- benchmark NAME -->`` and ``<!-- end -->``; it is made from
``results/cpu_NAME.json``. Times: a row per measured row of whole calls, medians, and the ratio of each to
ours. Quality: a row per set of volumes whose true segmentation is known. The table ``planted`` is made from
``results/planted.json``: the figures that have a bar, and those of other methods; ``methods`` and
``headline`` are a few of them, side by side and with their bars. ``real`` is made from ``results/real.json``,
all of its figures; ``ratios`` from the times of several runs: the least and the greatest ratio to ours.

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
PAGES = (ROOT / "README.md", ROOT / "docs" / "truth.md", ROOT / "docs" / "speed.md")
PLACE = re.compile(r"(<!-- benchmark (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
OURS = "ours"
MISSING = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"
SETTINGS = {
    "network": "network",
    "shape": "clip",
    "channels": "channels",
    "num_regions": "regions",
    "num_patches": "regions",
    "batch": "regions a call",
    "num_clips": "clips a call",
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
    "channels_last": "torch, channels last",
    OURS: "ace3d_fast",
    "ours, high": '`quality="high"`',
}
METHODS = ("scikit-image", "SimpleITK", "ours, high")
QUALITIES = {
    "undersegmentation_error_3d": "UE",
    "boundary_recall_0": "recall",
    "achievable_accuracy": "ASA",
}


# Of `methods`: a column, and the names by which figures tell of that method.
COLUMNS = {
    "ace3d_fast": ("calibrated", "region effect"),
    "Captum TCAV": ("Captum TCAV", "Captum TCAV, sign", "Captum TCAV, magnitude"),
    "published recipe (STCE)": ("stce", "stce, sign", "stce, magnitude"),
    "scikit-image + scikit-learn": tuple(
        f"scikit-image + scikit-learn{end}" for end in ("", ", sign", ", magnitude")
    ),
}
COMPARED = {
    "AUROC within a class": "causal concepts ranked above others (AUROC, the better of sign and magnitude)",
    "share of classes hit": "classes whose cause is among the accepted concepts",
    "non-causal concepts accepted": "non-causal concepts that are accepted",
}
HEADLINE = {
    "power: causal concepts accepted": ("calibrated",),
    "mean mask IoU of classes hit": ("calibrated",),
    "false positives on null concepts, 0.05": ("region effect",),
    "stability over clustering seeds, matched cosine": ("calibrated",),
    "SSC, top minus random, k = 1, fill mean": ("calibrated",),
    "SDC, random minus top, k = 1, fill mean": ("calibrated",),
    "classes whose tag is reported, rank 1 or 2, network that uses the tag": ("calibrated",),
    "classes whose tag is reported, rank 1 or 2, network that ignores the tag": ("calibrated",),
    "purity of clusters of primitives, all regions": ("calibrated",),
    "Spearman of pooled against masked scores, concepts of their class, after the gate": ("calibrated",),
}
RATIOS = {
    "slic3d": "supervoxels, from frames to connected labels",
    "region_pool": "means of features under regions",
    "region_patches": "all regions of a clip cut out and enlarged",
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


def render_methods(figures: list[dict[str, Any]]) -> str:
    """A Markdown table of what each method makes of the planted videos: the best of its scores."""
    lines = []
    for name, told in COMPARED.items():
        found = [
            [row["value"] for row in figures if row["name"] == name and row["method"] in names]
            for names in COLUMNS.values()
        ]
        lines.append([told, *(_share(max(values, default=None)) for values in found)])
    return _table(["on planted videos", *COLUMNS], lines)


def render_headline(figures: list[dict[str, Any]]) -> str:
    """A Markdown table of a few figures of the planted benchmark, with their bars, met or not."""
    return render_figures([row for row in figures if row["method"] in HEADLINE.get(row["name"], ())])


def render_ratios(results: Path) -> str:
    """A Markdown table of how many times as fast ours is, over all settings of the benchmarks of `RATIOS`."""
    lines = []
    for name, told in RATIOS.items():
        rows = json.loads((results / f"cpu_{name}.json").read_text(encoding="utf-8"))["rows"]
        rows = [row["milliseconds"] for row in rows if row.get("case", "clips") == "clips"]
        for other in (call for call in CALLS if not call.startswith(OURS)):
            ratios = sorted(row[other][1] / row[OURS][1] for row in rows if other in row)
            if ratios:
                lines.append(
                    [told, CALLS[other], f"{_round(ratios[0])} to {_round(ratios[-1])}", str(len(ratios))]
                )
    return _table(["one thread against one", "against", "times as fast", "settings"], lines)


def render_real(figures: list[dict[str, Any]]) -> str:
    """A Markdown table of the figures of a real run, each with its interval and what was counted."""
    lines = [["measured", "value", "95 % interval", "over"], ["---"] * 4]
    for row in figures:
        value = f"{row['value']:.0f}" if row["name"].startswith("concepts") else _share(row["value"])
        interval = "" if row["low"] is None else f"{_share(row['low'])} to {_share(row['high'])}"
        lines.append([row["name"], value, interval, row["over"]])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


FIGURES = {
    "planted": ("planted", render_figures),
    "methods": ("planted", render_methods),
    "headline": ("planted", render_headline),
    "real": ("real", render_real),
}


def fill(text: str, results: Path) -> str:
    """``text`` with every marked table made anew."""

    def table(place: re.Match[str]) -> str:
        if place[2] == "ratios":
            return f"{place[1]}{render_ratios(results)}{place[3]}"
        if place[2] in FIGURES:
            source, made_by = FIGURES[place[2]]
            facts = json.loads((results / f"{source}.json").read_text(encoding="utf-8"))
            return f"{place[1]}{made_by(facts['figures'])}{place[3]}"
        facts = json.loads((results / f"cpu_{place[2]}.json").read_text(encoding="utf-8"))
        made = (render_quality if place[2] == "quality" else render)(facts["rows"])
        return f"{place[1]}{made}{place[3]}"

    return PLACE.sub(table, text)


def _setting(name: str, value: Any) -> str:
    if value is None:
        return MISSING
    if isinstance(value, list):
        return (TIMES if name == "shape" else ", ").join(map(str, value))
    if isinstance(value, str):
        return value
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
        "--check", action="store_true", help="exit with 1 where a page differs from the results"
    )
    arguments = parser.parse_args()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        filled = fill(text, ROOT / "benchmarks" / "results")
        if arguments.write:
            page.write_text(filled, encoding="utf-8")
        elif filled != text:
            what = "its tables are not those of benchmarks/results; run benchmarks/tables.py --write"
            sys.exit(f"{page.name}: {what}")


if __name__ == "__main__":
    main()
