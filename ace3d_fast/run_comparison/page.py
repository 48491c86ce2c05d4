"""A comparison as one HTML file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ace3d_fast.errors import InputError, expected
from ace3d_fast.report.cards import ConceptCard, concept_cards
from ace3d_fast.report.facts import concept_name
from ace3d_fast.report.shell import write_page
from ace3d_fast.run_comparison.compare import RunComparison
from ace3d_fast.text_files import write_text
from ace3d_fast.words import decimal, interval, is_known, percent, signed

FOLDER = Path(__file__).parent
EXAMPLES = 4
CHANGES = {
    "kept": "accepted in both",
    "gained": "accepted in B only",
    "lost": "accepted in A only",
    "appeared": "in B only",
    "vanished": "in A only",
    "same": "accepted in neither",
}
METHODS = {
    "voxels": "the voxels they share in the videos of both (Jaccard index)",
    "centers": "the cosine of their centres",
}
SCORES = {"region_effect": "region effect", "tcav_sign": "TCAV sign"}


@dataclass(frozen=True)
class Shown:
    """The score that both runs have, of one concept; empty where it has none."""

    value: str
    interval: str


@dataclass(frozen=True)
class Row:
    """A pair of concepts, or one without a match."""

    a: ConceptCard | None
    b: ConceptCard | None
    score_a: Shown
    score_b: Shown
    change: str
    words: str
    similarity: str
    difference: str
    difference_interval: str


def write_comparison(found: RunComparison, path: Path) -> Path:
    """Write ``found`` as HTML, CSV or JSON, by the name's ending.

    Raises
    ------
    InputError
        For another ending.
    """
    check_ending(path)
    ending = path.suffix.lower()
    if ending == ".html":
        return _write_html(found, path)
    text = found.pairs.to_csv(index=False)
    if ending == ".json":
        text = json.dumps(found.to_dict(), indent=2) + "\n"
    return write_text(path, text)


def check_ending(path: Path) -> None:
    """Check that `write_comparison` can write ``path``.

    Raises
    ------
    InputError
        It cannot.
    """
    if path.suffix.lower() not in (".html", ".csv", ".json"):
        raise InputError(expected("compare", "out", "to end in .html, .csv or .json", path.name))
    if not path.parent.is_dir():
        todo = "make it, or choose another --out"
        raise InputError(expected("compare", "out", "in a folder that is there", path.parent, todo))


def change_interval(row: dict[str, Any]) -> str:
    """The interval of a difference, with a word where it excludes 0."""
    low, high = row["difference_low"], row["difference_high"]
    text = interval(low, high)
    return f"{text} *" if is_known(low) and is_known(high) and (low > 0 or high < 0) else text


def count_changes(found: RunComparison) -> list[tuple[str, int]]:
    """How many concepts are accepted in both runs, in one, in neither."""
    counts = {name: int((found.pairs["change"] == name).sum()) for name in CHANGES}
    return [(CHANGES[name], number) for name, number in counts.items() if number]


def explain_change(found: RunComparison) -> str:
    """What the column of changes holds, in a sentence or two."""
    name = SCORES[found.score]
    if found.score != "region_effect" or not found.num_videos:
        return f"The change is the {name} in B minus that in A."
    return (
        f"The change is the {name} in B minus that in A, averaged over the videos in which both concepts "
        "were measured, so it can differ from the difference of their scores. In brackets its 95 % interval; "
        "* where it excludes 0."
    )


def _write_html(found: RunComparison, path: Path) -> Path:
    cards = [{card.name: card for card in concept_cards(run)} for run in (found.a, found.b)]
    rows = []
    for row in found.pairs.to_dict("records"):
        a, b = (
            cards[side].get(concept_name(row[name])) for side, name in enumerate(("concept_a", "concept_b"))
        )
        rows.append(
            Row(
                a,
                b,
                _shown(found.score, row, "a"),
                _shown(found.score, row, "b"),
                str(row["change"]),
                CHANGES[str(row["change"])],
                decimal(row["similarity"]),
                signed(row["difference"]),
                change_interval({str(key): value for key, value in row.items()}),
            )
        )
    return write_page(
        path,
        FOLDER / "compare.html",
        styles=[FOLDER / "compare.css"],
        data={"figures": {"similarity": _heat(found)}},
        with_plotly=True,
        runs=[_facts(found.a, "A"), _facts(found.b, "B")],
        rows=rows,
        counts=count_changes(found),
        method=METHODS[found.method],
        least=found.least_similarity,
        num_videos=found.num_videos,
        change=explain_change(found),
        score=SCORES[found.score],
        examples=EXAMPLES,
    )


def _shown(score: str, row: dict[Any, Any], side: str) -> Shown:
    value, low, high = (row[f"{name}_{side}"] for name in ("score", "low", "high"))
    if not is_known(value):
        return Shown("", "")
    write = signed if score == "region_effect" else decimal
    return Shown(write(value), interval(low, high, write))


def _facts(run: Any, name: str) -> dict[str, str]:
    accepted = int((run.concepts["status"] == "accepted").sum())
    return {
        "name": name,
        "folder": str(run.path),
        "network": f"{run.config['model']} at {run.config['layer']}",
        "weights": str(run.config["weights"] or "the model's own"),
        "target": str(run.summary["target_class"]),
        "accuracy": percent(run.summary["accuracy"]),
        "concepts": f"{accepted} accepted of {len(run.concepts)}",
    }


def _heat(found: RunComparison) -> dict[str, Any]:
    names = [
        [f"{side}: {concept_name(c)}" for c in run.concepts["concept"].tolist()]
        for side, run in (("A", found.a), ("B", found.b))
    ]
    heat = {
        "type": "heatmap",
        "x": names[1],
        "y": names[0],
        "z": found.similarity.round(3).tolist(),
        "zmin": 0,
        "zmax": 1,
        "colorscale": [[0, "rgba(150,150,150,0.1)"], [1, "#1f9d63"]],
        "xgap": 2,
        "ygap": 2,
        "hovertemplate": "%{y}, %{x}: %{z:.2f}<extra></extra>",
        "colorbar": {"thickness": 12},
    }
    layout = {
        "height": 160 + 28 * len(names[0]),
        "margin": {"l": 20, "r": 10, "t": 12, "b": 20},
        "xaxis": {"automargin": True, "fixedrange": True, "type": "category", "tickangle": -45},
        "yaxis": {"automargin": True, "fixedrange": True, "type": "category", "autorange": "reversed"},
    }
    return {"data": [heat], "layout": layout}
