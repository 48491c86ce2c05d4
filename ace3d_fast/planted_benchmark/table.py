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
    above,
    at_least,
    at_most,
    auroc_figure,
    aurocs,
    figure,
    gap_figures,
)

IN_CLASS = ["seed", "class_name"]
LEVEL = 0.05
TCAV_SCORES = (("tcav_sign", "sign"), ("tcav_magnitude", "magnitude"))
# Tables of other methods: what they are called, and their scores.
PEERS = {
    "stce": ("stce", TCAV_SCORES),
    "ace": ("scikit-image + scikit-learn", TCAV_SCORES),
    "captum": ("Captum TCAV", (("sign_count", "sign"), ("magnitude", "magnitude"))),
}
TIMES = "\N{MULTIPLICATION SIGN}"


def all_figures(tables: Tables) -> list[Figure]:
    """The figures of the rows that are there."""
    parts = {
        "networks": _networks,
        "concepts": _scores,
        "scorers": _scorers,
        "sobol": _sobol,
        "matrix": _matrix,
        "stce": _published,
        "ace": _reference,
        "captum": _captum,
        "nulls": _nulls,
        "recovery": _recovery,
        "stability": _stability,
        "curves": _curves,
        "latent": _latent,
        "fidelity": _fidelity,
        "motion": _motion,
        "pooled": _pooled,
        "shortcut": _shortcut,
        "sanity": _sanity,
        "saturation": _saturation,
    }
    found = [figure for name, make in parts.items() if name in tables for figure in make(tables[name])]
    return found + _beyond(tables)


def _beyond(tables: Tables) -> list[Figure]:
    """The headline score's AUROC minus that of each peer, network by network."""
    if "concepts" not in tables:
        return []
    found = []
    ours = aurocs(tables["concepts"], "region_effect", IN_CLASS).groupby("seed")["auroc"].mean()
    for name, (method, scores) in PEERS.items():
        for score, label in scores if name in tables else ():
            theirs = aurocs(tables[name], score, IN_CLASS).groupby("seed")["auroc"].mean()
            gap = (ours - theirs).dropna()
            words = f"AUROC within a class, region effect minus that of {method}, {label}"
            seeds = pd.Series(gap.index, index=gap.index)
            found.append(figure(words, "calibrated", gap, seeds, above(0.0), "networks"))
    return found


def _networks(rows: pd.DataFrame) -> list[Figure]:
    name = "accuracy on held-out videos"
    return [figure(name, "network", rows["accuracy"], rows["seed"], at_least(0.98), "networks")]


def _scores(rows: pd.DataFrame) -> list[Figure]:
    name = "AUROC within a class"
    bar = at_least(0.95)
    found = [
        auroc_figure(name, "region effect", rows, "region_effect", IN_CLASS, bar),
        auroc_figure(name, f"raw {TIMES} retention", rows, "raw_times_retention", IN_CLASS, bar),
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
            at_least(0.9),
            "concepts",
        ),
    ]


def _scorers(rows: pd.DataFrame) -> list[Figure]:
    name, found = "AUROC within a class", []
    for scorer, part in rows.groupby("scorer", sort=False):
        words = f"{str(scorer).replace('_', ' ')} {TIMES} retention"
        bar = at_least(0.95) if scorer == "integrated_gradients" else None
        found.append(auroc_figure(name, words, part, "value", IN_CLASS, bar))
    return found


def _sobol(rows: pd.DataFrame) -> list[Figure]:
    return [auroc_figure("AUROC within a class", "total Sobol index", rows, "sobol", IN_CLASS)]


def _matrix(rows: pd.DataFrame) -> list[Figure]:
    name = f"AUROC on the concept {TIMES} class matrix"
    bar = at_least(0.95)
    causal, others = rows[rows["causal"]], rows[~rows["causal"]]
    return [
        auroc_figure(name, "region effect", rows, "region_effect", ["seed"], bar),
        auroc_figure(name, f"raw {TIMES} retention", rows, "raw_times_retention", ["seed"], bar),
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
    return _peer(rows, *PEERS["stce"])


def _reference(rows: pd.DataFrame) -> list[Figure]:
    return _peer(rows, *PEERS["ace"])


def _captum(rows: pd.DataFrame) -> list[Figure]:
    return _peer(rows, *PEERS["captum"])


def _flag(rows: pd.DataFrame, method: str) -> Figure:
    values = rows["accepted"].astype(float)
    return figure("non-causal concepts accepted", method, values, rows["seed"], None, "concepts")


def _nulls(rows: pd.DataFrame) -> list[Figure]:
    name, after = f"false positives on null concepts, {LEVEL:g}", "the same after Benjamini-Hochberg"
    found = []
    for kind, method in (("effect", "region effect"), ("raw", "raw score")):
        p, q = ((rows[f"{letter}_{kind}"] <= LEVEL).astype(float) for letter in "pq")
        found.append(figure(name, method, p, rows["seed"], at_most(0.08), "nulls"))
        found.append(figure(after, method, q, rows["seed"], at_most(0.01), "nulls"))
    if "p_published" in rows:
        fired = (rows["p_published"] <= 0.01).astype(float)
        words = "false positives on null concepts, 0.01"
        found.append(figure(words, "t-test of the published recipe", fired, rows["seed"], None, "nulls"))
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


def _latent(rows: pd.DataFrame) -> list[Figure]:
    """C-insertion and C-deletion: the top order against the random one."""
    found = []
    for curve, sign in (("insertion", 1.0), ("deletion", -1.0)):
        for k in (1, 2):
            part = rows[(rows["curve"] == curve) & (rows["k"] == k)]
            gap = sign * (part["top"] - part["random"])
            words = "top minus random" if sign > 0 else "random minus top"
            name = f"C-{curve}, {words}, k = {k}"
            found.append(figure(name, "calibrated", gap, part["seed"], None, "videos"))
    return found


def _fidelity(rows: pd.DataFrame) -> list[Figure]:
    return [
        figure("muFidelity", str(name).replace("_", " "), part["mu_fidelity"], part["seed"], None, "videos")
        for name, part in rows.groupby("attribution", sort=False)
    ]


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
    """Spearman over the concepts of a network, each with its own class or with all of them."""
    found = []
    for vocabulary, own in rows.groupby("vocabulary"):
        where = "concepts of their class" if vocabulary == "class" else f"concept {TIMES} class matrix"
        for words, part, bar in (
            ("before the gate", own, None),
            ("after the gate", own[own["stands"]], at_least(0.9)),
        ):
            name = f"Spearman of pooled against masked scores, {where}, {words}"
            values = {
                seed: spearmanr(of_seed["pooled"], of_seed["masked"]).statistic
                for seed, of_seed in part.groupby("seed")
            }
            series = pd.Series(values, dtype=float)
            seeds = pd.Series(series.index, index=series.index)
            found.append(figure(name, "calibrated", series, seeds, bar, "networks"))
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
        classes = part["seed"].astype(str) + part["class_name"]
        found.append(figure(words, "calibrated", reported.astype(float), classes, bar, "classes"))
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
