import os
import re
import shutil

import numpy as np
import pytest
import torch
from sample_run import disc_clip, make_run

from ace3d_fast.errors import InputError, RunFolderError
from ace3d_fast.shelf import write_values
from ace3d_fast.store import SHARD_CLIPS, RunFolder, check_out
from ace3d_fast.types import Video
from ace3d_fast.workplace import Workplace


def test_clips_come_back_as_they_were(tmp_path):
    run = make_run(tmp_path / "run")
    video = next(iter(run.videos.values()))
    back, made = run.read_clip(video.id, 1), disc_clip(video, 1)
    assert torch.equal(back.clip.frames, made.clip.frames)
    assert torch.equal(back.labels, made.labels)
    assert (back.clip.stride, back.clip.start_seconds) == (made.clip.stride, made.clip.start_seconds)
    assert back.num_regions == 3


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o002, 0o664)])
def test_others_can_read_a_run_as_they_can_its_folder(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        run = make_run(tmp_path / "run")
        write_values(tmp_path / "run" / "clips", {"a": np.zeros(2)})
    finally:
        os.umask(before)
    files = [path for path in run.path.rglob("*") if path.is_file()]
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in files} == dict.fromkeys(
        [path.name for path in files], oct(mode)
    )


def test_clips_of_a_long_video_are_found_in_their_shards(tmp_path):
    run = RunFolder(tmp_path)
    video = Video("a/long.mp4", tmp_path / "long.mp4", "a", "a/long.mp4")
    clips = [disc_clip(video, i) for i in range(SHARD_CLIPS + 2)]
    run.write_clips(clips[:SHARD_CLIPS])
    run.write_clips(clips[SHARD_CLIPS:])
    run.write_videos([video])
    last = RunFolder(tmp_path).read_clip(video.id, SHARD_CLIPS + 1)
    assert torch.equal(last.clip.frames, clips[-1].clip.frames)


def test_a_run_takes_its_name_when_it_is_whole(tmp_path):
    out = tmp_path / "run"
    with Workplace(out) as run:
        run.write_json("config.json", {"seed": np.int64(1)})
        assert not out.exists()
    assert RunFolder(out).config == {"seed": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_failed_run_leaves_nothing(tmp_path):
    def fail():
        with Workplace(tmp_path / "run") as run:
            run.write_json("config.json", {})
            raise KeyError("no")

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_failed_repeat_leaves_the_old_run(tmp_path):
    run = make_run(tmp_path / "run")

    def fail():
        with Workplace(run.path):
            raise KeyError("no")

    with pytest.raises(KeyError):
        fail()
    assert RunFolder.open(run.path).summary == run.summary


@pytest.mark.parametrize("same", [True, False])
def test_what_was_put_into_a_run_stays_where_its_concepts_do(tmp_path, same):
    run = make_run(tmp_path / "run")
    (run.path / "explained" / "final").mkdir(parents=True)
    new = make_run(tmp_path / "new")
    if not same:
        new.write_table("concepts", new.concepts.assign(num_regions=9))
    with Workplace(run.path) as partial:
        shutil.copytree(new.path, partial.path, dirs_exist_ok=True)
    assert (run.path / "explained" / "final").is_dir() == same


def test_a_run_goes_where_a_link_leads(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    with Workplace(tmp_path / "run") as run:
        run.write_json("config.json", {"seed": 1})
    assert (tmp_path / "run").is_symlink()
    assert RunFolder(tmp_path / "disk").config == {"seed": 1}


def test_a_repeat_that_dies_while_it_clears_up_leaves_a_whole_run(tmp_path, monkeypatch):
    run = make_run(tmp_path / "run")

    def die(folder, **_options):
        for config in folder.rglob("config.json"):
            config.unlink()
        raise KeyboardInterrupt

    def repeat():
        with Workplace(run.path) as partial:
            shutil.copytree(run.path, partial.path, dirs_exist_ok=True)
            monkeypatch.setattr("ace3d_fast.workplace.shutil.rmtree", die)

    with pytest.raises(KeyboardInterrupt):
        repeat()
    RunFolder.open(run.path)


@pytest.mark.parametrize("replaced", [True, False])
def test_a_change_of_runs_that_died_on_the_way_is_ended(tmp_path, replaced):
    run = make_run(tmp_path / "run")
    before = Workplace(run.path).work / "before"
    shutil.copytree(run.path, before)
    (before / "explained").mkdir()
    if not replaced:
        shutil.rmtree(run.path)
    with pytest.raises(KeyError), Workplace(run.path):
        raise KeyError("no")
    assert RunFolder.open(run.path).key == run.key
    assert (run.path / "explained").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_folder_that_cannot_be_replaced_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for out in (".", tmp_path.parent):
        with pytest.raises(RunFolderError, match="the working folder"):
            check_out(out, {})
    with pytest.raises(RunFolderError, match="a mount point"):
        check_out("/proc", {})
    assert check_out("run", {}).name == "run"


def test_a_folder_whose_path_is_no_utf8_is_refused(tmp_path):
    out = tmp_path / os.fsdecode(b"r\xffn")
    for made in (lambda: Workplace(out), lambda: Workplace(tmp_path / "run", shelf=out)):
        with pytest.raises(RunFolderError, match=r"a path in UTF-8, got .*r\\xffn; choose another"), made():
            pass
    assert list(tmp_path.iterdir()) == []


def test_another_configuration_is_refused_by_name(tmp_path):
    run = make_run(tmp_path / "run")
    check_out(run.path, run.config)
    was = run.config["layer"], run.config["sampling"]["fps"]
    changed = {**run.config, "sampling": {**run.config["sampling"], "fps": 9.5}, "layer": "x"}
    told = re.escape(
        f"got {run.path}, made with layer {was[0]} (now x), sampling.fps {was[1]} (now 9.5); choose"
    )
    with pytest.raises(RunFolderError, match=told):
        check_out(run.path, changed)
    many = {**changed, "videos": ["v" * 99], "seed": 7, "weights": "w"}
    with pytest.raises(RunFolderError, match=r"seed \d \(now 7\) and 2 more; choose another --out"):
        check_out(run.path, many)


def test_a_folder_of_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(RunFolderError, match="a new or empty folder"):
        check_out(tmp_path, {})
    with pytest.raises(RunFolderError, match="expected out a folder"):
        check_out(tmp_path / "thesis.txt", {})


def test_an_incomplete_folder_is_no_run(tmp_path):
    with pytest.raises(RunFolderError, match=r"without config\.json"):
        RunFolder.open(tmp_path)


def test_a_broken_shard_is_named(tmp_path):
    run = make_run(tmp_path / "run")
    shard = next((run.path / "clips").glob("*.safetensors"))
    shard.write_bytes(b"\x00" * 20)
    with pytest.raises(RunFolderError, match=shard.name):
        [run.read_clips(video) for video in run.videos]


@pytest.mark.parametrize("index", [5, 500])  # of its shard, and of one that is not there
def test_a_clip_or_video_that_the_run_does_not_hold_is_told_as_such(tmp_path, index):
    run = make_run(tmp_path / "run")
    video = next(iter(run.videos))
    with pytest.raises(InputError, match=f"a clip that the run holds, got {index} of {video}; its table"):
        run.read_clip(video, index)
    with pytest.raises(InputError, match=r"video one of the run, got 'x\.mp4'; it has "):
        run.read_clip("x.mp4", 0)
