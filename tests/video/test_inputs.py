from __future__ import annotations

import os
from pathlib import Path

import pytest

from ace3d_fast.errors import InputError
from ace3d_fast.video.inputs import RANDOM, choose_videos, class_names, list_videos


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def test_class_subfolders_give_sorted_videos_with_their_class(tmp_path):
    touch(tmp_path, "b/2.mp4", "b/1.AVI", "a/z.mkv", "a/notes.txt", "a/.hidden.mp4", ".cache/x.mp4", "c/")
    videos = list_videos([tmp_path])
    assert [(v.id, v.label, v.group) for v in videos] == [
        ("a/z.mkv", "a", "a/z.mkv"),
        ("b/1.AVI", "b", "b/1.AVI"),
        ("b/2.mp4", "b", "b/2.mp4"),
    ]
    assert videos[0].path == tmp_path / "a/z.mkv"


def test_a_folder_of_videos_is_one_class(tmp_path):
    touch(tmp_path, "tennis/1.mp4", "tennis/2.mp4")
    assert [(v.id, v.label) for v in list_videos([tmp_path / "tennis"])] == [
        ("1.mp4", "tennis"),
        ("2.mp4", "tennis"),
    ]


def test_a_single_file_is_of_its_folders_class(tmp_path):
    touch(tmp_path, "tennis/1.mp4")
    (video,) = list_videos([tmp_path / "tennis" / "1.mp4"])
    assert (video.id, video.label) == ("tennis/1.mp4", "tennis")


@pytest.mark.parametrize("header", ["", "path,label,group\n", "\ufeffpath,label\n"])
def test_csv_rows_are_relative_to_the_file_and_may_name_a_group(tmp_path, header):
    touch(tmp_path, "clips/1.mp4", "clips/2.mp4")
    table = tmp_path / "list.csv"
    table.write_text(f"{header}clips/2.mp4, dive ,cam1\n\nclips/1.mp4,swim\n", encoding="utf-8")
    found = [(v.id, v.path, v.label, v.group) for v in list_videos([table])]
    assert found == [
        ("clips/2.mp4", tmp_path / "clips/2.mp4", "dive", "cam1"),
        ("clips/1.mp4", tmp_path / "clips/1.mp4", "swim", "clips/1.mp4"),
    ]


def test_equal_names_of_two_folders_get_ids_of_their_own(tmp_path):
    touch(tmp_path, "one/a/1.mp4", "two/a/1.mp4")
    videos = list_videos([tmp_path / "one", tmp_path / "two"])
    assert [v.id for v in videos] == ["a/1.mp4", "two/a/1.mp4"]
    assert [v.group for v in videos] == ["a/1.mp4", "two/a/1.mp4"]


def test_a_file_named_twice_is_listed_once(tmp_path):
    touch(tmp_path, "a/1.mp4", "a/2.mp4")
    assert [v.id for v in list_videos([tmp_path / "a/1.mp4", tmp_path])] == ["a/1.mp4", "a/2.mp4"]


def test_a_file_of_two_classes_is_refused(tmp_path):
    touch(tmp_path, "a/1.mp4")
    (tmp_path / "list.csv").write_text("a/1.mp4,b\n")
    with pytest.raises(InputError, match=r"1\.mp4 to have one class, got 'a' and 'b'"):
        list_videos([tmp_path, tmp_path / "list.csv"])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "to hold rows path,label"),
        ("path,label\n", "to hold rows path,label"),
        ("a/1.mp4\n", r"row 1 of .*list.csv to be path,label\[,group\], got 'a/1.mp4'"),
        ("path,label\na/1.mp4,\n", r"row 2 of .*list.csv to be path,label"),
        ("a/9.mp4,x\n", r"row 1 of .*list.csv to name a video file, got .*9.mp4: nothing there; .* header"),
        ("video,class\na/1.mp4,x\n", r"row 1 of .*nothing there; .*, and a header is path,label\[,group\]$"),
        ("path,label\na/9.mp4,x\n", r"row 2 of .*nothing there; paths are relative to the CSV file$"),
        ("path;label\na/1.mp4;x\n", r"row 1 of .*got 'path;label'; separate its cells by commas, and"),
    ],
)
def test_a_bad_csv_is_told_by_its_row(tmp_path, rows, message):
    touch(tmp_path, "a/1.mp4")
    (tmp_path / "list.csv").write_text(rows)
    with pytest.raises(InputError, match=message) as caught:
        list_videos([tmp_path / "list.csv"])
    assert "\n" not in str(caught.value)


def test_a_csv_of_other_bytes_is_refused(tmp_path):
    (tmp_path / "list.csv").write_bytes(b"\xff\xfe\x00videos")
    with pytest.raises(InputError, match="to be a CSV file in UTF-8"):
        list_videos([tmp_path / "list.csv"])


@pytest.mark.parametrize("name", ["list.tsv", "list.txt", "list.xlsx"])
def test_a_list_of_another_kind_is_no_video(tmp_path, name):
    path = tmp_path / name
    path.write_text("a/1.mp4\tx\n")
    with pytest.raises(
        InputError, match=r"got a file of the kind \..*; save a list of videos as a .csv file"
    ):
        list_videos([path])


def test_a_list_through_a_pipe_is_told_as_one():
    reading, writing = os.pipe()
    with pytest.raises(InputError, match=r"got a pipe or device; save a list of videos as a \.csv file"):
        list_videos([f"/dev/fd/{reading}"])
    os.close(reading)
    os.close(writing)


def test_missing_and_empty_folders_say_what_was_looked_for(tmp_path):
    with pytest.raises(InputError, match=r"absent to be a folder, a CSV file or a video, got nothing there"):
        list_videos([tmp_path / "absent"])
    touch(tmp_path, "empty/class/readme.txt")
    with pytest.raises(InputError, match=r"got none; looked for \*\.mp4 .* in .*empty/<class>/"):
        list_videos([tmp_path / "empty"])
    with pytest.raises(InputError, match="to name a folder, CSV or file, got nothing"):
        list_videos([])


def ace_folder(folder: Path) -> Path:
    """As 3D ACE's published code reads it: classes, and sets of random videos drawn from all of them."""
    contents = {
        "crying/a.mp4": b"one", "crying/b.mp4": b"two", "laughing/c.mp4": b"three",
        "random_discovery/r1.mp4": b"four", "random_discovery/copy of a.mp4": b"one",
        "random500_0/r2.mp4": b"five", "random500_0/r1.mp4": b"four",
        "random500_11/r3.mp4": b"six", "random500_11/c.mp4": b"three",
    }  # fmt: skip
    for name, content in contents.items():
        touch(folder, name)
        (folder / name).write_bytes(content)
    return folder


def test_random_folders_hold_each_video_once_and_none_of_a_class(tmp_path):
    videos = list_videos([ace_folder(tmp_path)])
    assert [(v.id, v.label) for v in videos] == [
        ("crying/a.mp4", "crying"),
        ("crying/b.mp4", "crying"),
        ("laughing/c.mp4", "laughing"),
        ("random500_0/r1.mp4", RANDOM),
        ("random500_0/r2.mp4", RANDOM),
        ("random500_11/r3.mp4", RANDOM),
    ]
    assert class_names(videos) == ["crying", "laughing"]


def test_random_videos_take_the_place_of_other_classes(tmp_path):
    videos = list_videos([ace_folder(tmp_path)])
    assert {v.label for v in choose_videos(videos, "crying")} == {"crying", RANDOM}
    assert choose_videos(videos, "crying", shared=True) == videos
    plain = [v for v in videos if v.label != RANDOM]
    assert choose_videos(plain, "crying") == plain


def test_a_class_may_be_called_random(tmp_path):
    touch(tmp_path, "random/1.mp4", "random500/2.mp4", "walk/3.mp4")
    assert {v.label for v in list_videos([tmp_path])} == {"random", "random500", "walk"}


def test_a_link_to_a_video_of_a_class_is_a_copy_too(tmp_path):
    touch(tmp_path, "crying/a.mp4", "random500_0/other.mp4")
    (tmp_path / "random500_0/other.mp4").write_bytes(b"more")
    (tmp_path / "random500_0/a.mp4").symlink_to(tmp_path / "crying/a.mp4")
    assert [v.id for v in list_videos([tmp_path])] == ["crying/a.mp4", "random500_0/other.mp4"]


def test_links_out_of_a_folder_are_followed_only_if_wanted(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "videos/waving").mkdir(parents=True)
    (tmp_path / "elsewhere/secret.mp4").write_bytes(b"x")
    (tmp_path / "videos/waving/own.mp4").write_bytes(b"yy")
    (tmp_path / "videos/waving/also_own.mp4").symlink_to("own.mp4")
    assert len(list_videos([tmp_path / "videos"], follow_links=False)) == 1  # both names are one file
    (tmp_path / "videos/waving/out.mp4").symlink_to(tmp_path / "elsewhere/secret.mp4")
    with pytest.raises(
        InputError, match=r"out\.mp4 to lie in .*videos, got a link to .*secret\.mp4; pass --fol"
    ):
        list_videos([tmp_path / "videos"], follow_links=False)
    assert len(list_videos([tmp_path / "videos"])) == 2
    assert len(list_videos([tmp_path / "videos/waving/out.mp4"], follow_links=False)) == 1  # it was named


def test_a_folder_that_is_itself_a_link_is_taken(tmp_path):
    (tmp_path / "real/waving").mkdir(parents=True)
    (tmp_path / "real/waving/own.mp4").write_bytes(b"yy")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert len(list_videos([tmp_path / "link"], follow_links=False)) == 1


def test_odd_bytes_of_names_are_escapes_in_text(tmp_path):
    file = tmp_path / os.fsdecode(b"videos/d\xe9j\xe0/\xff.mp4")
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    (video,) = list_videos([tmp_path / "videos"])
    assert (video.id, video.label, video.group) == (r"d\xe9j\xe0/\xff.mp4", r"d\xe9j\xe0", video.id)
    assert video.path.read_bytes() == b"x"


@pytest.mark.parametrize("name", ["a\nb.mp4", "<b onload=x>.mp4", "-rf.mp4", "é" * 100 + ".mp4", "a'\".mp4"])
def test_odd_names_are_names(tmp_path, name):
    file = tmp_path / "videos/waving" / name
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    (video,) = list_videos([tmp_path / "videos"])
    assert video.path == file
