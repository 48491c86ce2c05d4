"""The benchmark from end to end on one small network: it has to find the planted truth."""

import json
from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from ace3d_fast.cli.app import app
from ace3d_fast.errors import InputError
from ace3d_fast.planted_benchmark import run, settings
from ace3d_fast.video.planted import CLASSES

SEED = 11  # no seed that is reported
SMALL = replace(
    settings.QUICK,
    num_steps=150,
    videos_per_class=12,
    candidates=(8,),
    shared_candidates=(20,),
    forwards_per_concept=10,
    nulls_per_class=4,
    evaluated_videos=1,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("planted") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "QUICK", SMALL)
        command = ["planted", "--quick", "--seeds", str(SEED), "--processes", "1", "--out", str(out)]
        result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0
    assert "AUROC within a class" in result.stdout
    assert "met" in result.stdout
    return out


@pytest.fixture(scope="module")
def figures(folder):
    found = json.loads((folder / "planted.json").read_text(encoding="utf-8"))
    assert found["settings"]["seeds"] == [SEED]
    assert found["cpu_seconds"] > 1
    return {(f["name"], f["method"]): f for f in found["figures"]}


def test_causal_concepts_are_told_from_the_rest(figures):
    assert figures["AUROC within a class", "region effect"]["value"] >= 0.9
    assert figures["power: causal concepts accepted", "calibrated"]["value"] >= 0.5
    assert figures["non-causal concepts accepted", "calibrated"]["value"] <= 0.1


def test_classes_are_recovered(folder, figures):
    assert figures["share of classes hit", "calibrated"]["value"] >= 0.5
    rows = pd.read_parquet(folder / "recovery.parquet")
    assert sorted(rows["class_name"]) == sorted(CLASSES)
    assert (rows["hit"] == (rows["iou"] > 0)).all()


def test_the_rows_hold_both_causal_concepts_and_others(folder):
    rows = pd.read_parquet(folder / "concepts.parquet")
    assert rows["causal"].sum() >= 4
    assert (~rows["causal"]).sum() >= 12
    assert (rows.loc[rows["causal"], "primitive"] == rows.loc[rows["causal"], "class_name"]).all()
    nulls = pd.read_parquet(folder / "nulls.parquet")
    assert len(nulls) == SMALL.nulls_per_class * len(CLASSES)
    assert nulls["p_effect"].between(0.001, 1).all()
    assert nulls["p_effect"].std() > 0.1


def test_top_concepts_matter_more_than_random_ones(figures):
    assert figures["SSC, top minus random, k = 1, fill mean", "calibrated"]["value"] > 0.2
    assert figures["SDC, random minus top, k = 1, fill mean", "calibrated"]["value"] > 0.2


def test_no_figure_of_the_quick_benchmark_is_missing(figures):
    missing = [key for key, f in figures.items() if f["value"] is None or not np.isfinite(f["value"])]
    assert missing == []


def test_only_the_same_benchmark_is_replaced(folder, tmp_path, monkeypatch):
    def told(out):
        return CliRunner().invoke(app, ["planted", "--quick", "--seeds", str(SEED), "--out", str(out)])

    (tmp_path / "notes.txt").write_text("mine")
    monkeypatch.setattr(settings, "QUICK", SMALL)
    monkeypatch.setattr(run, "run_benchmark", Mock(side_effect=InputError("began")))
    refused = told(tmp_path)
    assert refused.exit_code == 2
    assert f"planted: expected out a new or empty folder, got {tmp_path} with other files" in refused.stderr
    assert told(tmp_path / "new").stderr == told(folder).stderr == "ace3d-fast: began\n"
    monkeypatch.setattr(settings, "QUICK", replace(SMALL, num_steps=1))
    assert "expected out without another benchmark, got a benchmark with other" in told(folder).stderr


@pytest.mark.parametrize("seeds", ["0,0", "1,x", ""])
def test_seeds_that_cannot_be_used_are_said(seeds):
    result = CliRunner().invoke(app, ["planted", "--seeds", seeds])
    assert result.exit_code == 2
    assert "different whole numbers" in result.output.replace("\n", " ")
