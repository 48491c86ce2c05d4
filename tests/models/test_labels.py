from __future__ import annotations

import os

import pytest

from ace3d_fast.errors import InputError
from ace3d_fast.models.labels import read_labels
from ace3d_fast.models.names import nearest, plain


def test_one_name_a_line_in_order(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes(b"\xef\xbb\xbfplaying tennis \r\ndive\r\n\r\n")
    assert read_labels(path) == ["playing tennis", "dive"]


def test_names_come_through_a_pipe():
    reading, writing = os.pipe()
    os.write(writing, b"playing tennis\ndive\n")
    os.close(writing)
    assert read_labels(f"/dev/fd/{reading}") == ["playing tennis", "dive"]
    os.close(reading)


def test_a_folder_is_told_as_one(tmp_path):
    with pytest.raises(InputError, match="to be a file of class names, got a folder"):
        read_labels(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "to be a file of class names, got nothing there"),
        (b"", "to hold one class name a line, got an empty file"),
        (b"\n\n", "got an empty file"),
        (b"a\n\nb\n", "to hold one class name a line, got an empty line 2"),
        (b"\xff\xfe\x00", "to be text in UTF-8, got other bytes"),
    ],
)
def test_a_bad_file_says_why(tmp_path, content, message):
    path = tmp_path / "labels.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_labels(path)


def test_names_are_compared_without_case_dashes_and_underscores():
    assert plain("Playing_Tennis") == plain("playing-tennis ") == "playing tennis"


def test_the_nearest_names_come_first():
    assert nearest("blocks.44", ["head", "blocks.4", "blocks.5"], count=2) == "nearest: blocks.4, blocks.5"
    assert nearest("x", []) == ""
