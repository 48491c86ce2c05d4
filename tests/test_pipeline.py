"""The main job on planted videos, whose causal regions are known."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ace3d_fast import RunFolder, describer, explain
from ace3d_fast.errors import InputError, RunFolderError, VideoError
from ace3d_fast.models.load import digest, load_module
from ace3d_fast.models.planted import PlantedNet
from ace3d_fast.names import write_names
from ace3d_fast.stages import clips
from ace3d_fast.tables import CONCEPT_COLUMNS, REGION_COLUMNS
from ace3d_fast.video.planted import CLASSES, PRIMITIVES, read_truth, write_planted_videos

TARGET = "red_checker"


def explain_planted(planted, out, **changes):
    given = {"target_class": TARGET, "model": "planted:net", "weights": planted.weights_path, "out": out}
    return explain(**{"videos": planted.videos_folder, **given, **changes})


@pytest.fixture(scope="module")
def run(planted, tmp_path_factory) -> RunFolder:
    return explain_planted(planted, tmp_path_factory.mktemp("runs") / "calibrated")


def share_of_primitive(run: RunFolder, region: pd.Series, primitive: str) -> float:
    """Share of a region's voxels that show ``primitive``."""
    clip = run.read_clip(region["video"], int(region["clip"]))
    inside = (clip.network_labels == int(region["index"])).any(0).numpy()
    masks, _ = read_truth(run.videos[region["video"]].path)
    return float((masks[PRIMITIVES.index(primitive)] & inside).sum() / inside.sum())


def test_accepted_concepts_show_what_decides_the_class(run):
    accepted = run.concepts[run.concepts["status"] == "accepted"]
    assert len(accepted) >= 1
    for regions in accepted["example_regions"]:
        shares = [share_of_primitive(run, run.regions.iloc[r], TARGET) for r in regions]
        assert np.median(shares) > 0.35


def test_halo_concepts_are_context_not_causes(run):
    context = run.concepts[run.concepts["status"] == "context"]
    assert len(context) >= 1
    assert context["retention"].max() < 0.35
    assert context["region_effect"].max() < run.concepts["region_effect"].max() / 2


def test_the_regions_shown_of_an_accepted_concept_stand_alone(run):
    accepted = run.concepts[run.concepts["status"] == "accepted"]
    for row in accepted.itertuples():
        kept = run.regions.loc[row.example_regions, "retention"]
        assert (kept >= 0.35).all()
        members = run.regions[(run.regions["concept"] == row.concept) & run.regions["retention"].notna()]
        stand = members["retention"] >= 0.35
        shares = np.array([share_of_primitive(run, region, TARGET) for _, region in members.iterrows()])
        assert shares[stand].mean() > 0.5
        assert not (~stand).any() or shares[~stand].mean() < shares[stand].mean() - 0.15


def test_the_best_concept_alone_beats_a_random_one(run):
    assert set(run.evaluation["fill"]) == {"mean", "blur"}
    curves = run.evaluation[run.evaluation["fill"] == "mean"].set_index(["curve", "order", "k"])
    alone = curves.loc["ssc"]["probability"]
    assert alone["top", 1] > alone["least", 0] + 0.5  # the fill alone
    assert alone["top", 1] >= alone["random", 1] - 1e-6
    assert curves.loc[("sdc", "top", 0), "accuracy"] == 1.0


def test_tables_have_the_documented_columns(run):
    assert run.concepts.columns.tolist() == CONCEPT_COLUMNS
    assert run.regions.columns.tolist() == REGION_COLUMNS
    assert (run.regions["region"] == np.arange(len(run.regions))).all()
    page = (Path(__file__).parents[1] / "docs/run-folder.md").read_text()
    for column in {*CONCEPT_COLUMNS, *REGION_COLUMNS, *run.scores.columns, *run.evaluation.columns}:
        assert f"`{column}`" in page, column


def test_every_tested_concept_has_its_directions(run):
    tested = run.concepts[run.concepts["cav_accuracy"].notna()]
    assert set(run.cavs) == {f"concept_{c:02d}" for c in tested["concept"]}
    for directions in run.cavs.values():
        np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, atol=1e-5)


def test_the_summary_counts_the_input(run):
    summary = run.summary
    assert (summary["num_videos"], summary["num_target_videos"]) == (90, 15)
    assert (summary["accuracy"], summary["split"], summary["skipped"]) == (1.0, "thirds", [])
    halo = summary["pooled_against_masked"]
    mine = (run.regions["label"] == summary["target_class"]).sum()
    assert halo["num_regions"] == max(20, round(0.05 * mine))
    assert halo["cosine_low"] < halo["cosine"] < halo["cosine_high"] < 1
    assert halo["spearman_low"] <= halo["spearman"] <= halo["spearman_high"]


def test_a_run_holds_what_new_videos_need(run, planted):
    assert run.summary["class_names"] == list(CLASSES)
    weights = load_module("planted:net", planted.weights_path).module
    assert run.summary["network_digest"] == digest(weights)
    centers, reach = run.centers["centers"], run.centers["reach"]
    assert centers.shape == (len(run.concepts), 64)
    mine = run.regions[run.regions["concept"] >= 0]
    furthest = mine.groupby("concept")["distance"].max()
    np.testing.assert_allclose(reach[furthest.index], furthest)


def test_timings_hold_the_stages(run):
    stages = run.timings["stages"]
    assert {"decode", "segment", "forward", "pool", "effects", "evaluation", "report"} <= set(stages)
    assert all(seconds >= 0 for seconds in stages.values())
    assert run.timings["counts"]["forwards"] > 90


@pytest.fixture(scope="module")
def few(planted, tmp_path_factory) -> Path:
    """Six videos of each of three classes."""
    folder = tmp_path_factory.mktemp("few") / "videos"
    shutil.copytree(planted.videos_folder.parent / "truth", folder.parent / "truth")
    for name in CLASSES[:3]:
        (folder / name).mkdir(parents=True)
        for video in sorted((planted.videos_folder / name).glob("*.mp4"))[:6]:
            shutil.copy(video, folder / name)
    return folder


FEW = {"num_regions": [15, 30], "num_clusters": 5, "forwards_per_concept": 8}


def test_same_seed_same_files(planted, few, tmp_path):
    runs = [explain_planted(planted, tmp_path / name, videos=few, **FEW) for name in "ab"]
    names = sorted(str(p.relative_to(runs[0].path)) for p in runs[0].path.rglob("*") if p.is_file())
    assert len(names) > 9
    for name in set(names) - {"timings.json", "report.html"}:
        assert (runs[0].path / name).read_bytes() == (runs[1].path / name).read_bytes(), name


def test_a_run_can_be_repeated_in_place_but_not_replaced_by_another(planted, few, tmp_path):
    out = tmp_path / "run"
    first = explain_planted(planted, out, videos=few, **FEW).concepts
    folder = RunFolder(out)
    write_names(out, folder.key, {int(first["concept"].iloc[0]): "my own word"})
    (out / "explained").mkdir()
    again = explain_planted(planted, out, videos=few, **FEW)
    assert again.concepts.equals(first)
    assert again.names == {int(first["concept"].iloc[0]): "my own word"}
    assert "my own word" in again.report_path.read_text()
    assert (out / "explained").is_dir()
    with pytest.raises(RunFolderError, match="made with seed 0"):
        explain_planted(planted, out, videos=few, seed=7, **FEW)


def test_few_videos_are_scored_leaving_one_out(planted, few, tmp_path):
    run = explain_planted(planted, tmp_path / "run", videos=few, **FEW)
    assert run.summary["split"] == "leave-one-out"


def test_twelve_videos_of_one_clip_are_too_few_for_thirds(planted, tmp_path):
    rows = [
        f"{video},{name}"
        for name, most in ((TARGET, 12), ("flicker", 3))
        for video in sorted((planted.videos_folder / name).glob("*.mp4"))[:most]
    ]
    table = tmp_path / "videos.csv"
    table.write_text("\n".join(["path,label", *rows]))
    run = explain_planted(planted, tmp_path / "run", videos=table, **FEW)
    assert run.summary["split"] == "leave-one-out"
    assert run.summary["num_tested"] >= 1


def test_the_published_recipe_runs_on_the_same_code(planted, few, tmp_path):
    run = explain_planted(planted, tmp_path / "run", videos=few, preset="stce", num_regions=[15, 30])
    assert run.config["concepts"]["num_clusters"] == 25
    assert run.summary["split"] == "none"
    tested = run.concepts[run.concepts["p_value"].notna()]
    assert len(tested) >= 1
    assert tested["region_effect"].isna().all()
    assert tested["tcav_sign"].between(0, 1).all()
    assert tested["retention"].isna().all()
    assert run.regions["sensitivity"].isna().all()
    assert "region effect" not in " ".join(run.summary["warnings"])  # there is none


def test_a_shared_vocabulary_scores_every_class(planted, few, tmp_path):
    shared = {**FEW, "num_clusters": 9, "vocabulary": "shared"}
    run = explain_planted(planted, tmp_path / "run", videos=few, **shared)
    assert run.matrix is not None
    assert set(run.matrix["class_name"]) == set(CLASSES[:3])
    assert run.matrix.groupby("concept")["class_name"].nunique().eq(3).all()
    best = run.matrix.loc[run.matrix.groupby("class_name")["region_effect"].idxmax()]
    for row in best.itertuples():  # what moves a class most shows what decides it, more than regions do
        regions = run.regions[run.regions["label"] == row.class_name]
        nearest = regions[regions["concept"] == row.concept].sort_values("distance").head(8)
        others = regions[regions["concept"] != row.concept].sample(40, random_state=0)
        shares, of_others = (
            [share_of_primitive(run, region, row.class_name) for _, region in some.iterrows()]
            for some in (nearest, others)
        )
        assert np.median(shares) > 0.35, row.class_name
        assert np.mean(shares) > 10 * np.mean(of_others), row.class_name
    assert len(run.concepts) == 9
    own = explain_planted(planted, tmp_path / "own", videos=few, **FEW)
    assert own.matrix is None


def test_regions_can_be_clustered_in_another_way(planted, few, tmp_path):
    run = explain_planted(planted, tmp_path / "run", videos=few, clusters="agglomerative", **FEW)
    assert run.config["concepts"]["method"] == "agglomerative"
    assert len(run.concepts) == 5
    best = run.concepts.loc[run.concepts["region_effect"].idxmax()]
    shares = [share_of_primitive(run, run.regions.iloc[r], TARGET) for r in best["example_regions"]]
    assert np.median(shares) > 0.3


def test_the_reference_backend_finds_the_same_scores(planted, few, tmp_path):
    runs = [
        explain_planted(planted, tmp_path / name, videos=few, backend=name, **FEW)
        for name in ("native", "reference")
    ]
    native, twin = (run.concepts.set_index("concept") for run in runs)
    assert native["num_regions"].sum() == pytest.approx(twin["num_regions"].sum(), rel=0.02)
    best = [table["region_effect"].max() for table in (native, twin)]
    assert best[0] == pytest.approx(best[1], rel=0.15)


def test_the_reference_backend_goes_the_published_way(planted, few, tmp_path):
    run = explain_planted(
        planted, tmp_path / "run", videos=few, preset="stce", backend="reference", num_regions=[15]
    )
    assert run.timings["counts"]["forwards"] >= len(run.regions)
    assert run.summary["num_clips"] == run.summary["num_videos"]


def test_a_bad_video_is_skipped_and_listed(planted, few, tmp_path):
    videos = tmp_path / "videos"
    shutil.copytree(few, videos)
    (videos / TARGET / "notes.mp4").write_text("no video at all")
    run = explain_planted(planted, tmp_path / "run", videos=videos, **FEW)
    (skipped,) = run.summary["skipped"]
    assert skipped["video"].endswith("notes.mp4")
    assert skipped["reason"]
    assert run.summary["num_target_videos"] == 6


def test_a_video_that_breaks_after_its_first_clips_is_skipped_whole(planted, few, tmp_path, monkeypatch):
    broken = sorted((few / CLASSES[1]).glob("*.mp4"))[0]
    read_whole = clips.read_clips

    def read(video, sampling, **how):
        yield from read_whole(video, sampling, **how)
        if video.path.name == broken.name:
            raise VideoError(f"read_clips: expected {video.path} to decode, got garbage")

    monkeypatch.setattr(clips, "read_clips", read)
    monkeypatch.setattr(describer, "SHARD_CLIPS", 1)  # the first clip is used before the fault shows
    run = explain_planted(planted, tmp_path / "run", videos=few, **FEW)
    (skipped,) = run.summary["skipped"]
    assert skipped["video"].endswith(broken.name)
    assert not run.regions["video"].str.endswith(broken.name).any()
    assert len(list((run.path / "clips").glob("*.safetensors"))) == len(run.videos) == 17
    assert run.regions["clip_id"].nunique() == run.regions["clip_id"].max() + 1 == 17


class NanNet(PlantedNet):
    def forward(self, x):
        return super().forward(x * float("nan"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target_class": "dive"}, r"expected videos of class 'dive' to exist, got none .* red_checker"),
        ({"layer": "conv44"}, "conv4"),
        ({"model": "planted:nett"}, "planted:net"),
        ({"device": "cuda"}, "cuda"),
        ({"module": NanNet()}, "finite"),
        ({"num_clusters": 5000}, "more regions than clusters"),
        ({"labels": "nowhere.txt"}, r"nowhere\.txt"),
    ],
)
def test_a_users_mistake_is_one_line_and_leaves_nothing(planted, few, tmp_path, changes, message):
    if changes.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("needs a machine without a GPU")
    with pytest.raises(InputError, match=message) as caught:
        explain_planted(planted, tmp_path / "run", videos=few, **{**FEW, **changes})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
    found_late = "num_clusters" in changes  # described videos are kept for the next try
    assert [path.name for path in tmp_path.iterdir()] == [".run.work"] * found_late


def test_too_few_videos_of_the_class_say_what_to_do(planted, few, tmp_path):
    videos = tmp_path / "videos"
    shutil.copytree(few, videos)
    for video in sorted((videos / TARGET).iterdir())[2:]:
        video.unlink()
    with pytest.raises(InputError, match=r"at least 3 videos .* add videos of the class"):
        explain_planted(planted, tmp_path / "run", videos=videos, **FEW)


def test_one_class_is_no_input(planted, few, tmp_path):
    with pytest.raises(InputError, match="at least two classes"):
        explain_planted(planted, tmp_path / "run", videos=few / TARGET, **FEW)


def test_a_folder_of_3d_ace_is_read_as_it_is(tmp_path):
    """Random videos are the counterexamples; what the sets share with each other or the class counts once."""
    made = write_planted_videos(tmp_path / "made", videos_per_class=6, seed=3)
    source = tmp_path / "source"
    shutil.copytree(made / TARGET, source / TARGET)
    shutil.copytree(made / CLASSES[1], source / CLASSES[1])
    for folder, names in {"random_discovery": CLASSES[2:4], "random500_0": CLASSES[3:5]}.items():
        for video in (video for name in names for video in sorted((made / name).glob("*.mp4"))[:3]):
            (source / folder).mkdir(exist_ok=True)
            shutil.copy(video, source / folder)
    shutil.copy(min((made / TARGET).glob("*.mp4")), source / "random500_0")
    run = explain(
        source, target_class=TARGET, model="planted:net", out=tmp_path / "run", **{**FEW, "num_clusters": 3}
    )
    found = run.regions.groupby("label")["video"].nunique().to_dict()
    assert found == {TARGET: 6, "random_discovery": 9}
    assert run.concepts["cav_accuracy"].notna().any()  # directions against random videos
