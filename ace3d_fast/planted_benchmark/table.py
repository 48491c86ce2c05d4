"""Every figure of the benchmark, in the order they are printed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from ace3d_fast.planted_benchmark.figures import (
    Bar,
    Figure,
    Tables,
    at_least,
    at_most,
    auroc_figure,
    figure,
    gap_figures,
)

IN_CLASS = ["seed", "class_name"]
LEVEL = 0.05


def all_figures(tables: Tables) -> list[Figure]:
    """The figures of the rows that are there."""
    parts = {
        "networks": _networks,
        "concepts": _scores,
        "matrix": _matrix,
        "stce": _published,
        "ace": _reference,
        "captum": _captum,
        "nulls": _nulls,
        "recovery": _recovery,
        "stability": _stability,
        "curves": _curves,
        "motion": _motion,
        "pooled": _pooled,
        "shortcut": _shortcut,
        "sanity": _sanity,
        "saturation": _saturation,
    }
    return [found for name, make in parts.items() if name in tables for found in make(tables[name])]


def _networks(rows: pd.DataFrame) -> list[Figure]:
    name = "accuracy on held-out videos"
    return [figure(name, "network", rows["accuracy"], rows["seed"], at_least(0.98), "networks")]


def _scores(rows: pd.DataFrame) -> list[Figure]:
    name = "AUROC within a class"
    bar = at_least(0.95)
    found = [
        auroc_figure(name, "region effect", rows, "region_effect", IN_CLASS, bar),
        auroc_figure(name, "raw × retention", rows, "raw_times_retention", IN_CLASS, bar),
        auroc_figure(name, "TCAV sign, same concepts", rows, "tcav_sign", IN_CLASS),
        auroc_figure(name, "TCAV magnitude, same concepts", rows, "tcav_magnitude", IN_CLASS),
    ]
    causal, others = rows[rows["causal"]], rows[~rows["causal"]]
    labelled = rows[(rows["stands_for"] != "background") & (rows["status"] == "accepted")]
    whole = rows[rows["primitive"] != "background"]
    return [
        *found,
        _share("power: causal concepts accepted", "calibrated", causal, "accepted", at_least(0.9)),
        _share("non-causal concepts accepted", "calibrated", others, "accepted", at_most(0.05)),
        figure(
            "purity of accepted concepts, regions that stand alone",
            "calibrated",
            labelled["purity"],
            labelled["seed"],
            at_least(0.9),
            "concepts",
        ),
        figure(
            "purity of clusters of primitives, all regions",
            "calibrated",
            whole["purity_of_all"],
            whole["seed"],
            None,
            "concepts",
        ),
    ]


def _matrix(rows: pd.DataFrame) -> list[Figure]:
    name = "AUROC on the concept × class matrix"
    bar = at_least(0.95)
    causal, others = rows[rows["causal"]], rows[~rows["causal"]]
    return [
        auroc_figure(name, "region effect", rows, "region_effect", ["seed"], bar),
        auroc_figure(name, "raw × retention", rows, "raw_times_retention", ["seed"], bar),
        auroc_figure(name, "TCAV sign, same concepts", rows, "tcav_sign", ["seed"]),
        auroc_figure(name, "TCAV magnitude, same concepts", rows, "tcav_magnitude", ["seed"]),
        _share("matrix: causal cells accepted", "calibrated", causal, "accepted"),
        _share("matrix: non-causal cells accepted", "calibrated", others, "accepted", at_most(0.05)),
    ]


def _peer(rows: pd.DataFrame, method: str, scores: Sequence[tuple[str, str]]) -> list[Figure]:
    name = "AUROC within a class"
    found = [auroc_figure(name, f"{method}, {label}", rows, score, IN_CLASS) for score, label in scores]
    hits = rows[rows["causal"] & rows["accepted"]].groupby(IN_CLASS).size()
    units = rows[IN_CLASS].drop_duplicates()
    hit = pd.Series([float(tuple(unit) in hits.index) for unit in units.to_numpy().tolist()])
    return [
        *found,
        figure("share of classes hit", method, hit, units["seed"].reset_index(drop=True), None, "classes"),
        _flag(rows[~rows["causal"]], method),
    ]


def _published(rows: pd.DataFrame) -> list[Figure]:
    return _peer(rows, "stce", [("tcav_sign", "sign"), ("tcav_magnitude", "magnitude")])


def _reference(rows: pd.DataFrame) -> list[Figure]:
    return _peer(
        rows, "scikit-image + scikit-learn", [("tcav_sign", "sign"), ("tcav_magnitude", "magnitude")]
    )


def _captum(rows: pd.DataFrame) -> list[Figure]:
    return _peer(rows, "Captum TCAV", [("sign_count", "sign"), ("magnitude", "magnitude")])


def _flag(rows: pd.DataFrame, method: str) -> Figure:
    values = rows["accepted"].astype(float)
    return figure("non-causal concepts accepted", method, values, rows["seed"], None, "concepts")


def _nulls(rows: pd.DataFrame) -> list[Figure]:
    name, after = f"false positives on null concepts, {LEVEL:g}", "the same after Benjamini-Hochberg"
    found = []
    for kind, method in (("effect", "region effect"), ("raw", "raw score")):
        p, q = (rows[f"{letter}_{kind}"] <= LEVEL for letter in "pq")
        found.append(figure(name, method, p.astype(float), rows["seed"], at_most(0.08), "nulls"))
        found.append(figure(after, method, q.astype(float), rows["seed"], at_most(0.01), "nulls"))
    if "p_published" in rows:
        p = (rows["p_published"] <= 0.01).astype(float)
        words = "false positives on null concepts, 0.01"
        found.append(figure(words, "t-test of the published recipe", p, rows["seed"], None, "nulls"))
    return found


def _recovery(rows: pd.DataFrame) -> list[Figure]:
    hit, iou = rows["hit"].astype(float), rows.loc[rows["hit"], "iou"]
    seeds = rows.loc[rows["hit"], "seed"]
    return [
        figure("share of classes hit", "calibrated", hit, rows["seed"], at_least(1.0), "classes"),
        figure("mean mask IoU of classes hit", "calibrated", iou, seeds, at_least(0.65), "classes"),
        figure(
            "mean mask IoU, classes not hit as 0", "calibrated", rows["iou"], rows["seed"], None, "classes"
        ),
    ]


def _stability(rows: pd.DataFrame) -> list[Figure]:
    name = "stability over clustering seeds"
    return [
        figure(f"{name}, matched cosine", "calibrated", rows["cosine"], rows["seed"], at_least(0.9), "pairs"),
        figure(f"{name}, AMI", "calibrated", rows["ami"], rows["seed"], at_least(0.8), "pairs"),
        figure(f"{name}, Spearman of scores", "calibrated", rows["spearman"], rows["seed"], None, "pairs"),
    ]


def _curves(rows: pd.DataFrame) -> list[Figure]:
    return [found for fill in ("mean", "blur") for found in gap_figures(rows, fill)]


def _motion(rows: pd.DataFrame) -> list[Figure]:
    explained = rows[rows["explains"]]
    name = "AUROC of motion dependence, motion against appearance"
    found = [auroc_figure(name, "calibrated", explained, "motion_dependence", ["seed"], at_least(0.95))]
    for kind, part in (
        ("motion", explained[explained["causal"]]),
        ("appearance", explained[~explained["causal"]]),
    ):
        words = f"motion dependence of {kind} primitives"
        found.append(figure(words, "calibrated", part["motion_dependence"], part["seed"], None, "concepts"))
    return found


def _pooled(rows: pd.DataFrame) -> list[Figure]:
    found = []
    name = "Spearman of pooled against masked scores"
    for words, part, bar in (
        ("before the gate", rows, None),
        ("after the gate", rows[rows["stands"]], at_least(0.9)),
    ):
        values = {
            seed: spearmanr(own["pooled"], own["masked"]).statistic for seed, own in part.groupby("seed")
        }
        series = pd.Series(values, dtype=float)
        seeds = pd.Series(series.index, index=series.index)
        found.append(figure(f"{name}, {words}", "calibrated", series, seeds, bar, "networks"))
    return found


def _shortcut(rows: pd.DataFrame) -> list[Figure]:
    found = []
    for used, part in rows.groupby("used"):
        kind = "that uses the tag" if used else "that ignores the tag"
        drop = part["accuracy"] - part["accuracy_random_tag"]
        found.append(
            figure(f"accuracy lost under a random tag, network {kind}", "network", drop, part["seed"])
        )
        reported = part["accepted"] & (part["rank"] <= 2)
        bar = at_least(0.9) if used else at_most(0.0)
        words = f"classes whose tag is reported, rank 1 or 2, network {kind}"
        found.append(figure(words, "calibrated", reported.astype(float), part["class_name"], bar, "classes"))
    return found


def _sanity(rows: pd.DataFrame) -> list[Figure]:
    found = []
    for name, part in rows.groupby("randomised", sort=False):
        words = "other labels" if name == "labels" else f"{name} and what is above it randomised"
        words = f"sanity: Spearman of scores, {words}"
        found.append(figure(words, "calibrated", part["spearman"], part["seed"], at_most(0.3), "networks"))
    return found


def _saturation(rows: pd.DataFrame) -> list[Figure]:
    return [
        figure("cosine between clips' gradients", "network", rows["gradient_cosine"], rows["seed"]),
        figure("null sets with a sign of 0 or 1", "TCAV sign", rows["null_saturation"], rows["seed"]),
    ]


def _share(name: str, method: str, rows: pd.DataFrame, status: str, bar: Bar | None = None) -> Figure:
    values = (rows["status"] == status).astype(np.float64)
    return figure(name, method, values, rows["seed"], bar, "concepts")
