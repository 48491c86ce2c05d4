"""Figures of a real run with ``--controls``, for the table ``real`` of docs/truth.md.

Example: python benchmarks/real_figures.py runs/tennis --json benchmarks/results/real.json
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from ace3d_fast import RunFolder

TRIALS = {
    "false_positives": "false positives on null concepts, 0.05",
    "stability": "stability over clustering seeds",
    "mu_fidelity": "muFidelity",
    "c_insertion_gap": "C-insertion, top minus random",
    "c_deletion_gap": "C-deletion, random minus top",
    "randomised": "Spearman of effects, weights randomised down to",
}


def figures(run: RunFolder) -> list[dict[str, Any]]:
    """A row per figure: ``name``, ``value``, ``low``, ``high`` and ``over``."""
    summary, rows = run.summary, []

    def add(name: str, value: Any, low: Any = None, high: Any = None, over: str = "") -> None:
        ends = [None if x is None or math.isnan(float(x)) else float(x) for x in (value, low, high)]
        rows.append({"name": name, **dict(zip(("value", "low", "high"), ends, strict=True)), "over": over})

    for status, count in run.concepts["status"].value_counts().items():
        add(f"concepts: {status}", count)
    curves = run.evaluation.set_index(["fill", "curve", "order", "k"])
    for curve, words in (("ssc", "SSC, top minus {}"), ("sdc", "SDC, {} minus top")):
        for k in (1, 2):
            row = curves.loc[("mean", curve, "top", k)]
            over = f"{row['num_videos']:.0f} videos"
            for column, other in (("gap", "random"), ("gap_area", "area-matched")):
                ends = (row[f"{column}_low"], row[f"{column}_high"])
                add(f"{words.format(other)}, k = {k}", row[column], *ends, over)
    halo = summary["pooled_against_masked"]
    for name in ("cosine", "spearman"):
        ends = (halo[f"{name}_low"], halo[f"{name}_high"])
        add(f"pooled against masked, {name}", halo[name], *ends, f"{halo['num_regions']} regions")
    add("cosine between clips' gradients", summary["gradient_cosine"])
    add("null sets with a sign of 0 or 1", summary["null_saturation"])
    for trial in run.controls.to_dict("records") if run.controls is not None else ():
        name = f"{TRIALS[trial['measure']]}: {trial['of'].replace('_', ' ')}"
        add(name, trial["value"], trial["low"], trial["high"], f"{trial['num']}")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    run = RunFolder.open(arguments.run)
    facts = {"class": run.summary["target_class"], "layer": run.config["layer"], "figures": figures(run)}
    arguments.json.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
